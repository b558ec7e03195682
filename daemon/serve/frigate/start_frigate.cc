// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/module.h"
#include "daemon/serve/frigate/frigate_server.h"

namespace inferd::serve {

Result<std::unique_ptr<Server>> start_frigate(const config::FrigateListener& listener,
                                              pipeline::Pipelines& pipelines) {
  INFERD_ASSIGN_OR_RETURN(const auto start,
                          host::function_in_module<StartFrigate>("frigate", "frigate_server"));
  return (*start)(listener, pipelines);
}

}  // namespace inferd::serve

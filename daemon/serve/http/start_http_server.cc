// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/module.h"
#include "daemon/serve/http/http_server.h"

namespace inferd::serve {

Result<std::unique_ptr<HttpServer>> HttpServer::start(const config::ServerConfig& config,
                                                      std::vector<Route> routes) {
  INFERD_ASSIGN_OR_RETURN(const auto start,
                          host::function_in_module<StartHttpServer>("http", "http_server"));
  return (*start)(config, std::move(routes));
}

}  // namespace inferd::serve

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "daemon/config/config.h"
#include "daemon/models/repository.h"
#include "daemon/pipeline/pipelines.h"
#include "daemon/serve/server.h"

namespace inferd::serve {

// The local socket (docs/local-socket.md) on one listener.
Result<std::unique_ptr<Server>> start_local(const config::LocalListener& listener,
                                            const models::Repository& repository,
                                            pipeline::Pipelines& pipelines,
                                            const std::string& version);

}  // namespace inferd::serve

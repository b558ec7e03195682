// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "daemon/config/config.h"
#include "daemon/host/host.h"
#include "daemon/models/deploy/deployments.h"
#include "daemon/models/repository.h"
#include "daemon/pipeline/pipelines.h"
#include "daemon/serve/server.h"
#include "daemon/serve/shared_memory.h"

namespace inferd::serve {

// The Open Inference Protocol, our own services and the dashboard over HTTP on every listener of
// `config.http`. `deployments` null: there is nothing to deploy to. `host` null: nothing is told of
// it.
Result<std::unique_ptr<Server>> start_http(const config::ServerConfig& config,
                                           models::Repository& repository,
                                           pipeline::Pipelines& pipelines, SharedMemory& memory,
                                           const std::string& version,
                                           models::Deployments* deployments = nullptr,
                                           const host::Host* host = nullptr);

}  // namespace inferd::serve

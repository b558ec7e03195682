// SPDX-License-Identifier: Apache-2.0
//
// What is served over HTTP, one function for each group of routes; docs/http.md lists them.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/host/host.h"
#include "daemon/models/deploy/deployments.h"
#include "daemon/models/repository.h"
#include "daemon/pipeline/pipelines.h"
#include "daemon/serve/http/router.h"
#include "daemon/serve/shared_memory.h"

namespace inferd::serve {

// What routes answer from; outlives the server.
struct Backend {
  const config::ServerConfig& config;
  models::Repository& repository;
  pipeline::Pipelines& pipelines;
  SharedMemory& memory;
  const std::string version;
  models::Deployments* deployments = nullptr;  // null: there are none
  const host::Host* host = nullptr;            // null: nothing is told of it
  std::atomic<bool> stopping{false};           // not ready any more, though still answering
};

// /v2, health, metadata, configuration, statistics, the repository's index.
std::vector<Route> model_routes(const Backend& backend);

// Loading and unloading models, settings of the log and of traces.
std::vector<Route> control_routes(const Backend& backend);

// Regions of system shared memory, and of CUDA's, of which there are none.
std::vector<Route> shared_memory_routes(const Backend& backend);

// Inference.
std::vector<Route> infer_routes(const Backend& backend);

// What Prometheus collects.
std::vector<Route> metrics_routes(const Backend& backend);

// Our own services (inferd/v1), and who the caller is.
std::vector<Route> service_routes(const Backend& backend);

// Pipelines in the way of DeepStack and CodeProject.AI, where they are configured.
std::vector<Route> vision_routes(const Backend& backend);

// What pipelines see, as it happens.
std::vector<Route> live_routes(const Backend& backend);

// The dashboard's files.
std::vector<Route> ui_routes(const Backend& backend);

// All of the above.
std::vector<Route> all_routes(const Backend& backend);

}  // namespace inferd::serve

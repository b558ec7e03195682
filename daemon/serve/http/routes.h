// SPDX-License-Identifier: Apache-2.0
//
// What is served over HTTP, one function for each group of routes; docs/http.md lists them.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/models/repository.h"
#include "daemon/pipeline/pipelines.h"
#include "daemon/serve/http/router.h"

namespace inferd::serve {

// What routes answer from; outlives the server.
struct Backend {
  const models::Repository& repository;
  const pipeline::Pipelines& pipelines;
  const std::string version;
  const int64_t max_body_bytes;
  std::atomic<bool> stopping{false};  // not ready any more, though still answering
};

// /v2, health, metadata, statistics, the repository's index.
std::vector<Route> model_routes(const Backend& backend);

// Inference.
std::vector<Route> infer_routes(const Backend& backend);

// What Prometheus collects.
std::vector<Route> metrics_routes(const Backend& backend);

}  // namespace inferd::serve

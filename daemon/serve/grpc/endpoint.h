// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "daemon/config/config.h"
#include "daemon/pipeline/pipelines.h"
#include "daemon/serve/grpc/guarded_inference_service.h"
#include "daemon/serve/grpc/health_service.h"
#include "daemon/serve/grpc/pipeline_service.h"

namespace inferd::serve {

// What every endpoint serves. All borrowed.
struct Served {
  const config::ServerConfig& config;
  models::Repository& repository;
  pipeline::Pipelines& pipelines;
  SharedMemory& memory;
  const std::string& version;
};

// One of gRPC's servers with its services, for callers whose roles are told in one way.
class Endpoint {
 public:
  Endpoint(const Served& served, CallerRoles roles);
  ~Endpoint() { shut_down(0); }

  // Listens on an address with these credentials, and starts. UNAVAILABLE when it cannot be had.
  Status listen(const std::string& address,
                const std::shared_ptr<grpc::ServerCredentials>& credentials);
  // Starts with no address: connections are given to it.
  Status start();
  // Takes over a connected socket, which does not block.
  void adopt(int socket);

  // Health says NOT_SERVING from now on.
  void announce_shutdown() { health_.not_serving(); }
  void shut_down(int64_t timeout_ms);

 private:
  Status build(grpc::ServerBuilder& builder);
  void announce_ready();

  const Served served_;
  GuardedInferenceService inference_;
  PipelineService pipelines_;
  HealthService health_;
  std::shared_ptr<const void> changes_;  // of models, for health_
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace inferd::serve

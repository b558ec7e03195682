// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

#include "daemon/config/config.h"
#include "daemon/pipeline/pipelines.h"
#include "daemon/serve/grpc/deployment_service.h"
#include "daemon/serve/grpc/guarded_inference_service.h"
#include "daemon/serve/grpc/health_service.h"
#include "daemon/serve/grpc/host_service.h"
#include "daemon/serve/grpc/pipeline_service.h"

namespace inferd::serve {

// What every endpoint serves. All borrowed.
struct Served {
  const config::ServerConfig& config;
  models::Repository& repository;
  pipeline::Pipelines& pipelines;
  SharedMemory& memory;
  const std::string& version;
  models::Deployments* deployments;  // null: none
  const host::Host* host;            // null: nothing is told of it
};

// One of gRPC's servers with its services, for callers whose roles are told in one way. It listens
// nowhere: connections are given to it.
class Endpoint {
 public:
  Endpoint(const Served& served, Callers callers);
  using Time = std::chrono::steady_clock::time_point;
  ~Endpoint() { shut_down(Time()); }

  // With these credentials; none: connections are without encryption, and each has a name in the
  // contexts of its calls (their peer) although a Unix socket has no address.
  Status start(const std::shared_ptr<grpc::ServerCredentials>& credentials = nullptr);
  // Takes over a connected socket, which does not block.
  void adopt(int socket);

  // Health says NOT_SERVING from now on.
  void announce_shutdown() { health_.not_serving(); }
  void shut_down(Time until);

 private:
  void announce_ready();

  const Served served_;
  GuardedInferenceService inference_;
  PipelineService pipelines_;
  DeploymentService deployments_;
  HostService host_;
  HealthService health_;
  std::shared_ptr<const void> changes_;  // of models, for health_
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;  // with credentials
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace inferd::serve

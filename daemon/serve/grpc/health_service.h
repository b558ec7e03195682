// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>

#include "grpc_health/health.grpc.pb.h"

namespace inferd::serve {

// grpc.health.v1. gRPC's own cannot end the streams of those who watch, and a server that shuts
// down waits for them until its timeout; this one ends them. Thread-safe.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  using Request = grpc::health::v1::HealthCheckRequest;
  using Response = grpc::health::v1::HealthCheckResponse;
  using ServingStatus = Response::ServingStatus;

  // Ignored once not_serving() was called. Watchers are told.
  void set(const std::string& service, bool serving);

  // Everything known is NOT_SERVING from now on.
  void not_serving();

  // Ends the streams of watchers once they were told the last status, and those of later ones at
  // once.
  void end_watches();

  // NOT_FOUND for a service that was never set.
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context, const Request* request,
                                  Response* response) override;
  // SERVICE_UNKNOWN until the service is set.
  grpc::ServerWriteReactor<Response>* Watch(grpc::CallbackServerContext* context,
                                            const Request* request) override;

 private:
  class Watcher;

  ServingStatus status_of(const std::string& service) const;  // by mutex_

  std::mutex mutex_;
  std::map<std::string, bool> serving_;  // by mutex_
  bool shut_down_ = false;               // by mutex_
  bool ending_ = false;                  // by mutex_
  std::set<Watcher*> watchers_;          // by mutex_; each deletes itself when its call is done
};

}  // namespace inferd::serve

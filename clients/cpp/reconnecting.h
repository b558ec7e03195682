// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "grpc_health/health.grpc.pb.h"

namespace inferd {

// Looks for a daemon that was lost. gRPC works on a connection only while somebody waits for an
// answer; calls that fail at once do not, and then it looks every 5 seconds. Hence one call that
// waits until the daemon is there. Safe to use from several threads.
class Reconnecting {
 public:
  // `health` must live longer.
  explicit Reconnecting(grpc::health::v1::Health::Stub& health) : health_(health) {}
  ~Reconnecting();
  Reconnecting(const Reconnecting&) = delete;
  Reconnecting& operator=(const Reconnecting&) = delete;

  // Looks for a minute, unless it does already.
  void look();

 private:
  struct Call {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    grpc::health::v1::HealthCheckResponse response;
  };

  grpc::health::v1::Health::Stub& health_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::unique_ptr<Call> call_;  // while it looks; by mutex_
};

}  // namespace inferd

// SPDX-License-Identifier: Apache-2.0
//
// What gRPC takes by itself: a server of the same service, with gRPC's defaults, that does nothing
// with a request but wait as long as the model computes, and answers as many bytes.
#pragma once

#include <string>

#include "inferd/engine/status.h"

namespace inferd::bench {

// A process of its own, until it is destroyed.
class BareGrpc {
 public:
  // Computing takes `microseconds`; the model's output has `output_bytes`.
  static Result<BareGrpc> start(double microseconds, size_t output_bytes);
  BareGrpc(BareGrpc&& other) noexcept;
  BareGrpc& operator=(BareGrpc&&) = delete;
  ~BareGrpc();

  std::string endpoint() const { return "unix:" + socket_; }

 private:
  BareGrpc(std::string socket, int process) : socket_(std::move(socket)), process_(process) {}

  std::string socket_;
  int process_;
};

// What that process does: serves until it is killed.
int serve_bare_grpc(const std::string& socket, double microseconds, size_t output_bytes);

}  // namespace inferd::bench

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/server_context.h>

#include <chrono>

#include "daemon/schedule/request.h"

namespace inferd::serve {

// The call's deadline on the clock of queues; 0: none.
inline int64_t deadline_ns(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return 0;
  const auto left = deadline - std::chrono::system_clock::now();
  return schedule::now_ns() + std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
}

}  // namespace inferd::serve

// SPDX-License-Identifier: Apache-2.0
//
// What the calls of a service have in common.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>

#include "daemon/schedule/request.h"
#include "daemon/serve/grpc/status.h"

namespace inferd::serve {

// The end of a call that is answered at once.
inline grpc::ServerUnaryReactor* finish(grpc::CallbackServerContext* context,
                                        const Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(to_grpc(status));
  return reactor;
}

// The call's deadline on the clock of queues; 0: none.
inline int64_t deadline_ns(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return 0;
  const auto left = deadline - std::chrono::system_clock::now();
  return schedule::now_ns() + std::chrono::duration_cast<std::chrono::nanoseconds>(left).count();
}

}  // namespace inferd::serve

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/sync_stream.h>

#include <algorithm>
#include <chrono>

#include "daemon/serve/grpc/callers.h"
#include "daemon/serve/services/asked.h"

namespace inferd::serve {

// What a synchronous call knows of its caller. Borrows the context.
inline Asked asked(const grpc::ServerContext& context, const Callers& callers) {
  Asked asked;
  asked.roles = callers.roles_of(context);
  asked.cancelled = [&context] { return context.IsCancelled(); };
  if (context.deadline() == std::chrono::system_clock::time_point::max()) return asked;
  const auto left = context.deadline() - std::chrono::system_clock::now();
  asked.left_ms =
      std::max<int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(left).count(), 0);
  return asked;
}

// Headers go at once, so that the client knows that its call is served before the first answer.
template <typename Message>
Answers<Message> answers_by(grpc::ServerWriter<Message>& writer) {
  return {[&] { writer.SendInitialMetadata(); },
          [&](const Message& message) { return writer.Write(message); }};
}

}  // namespace inferd::serve

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "inferd/client/infer.h"

namespace inferd {

// An inference on its way, made by Client::infer_async(). When the future goes before the answer is
// there, the inference is cancelled: what has not begun never runs. It may outlive its client,
// whose end completes it with CANCELLED. Belongs to one thread at a time.
class InferFuture {
 public:
  InferFuture() = default;  // of nothing: ready, with an error
  ~InferFuture();
  InferFuture(InferFuture&& other) noexcept = default;
  InferFuture& operator=(InferFuture&& other) noexcept;

  bool is_ready() const;
  // Whether the answer came within that time.
  bool wait_for_ms(int64_t timeout_ms) const;

  // Waits for the answer, no longer than the request's timeout says, and takes it.
  // FAILED_PRECONDITION: it was taken before.
  Result<std::vector<NamedResult>> get();

  // The answer will be CANCELLED, unless it is there already.
  void cancel();

 private:
  friend class Client;
  struct State;
  // Calls `start` with what it is to call when it is done; gets what cancels it.
  explicit InferFuture(const std::function<std::function<void()>(InferDone)>& start);

  std::shared_ptr<State> state_;
  std::function<void()> cancel_;
};

}  // namespace inferd

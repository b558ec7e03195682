// SPDX-License-Identifier: Apache-2.0
#include "inferd/client/infer_future.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

namespace inferd {

// Between the future and the thread that completes it.
struct InferFuture::State {
  std::mutex mutex;
  std::condition_variable ready;
  std::optional<Result<std::vector<NamedResult>>> answer;  // by mutex

  void complete(Result<std::vector<NamedResult>> with) {
    const std::lock_guard lock(mutex);
    answer = std::move(with);
    ready.notify_all();
  }
};

InferFuture::InferFuture(const std::function<std::function<void()>(InferDone)>& start)
    : state_(std::make_shared<State>()) {
  cancel_ = start([state = state_](auto answer) { state->complete(std::move(answer)); });
}

InferFuture::~InferFuture() { cancel(); }

InferFuture& InferFuture::operator=(InferFuture&& other) noexcept {
  if (this == &other) return *this;
  cancel();
  state_ = std::move(other.state_);
  cancel_ = std::move(other.cancel_);
  return *this;
}

bool InferFuture::is_ready() const {
  if (state_ == nullptr) return true;
  const std::lock_guard lock(state_->mutex);
  return state_->answer.has_value();
}

bool InferFuture::wait_for_ms(int64_t timeout_ms) const {
  if (state_ == nullptr) return true;
  std::unique_lock lock(state_->mutex);
  return state_->ready.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                [this] { return state_->answer.has_value(); });
}

Result<std::vector<NamedResult>> InferFuture::get() {
  if (state_ == nullptr)
    return failed_precondition("the future has no answer to give, or it was taken before");
  const std::shared_ptr<State> state = std::exchange(state_, nullptr);
  std::unique_lock lock(state->mutex);
  state->ready.wait(lock, [&] { return state->answer.has_value(); });
  return std::move(*state->answer);
}

void InferFuture::cancel() {
  if (!is_ready()) cancel_();
}

}  // namespace inferd

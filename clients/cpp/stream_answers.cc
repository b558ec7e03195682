// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/stream_answers.h"

#include <algorithm>
#include <utility>

namespace inferd {

std::chrono::steady_clock::time_point StreamAnswers::after(int64_t timeout_ms) const {
  constexpr int64_t kLongest = 365LL * 86'400'000;  // no clock is at its end by then
  if (timeout_ms == 0) timeout_ms = timeout_ms_;
  if (timeout_ms < 0) timeout_ms = kLongest;
  return std::chrono::steady_clock::now() +
         std::chrono::milliseconds(std::min(timeout_ms, kLongest));
}

Result<uint64_t> StreamAnswers::begin(int64_t timeout_ms, size_t most) {
  most = std::min(most, max_in_flight_);
  const auto until = after(timeout_ms);
  std::unique_lock lock(mutex_);
  const bool has_room = changed_.wait_until(
      lock, until, [&] { return finished_ || !over_.ok() || on_their_way() < most; });
  if (finished_) return failed_precondition("the stream is finished: open another one");
  if (!over_.ok()) return over_;
  if (!has_room) {
    return deadline_exceeded(std::to_string(most) +
                             " requests are on their way (max_in_flight), and none of their "
                             "answers was received: call receive() meanwhile, in another thread");
  }
  unanswered_.insert(++last_number_);
  return last_number_;
}

void StreamAnswers::put(StreamAnswer answer) {
  const std::lock_guard lock(mutex_);
  if (answer.request != 0) {
    if (!unanswered_.contains(answer.request)) return;
    if (answer.is_last) {
      unanswered_.erase(answer.request);
      ++last_ones_;
    }
  }
  answers_.push_back(std::move(answer));
  changed_.notify_all();
}

Result<StreamAnswer> StreamAnswers::receive(int64_t timeout_ms) {
  const auto until = after(timeout_ms);
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, until, [this] {
    return !answers_.empty() || !over_.ok() || (finished_ && unanswered_.empty());
  });
  if (!answers_.empty()) {
    StreamAnswer answer = std::move(answers_.front());
    answers_.pop_front();
    if (answer.request != 0 && answer.is_last) --last_ones_;
    changed_.notify_all();
    return answer;
  }
  if (finished_ && unanswered_.empty()) return out_of_range("every request was answered");
  if (!over_.ok()) return over_;
  return deadline_exceeded("no answer came in time; " + std::to_string(unanswered_.size()) +
                           " requests are on their way");
}

void StreamAnswers::finish() {
  const std::lock_guard lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

void StreamAnswers::end(const Status& why) {
  const std::lock_guard lock(mutex_);
  over_ = why;
  for (const uint64_t request : unanswered_) answers_.push_back({request, why, {}, true});
  last_ones_ += unanswered_.size();
  unanswered_.clear();
  changed_.notify_all();
}

bool StreamAnswers::is_full() const {
  const std::lock_guard lock(mutex_);
  return answers_.size() >= max_in_flight_;
}

}  // namespace inferd

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <set>

#include "inferd/client/stream.h"

namespace inferd {

// What streams over all transports have in common: which requests wait for an answer, and answers
// that nobody has received. Safe to use from several threads.
class StreamAnswers {
 public:
  StreamAnswers(int max_in_flight, int64_t timeout_ms)
      : max_in_flight_(static_cast<size_t>(max_in_flight)), timeout_ms_(timeout_ms) {}

  // Counts a request in, as Stream::send() says, where there may be `most` at once whatever the
  // options say; `timeout_ms` 0: the client's.
  Result<uint64_t> begin(int64_t timeout_ms, size_t most = SIZE_MAX);
  // For a request that was counted in; what comes after its last answer is dropped.
  void put(StreamAnswer answer);
  // As Stream::receive().
  Result<StreamAnswer> receive(int64_t timeout_ms);
  void finish();
  // The stream is over: what has no last answer gets `why` as one, and so does who sends or
  // receives later. Not OK.
  void end(const Status& why);

  bool is_full() const;  // no more answers should come before some are received

 private:
  std::chrono::steady_clock::time_point after(int64_t timeout_ms) const;
  size_t on_their_way() const { return unanswered_.size() + last_ones_; }  // by mutex_

  const size_t max_in_flight_;
  const int64_t timeout_ms_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // By mutex_ all of these.
  uint64_t last_number_ = 0;
  std::set<uint64_t> unanswered_;     // requests without a last answer
  std::deque<StreamAnswer> answers_;  // not received yet
  size_t last_ones_ = 0;              // of those
  bool finished_ = false;
  Status over_;  // why, once it is
};

}  // namespace inferd

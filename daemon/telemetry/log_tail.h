// SPDX-License-Identifier: Apache-2.0
//
// The newest lines of the daemon's own log, in memory, for whoever follows it from afar. Bounded in
// lines and in bytes: the oldest go first.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "daemon/telemetry/log.h"

namespace inferd::telemetry {

// Thread-safe.
class LogTail {
 public:
  static constexpr size_t kMaxLines = 1000;
  static constexpr size_t kMaxBytes = 256 << 10;  // of all texts together
  static constexpr size_t kMaxText = 4 << 10;     // of one; the rest is cut off

  struct Line {
    uint64_t number = 0;  // from 1, without gaps
    int64_t time_ms = 0;  // since the epoch
    LogLevel level = LogLevel::kInfo;
    std::string text, model, pipeline;
  };

  void add(LogLevel level, std::string_view text, const About& about);

  // The oldest line that there is with a larger number than `number`. Waits for one, at most so
  // long; null: none came.
  std::shared_ptr<const Line> next(uint64_t number, int64_t timeout_ms) const;

  // The number that the newest `lines` come after.
  uint64_t before_newest(uint64_t lines) const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  uint64_t newest_ = 0;                            // by mutex_; the number of the last line
  size_t bytes_ = 0;                               // by mutex_
  std::deque<std::shared_ptr<const Line>> lines_;  // by mutex_; the oldest first
};

// Where log() puts what it writes.
LogTail& log_tail();

}  // namespace inferd::telemetry

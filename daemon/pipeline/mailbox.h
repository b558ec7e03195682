// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "daemon/pipeline/result.h"

namespace inferd::pipeline {

// A subscriber's bounded queue of results: when full, the oldest goes and is counted. `on_change`
// is called, if there is one, after each result and when it is closed, by who does that.
// Thread-safe.
class Mailbox {
 public:
  explicit Mailbox(size_t capacity, std::function<void()> on_change = {})
      : capacity_(capacity), on_change_(std::move(on_change)) {}

  // True when a result had to go.
  bool put(std::shared_ptr<const FrameResult> result) {
    bool full = false;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return false;
      full = results_.size() >= capacity_;
      if (full) {
        results_.pop_front();
        ++dropped_;
      }
      results_.push_back(std::move(result));
      changed_.notify_one();
    }
    if (on_change_) on_change_();
    return full;
  }

  // Waits at most so long. Null: nothing came, or closed and empty.
  std::shared_ptr<const FrameResult> take(int64_t timeout_ms) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                      [&] { return closed_ || !results_.empty(); });
    if (results_.empty()) return nullptr;
    std::shared_ptr<const FrameResult> result = std::move(results_.front());
    results_.pop_front();
    return result;
  }

  bool ended() const {
    const std::lock_guard lock(mutex_);
    return closed_ && results_.empty();
  }

  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      changed_.notify_all();
    }
    if (on_change_) on_change_();
  }

  uint64_t dropped() const {
    const std::lock_guard lock(mutex_);
    return dropped_;
  }

 private:
  const size_t capacity_;
  const std::function<void()> on_change_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<const FrameResult>> results_;  // by mutex_
  bool closed_ = false;                                     // by mutex_
  uint64_t dropped_ = 0;                                    // by mutex_
};

}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "daemon/pipeline/frame.h"
#include "daemon/pipeline/rate_limit.h"

namespace inferd::pipeline {

// Holds back the pictures of a source while the machine is to do less. Samples pass: they belong
// together, and their number is what they mean.
class Throttle {
 public:
  // No more than so many a second from now on; 0: all. Any thread.
  void set(double max_fps) {
    interval_ns_.store(interval_of(max_fps), std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    changed_.notify_all();
  }
  // Nothing waits any more. Any thread.
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }

  // Whether a frame may go on. Of a live source those that come too early may not; of another one,
  // which loses none, they wait for their time. Of the source's thread.
  bool passes(const Frame& frame, bool live) {
    const int64_t interval = interval_ns_.load(std::memory_order_relaxed);
    if (interval == 0 || frame.picture.width == 0) return true;
    if (live) return pace_.passes(frame.capture_ns, interval);
    wait(interval);
    return true;
  }

 private:
  void wait(int64_t interval) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, last_ + std::chrono::nanoseconds(interval), [&] {
      return stopped_ || interval_ns_.load(std::memory_order_relaxed) != interval;
    });
    last_ = std::chrono::steady_clock::now();
  }

  std::atomic<int64_t> interval_ns_{0};
  Pace pace_;                                     // of the source's thread, as is `last_`
  std::chrono::steady_clock::time_point last_{};  // a frame went on
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;  // by mutex_
};

}  // namespace inferd::pipeline

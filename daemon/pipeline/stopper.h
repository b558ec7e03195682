// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "daemon/schedule/request.h"

namespace inferd::pipeline {

// Tells a waiting thread to end. Thread-safe.
class Stopper {
 public:
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
  }

  bool stopped() const {
    const std::lock_guard lock(mutex_);
    return stopped_;
  }

  // Waits until the time has come (CLOCK_MONOTONIC ns). False: stopped.
  bool wait_until(int64_t ns) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::nanoseconds(ns - schedule::now_ns()),
                      [&] { return stopped_; });
    return !stopped_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;  // by mutex_
};

}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "daemon/schedule/request.h"

namespace inferd::pipeline {

// Tells a waiting thread to end. Thread-safe.
class Stopper {
 public:
  Stopper() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Stopper() {
    if (fd_ >= 0) ::close(fd_);
  }
  Stopper(const Stopper&) = delete;
  Stopper& operator=(const Stopper&) = delete;

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
    if (fd_ >= 0) ::eventfd_write(fd_, 1);
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

  // Readable from stop() on, for poll() beside other files; nobody reads it. -1 where the process
  // had no file left: who polls then has to look at stopped() in between.
  int fd() const { return fd_; }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;  // by mutex_
  const int fd_;
};

}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "daemon/pipeline/frame.h"

namespace inferd::pipeline {

// Between a source and the stages. A live source overwrites a frame that was not taken yet, which
// is counted; another waits until it is taken. Thread-safe, one producer and one consumer.
class Slot {
 public:
  explicit Slot(bool latest_wins) : latest_wins_(latest_wins) {}

  // False: closed.
  bool put(std::shared_ptr<const Frame> frame) {
    std::unique_lock lock(mutex_);
    if (!latest_wins_) changed_.wait(lock, [&] { return frame_ == nullptr || closed_; });
    if (closed_) return false;
    if (frame_ != nullptr) ++dropped_;
    frame_ = std::move(frame);
    changed_.notify_all();
    return true;
  }

  // Null once closed and empty.
  std::shared_ptr<const Frame> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return frame_ != nullptr || closed_; });
    std::shared_ptr<const Frame> frame = std::move(frame_);
    frame_ = nullptr;
    changed_.notify_all();
    return frame;
  }

  // What is inside can still be taken.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

  uint64_t dropped() const {
    const std::lock_guard lock(mutex_);
    return dropped_;
  }

 private:
  const bool latest_wins_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::shared_ptr<const Frame> frame_;  // by mutex_
  bool closed_ = false;                 // by mutex_
  uint64_t dropped_ = 0;                // by mutex_
};

}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "daemon/pipeline/frame.h"

namespace inferd::pipeline {

// Between a source and the stages. A live source overwrites a frame that was not taken yet, which
// is counted; another waits until it is taken. Three frames go round (one is filled, one waits, one
// is worked on) and in turn, so that their buffers soon have their sizes and nothing is allocated
// any more. Thread-safe, one producer and one consumer.
class Slot {
 public:
  explicit Slot(bool latest_wins) : latest_wins_(latest_wins) {
    for (int i = 0; i < 3; ++i) spares_.push_back(std::make_unique<Frame>());
  }

  // Producer: a frame to fill, with whatever its last use left in it.
  std::unique_ptr<Frame> spare() {
    const std::lock_guard lock(mutex_);
    if (spares_.empty()) return std::make_unique<Frame>();  // a caller kept one
    std::unique_ptr<Frame> frame = std::move(spares_.front());
    spares_.erase(spares_.begin());
    return frame;
  }

  // Producer. False: closed, and the frame counts as dropped.
  bool put(std::unique_ptr<Frame> frame) {
    std::unique_lock lock(mutex_);
    if (!latest_wins_) changed_.wait(lock, [&] { return frame_ == nullptr || closed_; });
    if (closed_ || frame_ != nullptr) ++dropped_;
    if (closed_) return false;
    if (frame_ != nullptr) {
      spares_.push_back(std::move(frame_));
    }
    frame_ = std::move(frame);
    changed_.notify_all();
    return true;
  }

  // Consumer. Null once closed and empty.
  std::unique_ptr<Frame> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return frame_ != nullptr || closed_; });
    std::unique_ptr<Frame> frame = std::move(frame_);
    changed_.notify_all();
    return frame;
  }

  // Consumer: done with it.
  void give_back(std::unique_ptr<Frame> frame) {
    const std::lock_guard lock(mutex_);
    spares_.push_back(std::move(frame));
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
  std::unique_ptr<Frame> frame_;                // by mutex_
  std::vector<std::unique_ptr<Frame>> spares_;  // by mutex_, at most three
  bool closed_ = false;                         // by mutex_
  uint64_t dropped_ = 0;                        // by mutex_
};

}  // namespace inferd::pipeline

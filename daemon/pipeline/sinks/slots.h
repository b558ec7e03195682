// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <vector>

namespace inferd::pipeline {

// A bounded queue of items that are filled and emptied where they are, so that their buffers are
// used again. One thread puts, another takes.
template <typename T>
class Slots {
 public:
  explicit Slots(size_t capacity) : slots_(capacity) {}

  // To be filled, then given by put(); null: there is no room.
  T* free_slot() {
    const std::lock_guard lock(mutex_);
    return used_ == slots_.size() ? nullptr : &slots_[(first_ + used_) % slots_.size()];
  }
  void put() {
    {
      const std::lock_guard lock(mutex_);
      ++used_;
    }
    changed_.notify_one();
  }

  // The oldest, which stays where it is until done(). Null: none came in that time, or the queue is
  // closed and empty.
  T* take(std::chrono::milliseconds at_most) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, at_most, [&] { return used_ > 0 || closed_; });
    return used_ == 0 ? nullptr : &slots_[first_];
  }
  void done() {
    const std::lock_guard lock(mutex_);
    first_ = (first_ + 1) % slots_.size();
    --used_;
  }

  // What is inside can still be taken.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_one();
  }
  bool ended() const {
    const std::lock_guard lock(mutex_);
    return closed_ && used_ == 0;
  }
  size_t size() const {
    const std::lock_guard lock(mutex_);
    return used_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<T> slots_;         // those in use belong to who takes, the next to who puts
  size_t first_ = 0, used_ = 0;  // by mutex_
  bool closed_ = false;          // by mutex_
};

}  // namespace inferd::pipeline

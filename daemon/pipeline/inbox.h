// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace inferd::pipeline {

// What waits for a node. When it is full, the newest takes the place of the oldest, or whoever
// brings it waits. Allocates once. Thread-safe.
template <typename T>
class Inbox {
 public:
  enum class Put { kTaken, kReplaced, kClosed };

  Inbox(size_t capacity, bool latest_wins) : latest_wins_(latest_wins), ring_(capacity) {}

  // kReplaced: the oldest went for it. kClosed: it is not taken.
  Put put(T item) {
    [[maybe_unused]] T replaced{};  // goes after the lock
    std::unique_lock lock(mutex_);
    if (!latest_wins_) changed_.wait(lock, [&] { return size_ < ring_.size() || closed_; });
    if (closed_) return Put::kClosed;
    const bool full = size_ == ring_.size();
    if (full) replaced = pop();
    ring_[(first_ + size_++) % ring_.size()] = std::move(item);
    changed_.notify_all();
    return full ? Put::kReplaced : Put::kTaken;
  }

  // Waits. False: closed and empty.
  bool take(T& item) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return size_ > 0 || closed_; });
    if (size_ == 0) return false;
    item = pop();
    changed_.notify_all();
    return true;
  }

  // What is inside can still be taken.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }

  size_t size() const {
    const std::lock_guard lock(mutex_);
    return size_;
  }

 private:
  T pop() {
    T item = std::move(ring_[first_]);
    first_ = (first_ + 1) % ring_.size();
    --size_;
    return item;
  }

  const bool latest_wins_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<T> ring_;          // by mutex_
  size_t first_ = 0, size_ = 0;  // by mutex_
  bool closed_ = false;          // by mutex_
};

}  // namespace inferd::pipeline

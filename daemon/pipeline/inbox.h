// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <mutex>
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
    bool full = false;
    {
      std::unique_lock lock(mutex_);
      while (!latest_wins_ && size_ == ring_.size() && !closed_) wait(lock, room_, waits_for_room_);
      if (closed_) return Put::kClosed;
      full = size_ == ring_.size();
      if (full) replaced = pop();
      ring_[(first_ + size_++) % ring_.size()] = std::move(item);
      if (waits_for_items_ == 0) return full ? Put::kReplaced : Put::kTaken;
    }
    items_.notify_one();
    return full ? Put::kReplaced : Put::kTaken;
  }

  // Waits. False: closed and empty.
  bool take(T& item) {
    {
      std::unique_lock lock(mutex_);
      while (size_ == 0 && !closed_) wait(lock, items_, waits_for_items_);
      if (size_ == 0) return false;
      item = pop();
      if (waits_for_room_ == 0) return true;
    }
    room_.notify_one();
    return true;
  }

  // What is inside can still be taken.
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    items_.notify_all();
    room_.notify_all();
  }

  size_t size() const {
    const std::lock_guard lock(mutex_);
    return size_;
  }

 private:
  // Whoever changes something only calls the kernel where somebody waits for it.
  static void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& changed,
                   int& waiting) {
    ++waiting;
    changed.wait(lock);
    --waiting;
  }

  T pop() {
    T item = std::move(ring_[first_]);
    first_ = (first_ + 1) % ring_.size();
    --size_;
    return item;
  }

  const bool latest_wins_;
  mutable std::mutex mutex_;
  std::condition_variable items_, room_;
  int waits_for_items_ = 0, waits_for_room_ = 0;  // by mutex_
  std::vector<T> ring_;                           // by mutex_
  size_t first_ = 0, size_ = 0;                   // by mutex_
  bool closed_ = false;                           // by mutex_
};

}  // namespace inferd::pipeline

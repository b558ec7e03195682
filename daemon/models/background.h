// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace inferd::models {

// A thread that does what must not hold up its callers, one piece after the other. Thread-safe.
class Background {
 public:
  Background() : thread_([this] { work(); }) {}
  ~Background();  // does what was posted, then ends; not from a piece of work

  void post(std::function<void()> piece);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> pieces_;  // by mutex_
  bool ending_ = false;                       // by mutex_
  std::thread thread_;                        // last: it uses the others
};

}  // namespace inferd::models

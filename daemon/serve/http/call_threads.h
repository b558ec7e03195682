// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>

namespace inferd::serve {

// Threads for what must not hold up those of the server: one for each call, so many at most.
// Thread-safe.
class CallThreads {
 public:
  explicit CallThreads(int most) : most_(most) {}
  ~CallThreads();  // waits for all; they must have been told to end
  CallThreads(const CallThreads&) = delete;
  CallThreads& operator=(const CallThreads&) = delete;

  // False: there are so many already, or the system has no thread left; nothing is done.
  bool run(std::function<void()> call);

 private:
  const int most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int running_ = 0;  // by mutex_
};

}  // namespace inferd::serve

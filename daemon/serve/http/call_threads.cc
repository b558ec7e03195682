// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/call_threads.h"

#include <system_error>
#include <thread>

namespace inferd::serve {

CallThreads::~CallThreads() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return running_ == 0; });
}

bool CallThreads::run(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    if (running_ >= most_) return false;
    ++running_;
  }
  const auto leave = [this] {
    const std::lock_guard lock(mutex_);
    --running_;
    changed_.notify_all();
  };
  try {
    std::thread([leave, call = std::move(call)]() mutable {
      call();
      call = nullptr;  // what it holds may need what waits for the end
      leave();
    }).detach();
  } catch (const std::system_error&) {
    leave();
    return false;
  }
  return true;
}

}  // namespace inferd::serve

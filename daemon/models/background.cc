// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/background.h"

namespace inferd::models {

Background::~Background() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Background::post(std::function<void()> piece) {
  {
    const std::lock_guard lock(mutex_);
    pieces_.push_back(std::move(piece));
  }
  changed_.notify_all();
}

void Background::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return ending_ || !pieces_.empty(); });
    if (pieces_.empty()) return;
    std::function<void()> piece = std::move(pieces_.front());
    pieces_.pop_front();
    lock.unlock();
    piece();
    piece = nullptr;  // what it holds may post more
    lock.lock();
  }
}

}  // namespace inferd::models

// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/watched_queue.h"

#include <utility>

#include "daemon/schedule/forwarding_queue.h"

namespace inferd::schedule {

void Watching::watch(std::shared_ptr<Observer> observer) {
  const std::lock_guard lock(mutex_);
  observer_.swap(observer);
  is_watched_ = observer_ != nullptr;
}

std::shared_ptr<Observer> Watching::observer() const {
  const std::lock_guard lock(mutex_);
  return observer_;
}

class WatchedQueue final : public ForwardingQueue {
 public:
  WatchedQueue(std::unique_ptr<ModelQueue> queue, std::shared_ptr<Watching> watching)
      : ForwardingQueue(std::move(queue)), watching_(std::move(watching)) {}

  void submit(Request request) override {
    if (watching_->is_watched_.load(std::memory_order_relaxed)) {
      if (const auto observer = watching_->observer(); observer != nullptr)
        observer->observe(request);
    }
    queue_->submit(std::move(request));
  }

 private:
  const std::shared_ptr<Watching> watching_;
};

std::unique_ptr<ModelQueue> make_watched_queue(std::unique_ptr<ModelQueue> queue,
                                               std::shared_ptr<Watching> watching) {
  return std::make_unique<WatchedQueue>(std::move(queue), std::move(watching));
}

}  // namespace inferd::schedule

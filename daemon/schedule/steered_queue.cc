// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/steered_queue.h"

#include <utility>

#include "daemon/schedule/forwarding_queue.h"

namespace inferd::schedule {

void Steering::watch(std::shared_ptr<Observer> observer) {
  const std::lock_guard lock(mutex_);
  parts_.observer.swap(observer);
  is_steered_ = parts_.observer != nullptr || parts_.other != nullptr;
}

void Steering::leave_sequences_to(std::shared_ptr<ModelQueue> other) {
  const std::lock_guard lock(mutex_);
  parts_.other.swap(other);
  is_steered_ = parts_.observer != nullptr || parts_.other != nullptr;
}

Steering::Parts Steering::parts() const {
  const std::lock_guard lock(mutex_);
  return parts_;
}

class SteeredQueue final : public ForwardingQueue {
 public:
  SteeredQueue(std::unique_ptr<ModelQueue> queue, std::shared_ptr<Steering> steering)
      : ForwardingQueue(std::move(queue)), steering_(std::move(steering)) {}

  void submit(Request request) override {
    if (steering_->is_steered_.load(std::memory_order_relaxed)) return steer(std::move(request));
    queue_->submit(std::move(request));
  }

 private:
  void steer(Request request) {
    const Steering::Parts parts = steering_->parts();
    const Sequence& sequence = request.sequence;
    if (parts.other != nullptr && !sequence.id.empty() && !sequence.start &&
        !queue_->has_sequence(sequence.id) && parts.other->has_sequence(sequence.id)) {
      return parts.other->submit(std::move(request));
    }
    if (parts.observer != nullptr) parts.observer->observe(request);
    queue_->submit(std::move(request));
  }

  const std::shared_ptr<Steering> steering_;
};

std::unique_ptr<ModelQueue> make_steered_queue(std::unique_ptr<ModelQueue> queue,
                                               std::shared_ptr<Steering> steering) {
  return std::make_unique<SteeredQueue>(std::move(queue), std::move(steering));
}

}  // namespace inferd::schedule

// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/shedding_queue.h"

#include <utility>

#include "daemon/schedule/forwarding_queue.h"

namespace inferd::schedule {
namespace {

// Unlike a level of the queue it may be larger than there are levels: who says that something is of
// little importance is believed, also where a model has one level only.
int importance_of(const Request& request, const QueueOptions& options, bool has_states) {
  const bool in_sequence = has_states && !request.sequence.id.empty();
  if (request.priority != 0 && !in_sequence) return request.priority;
  return options.default_priority != 0 ? options.default_priority : options.priority_levels;
}

class SheddingQueue final : public ForwardingQueue {
 public:
  SheddingQueue(std::unique_ptr<ModelQueue> queue, std::shared_ptr<const Shedding> shedding)
      : ForwardingQueue(std::move(queue)), shedding_(std::move(shedding)) {
    has_states_ = !model().info().states.empty();
  }

  void submit(Request request) override {
    const Status allowed = shedding_->check(importance_of(request, options(), has_states_));
    if (allowed.ok()) return queue_->submit(std::move(request));
    shed_.fetch_add(1, std::memory_order_relaxed);
    request.done({allowed, {}, {}});
  }

  QueueStatistics statistics() const override {
    QueueStatistics all = queue_->statistics();
    const uint64_t shed = shed_.load(std::memory_order_relaxed);
    all.refused[static_cast<size_t>(Refusal::kShed)] += shed;
    all.fail.count += shed;
    return all;
  }

 private:
  const std::shared_ptr<const Shedding> shedding_;
  bool has_states_ = false;
  std::atomic<uint64_t> shed_{0};
};

}  // namespace

void Shedding::set(int priority, const std::string& why) {
  const std::lock_guard lock(mutex_);
  why_ = why;
  priority_.store(priority, std::memory_order_relaxed);
}

Status Shedding::check(int priority) const {
  if (priority_.load(std::memory_order_relaxed) == 0) return ok_status();
  const std::lock_guard lock(mutex_);
  const int from = priority_.load(std::memory_order_relaxed);
  if (from == 0 || priority < from) return ok_status();
  return resource_exhausted("the governor refuses requests of priority " + std::to_string(from) +
                            " and of larger numbers, because " + why_ + "; this one has priority " +
                            std::to_string(priority) +
                            ": try again later, or with a smaller number if it is urgent");
}

std::unique_ptr<ModelQueue> make_shedding_queue(std::unique_ptr<ModelQueue> queue,
                                                std::shared_ptr<const Shedding> shedding) {
  return std::make_unique<SheddingQueue>(std::move(queue), std::move(shedding));
}

}  // namespace inferd::schedule

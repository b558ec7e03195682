// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

#include "daemon/schedule/model_queue.h"

namespace inferd::schedule {

// What stands before another queue and is that queue but for what it overrides.
class ForwardingQueue : public ModelQueue {
 public:
  explicit ForwardingQueue(std::unique_ptr<ModelQueue> queue) : queue_(std::move(queue)) {}

  void submit(Request request) override { queue_->submit(std::move(request)); }
  QueueStatistics statistics() const override { return queue_->statistics(); }
  const Model& model() const override { return queue_->model(); }
  const QueueOptions& options() const override { return queue_->options(); }
  bool has_sequence(std::string_view id) const override { return queue_->has_sequence(id); }
  void end_sequence(std::string_view id) override { queue_->end_sequence(id); }
  void close() override { queue_->close(); }
  void abandon() override { queue_->abandon(); }

 protected:
  const std::unique_ptr<ModelQueue> queue_;
};

}  // namespace inferd::schedule

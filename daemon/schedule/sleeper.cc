// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/sleeper.h"

#include <utility>

#include "daemon/schedule/batch.h"

namespace inferd::schedule {
namespace {

int64_t bytes_of(const MemoryUse& memory) {
  return memory.weights_bytes + memory.arena_bytes + memory.scratch_bytes;
}

bool is_busy(const QueueStatistics& statistics) {
  return statistics.pending > 0 || statistics.running > 0 || statistics.sequences > 0;
}

}  // namespace

Sleeper::Sleeper(std::shared_ptr<const Model> model, std::string name, const QueueOptions& options,
                 Make make)
    : model_(std::move(model)),
      name_(std::move(name)),
      options_(options),
      make_(std::move(make)),
      last_used_ns_(now_ns()) {}

void Sleeper::submit(Request request) {
  std::shared_ptr<ModelQueue> queue;
  Status refused;
  {
    const std::lock_guard lock(mutex_);
    last_used_ns_ = now_ns();
    // While what waits is handed over, who comes waits behind it.
    if (!waking_) queue = queue_;
    if (queue == nullptr) refused = wait(request);
  }
  if (queue != nullptr) return queue->submit(std::move(request));
  if (refused.ok()) return wanted_();
  request.done({refused, {}, {}});
}

// By mutex_. Why the request cannot wait, counted.
Status Sleeper::wait(Request& request) {
  Status refused = check_inputs(model_->inputs(), request.inputs);
  Refusal reason = Refusal::kInvalid;
  if (refused.ok() && closed_) {
    refused = unavailable("model '" + name_ + "' is being unloaded");
    reason = Refusal::kClosed;
  }
  if (refused.ok() && waiting_.size() >= static_cast<size_t>(options_.max_queue)) {
    refused = resource_exhausted("model '" + name_ + "' is being brought to memory, and " +
                                 std::to_string(waiting_.size()) + " requests wait for it already");
    reason = Refusal::kFull;
  }
  if (refused.ok()) {
    request.run_here = false;  // whoever submits it in the end has other things to do
    waiting_.push_back(std::move(request));
    return refused;
  }
  ++past_.refused[static_cast<size_t>(reason)];
  ++past_.fail.count;
  return refused;
}

Status Sleeper::wake(const Accept& accept) {
  const std::lock_guard waking(wake_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (queue_ != nullptr) return ok_status();
    waking_ = true;
  }
  const int64_t began = now_ns();
  auto made = make_();
  Status status = made.status();
  const int64_t bytes = status.ok() ? bytes_of((*made)->statistics().memory) : 0;
  if (status.ok()) status = accept(bytes);
  if (status.ok()) {
    hand_over(std::move(*made), began);
  } else {
    refuse_waiting(status, Refusal::kAsleep);
    if (made.ok()) {
      made->reset();
      model_->forget_plans();
    }
  }
  const std::lock_guard lock(mutex_);
  if (bytes > 0) last_bytes_ = bytes;
  if (!status.ok()) waking_ = false;
  changed_.notify_all();
  return status;
}

// What waits goes first: what comes meanwhile waits behind it.
void Sleeper::hand_over(std::shared_ptr<ModelQueue> queue, int64_t began) {
  std::vector<Request> requests;
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (queue_ == nullptr) {
        queue_ = queue;
        ++past_.wakes.count;
        past_.wakes.ns += static_cast<uint64_t>(now_ns() - began);
      }
      last_used_ns_ = now_ns();
      requests.swap(waiting_);
      waking_ = !requests.empty();
    }
    if (requests.empty()) return;
    for (Request& request : requests) queue->submit(std::move(request));
    requests.clear();
  }
}

void Sleeper::refuse_waiting(const Status& status, Refusal reason) {
  std::vector<Request> requests;
  {
    const std::lock_guard lock(mutex_);
    requests.swap(waiting_);
    past_.refused[static_cast<size_t>(reason)] += requests.size();
    past_.fail.count += requests.size();
  }
  changed_.notify_all();
  for (const Request& request : requests) request.done({status, {}, {}});
}

bool Sleeper::fall_asleep() {
  std::shared_ptr<ModelQueue> gone;
  {
    const std::lock_guard lock(mutex_);
    // More than one: somebody is submitting.
    if (queue_ == nullptr || waking_ || closed_ || queue_.use_count() > 1) return false;
    QueueStatistics statistics = queue_->statistics();
    if (is_busy(statistics)) return false;
    last_bytes_ = bytes_of(statistics.memory);
    past_.add_past(statistics);
    ++past_.sleeps;
    gone.swap(queue_);
  }
  gone.reset();
  model_->forget_plans();
  return true;
}

Sleeper::Use Sleeper::use() const {
  const std::lock_guard lock(mutex_);
  Use use{queue_ != nullptr, waking_ || !waiting_.empty() || queue_.use_count() > 1, last_used_ns_,
          last_bytes_};
  if (queue_ == nullptr) return use;
  const QueueStatistics statistics = queue_->statistics();
  use.busy = use.busy || is_busy(statistics);
  use.bytes = bytes_of(statistics.memory);
  return use;
}

QueueStatistics Sleeper::statistics() const {
  const std::lock_guard lock(mutex_);
  QueueStatistics statistics;
  if (queue_ != nullptr) statistics = queue_->statistics();
  statistics.add_past(past_);
  statistics.pending += static_cast<int64_t>(waiting_.size());
  statistics.asleep = queue_ == nullptr;
  return statistics;
}

bool Sleeper::has_sequence(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  return queue_ != nullptr && queue_->has_sequence(id);
}

void Sleeper::end_sequence(std::string_view id) {
  const std::lock_guard lock(mutex_);
  if (queue_ != nullptr) queue_->end_sequence(id);
}

void Sleeper::close() {
  std::shared_ptr<ModelQueue> queue;
  {
    std::unique_lock lock(mutex_);
    closed_ = true;
    // What waits was accepted: it is woken for it.
    changed_.wait(lock, [&] { return waiting_.empty() && !waking_; });
    queue = queue_;
  }
  if (queue != nullptr) queue->close();
}

void Sleeper::abandon() {
  std::shared_ptr<ModelQueue> queue;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    queue = queue_;
  }
  refuse_waiting(unavailable("the daemon stops; model '" + name_ + "' is not in memory"),
                 Refusal::kClosed);
  if (queue != nullptr) queue->abandon();
}

// What serving sees of a sleeper.
class SleepingQueue final : public ModelQueue {
 public:
  explicit SleepingQueue(std::shared_ptr<Sleeper> sleeper) : sleeper_(std::move(sleeper)) {}
  ~SleepingQueue() override { sleeper_->close(); }

  void submit(Request request) override { sleeper_->submit(std::move(request)); }
  QueueStatistics statistics() const override { return sleeper_->statistics(); }
  const Model& model() const override { return *sleeper_->model_; }
  const QueueOptions& options() const override { return sleeper_->options_; }
  bool has_sequence(std::string_view id) const override { return sleeper_->has_sequence(id); }
  void end_sequence(std::string_view id) override { sleeper_->end_sequence(id); }
  void close() override { sleeper_->close(); }
  void abandon() override { sleeper_->abandon(); }

 private:
  const std::shared_ptr<Sleeper> sleeper_;
};

std::unique_ptr<ModelQueue> make_sleeping_queue(std::shared_ptr<Sleeper> sleeper) {
  return std::make_unique<SleepingQueue>(std::move(sleeper));
}

}  // namespace inferd::schedule

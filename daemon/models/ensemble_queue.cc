// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/ensemble_queue.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/models/ensemble_plan.h"
#include "daemon/models/ensemble_run.h"
#include "daemon/schedule/batch.h"
#include "daemon/schedule/recorder.h"

namespace inferd::models {
namespace {

using schedule::Outcome;
using schedule::QueueOptions;
using schedule::QueueStatistics;
using schedule::Refusal;
using schedule::Request;
using Parts = std::vector<std::shared_ptr<const ModelVersion>>;

// What the ensemble is to those who look at it.
class EnsembleModel final : public Model {
 public:
  explicit EnsembleModel(ModelInfo info) : info_(std::move(info)) {}
  const ModelInfo& info() const override { return info_; }
  Result<std::unique_ptr<Context>> create_context(const ContextOptions&) const override {
    return unimplemented("an ensemble runs in the queues of its models, not in a context");
  }

 private:
  const ModelInfo info_;
};

// How the steps are linked for these versions of their models.
struct Link {
  std::vector<std::weak_ptr<const ModelVersion>> parts;
  std::shared_ptr<const EnsemblePlan> plan;

  bool is_of(const Parts& other) const {
    return std::equal(
        parts.begin(), parts.end(), other.begin(), other.end(),
        [](const auto& a, const auto& b) { return !a.owner_before(b) && !b.owner_before(a); });
  }
};

bool same_tensors(const std::vector<TensorInfo>& a, const std::vector<TensorInfo>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.dtype == y.dtype && x.shape == y.shape && x.quantization == y.quantization;
  });
}

// A failure that says the request did not run, rather than that it failed.
std::optional<Refusal> refusal(const Status& status) {
  switch (status.code()) {
    case StatusCode::kDeadlineExceeded:
      return Refusal::kDeadline;
    case StatusCode::kCancelled:
      return Refusal::kCancelled;
    case StatusCode::kResourceExhausted:
      return Refusal::kFull;
    case StatusCode::kInvalidArgument:
      return Refusal::kInvalid;
    default:
      return std::nullopt;
  }
}

class EnsembleQueue final : public schedule::ModelQueue {
 public:
  EnsembleQueue(std::string name, const config::EnsembleConfig& config, const QueueOptions& options,
                FindModel find)
      : name_(std::move(name)), config_(config), options_(options), find_(std::move(find)) {}
  ~EnsembleQueue() override { close(); }

  Status start() {
    INFERD_ASSIGN_OR_RETURN(const Parts parts, find_parts({}));
    INFERD_ASSIGN_OR_RETURN(link_, link(parts));
    model_ = std::make_shared<EnsembleModel>(link_.plan->info);
    return ok_status();
  }

  void submit(Request request) override {
    auto parts = find_parts(request.sequence);
    std::shared_ptr<const EnsemblePlan> plan;
    Status refused = parts.status();
    if (refused.ok()) refused = check_inputs(model_->inputs(), request.inputs);
    {
      const std::lock_guard lock(mutex_);
      if (refused.ok()) refused = admit(*parts);
      if (refused.ok()) {
        ++running_;
        plan = link_.plan;
      } else {
        recorder_.refuse(refusal(refused).value_or(Refusal::kClosed), 0);
      }
    }
    if (!refused.ok()) return request.done({refused, {}, {}});
    auto waiting = std::make_shared<schedule::Waiting>();
    waiting->batch = model_->info().batchable ? schedule::batch_of(request) : 1;
    waiting->request = std::move(request);
    waiting->arrived = schedule::now_ns();
    const auto run = std::make_shared<EnsembleRun>(
        std::move(plan), std::move(*parts), waiting->request,
        [this, waiting](const Outcome& outcome) { answer(*waiting, outcome); });
    run->start();
  }

  QueueStatistics statistics() const override {
    const std::lock_guard lock(mutex_);
    QueueStatistics copy = recorder_.snapshot();
    copy.pending = running_;
    return copy;
  }
  const Model& model() const override { return *model_; }
  const QueueOptions& options() const override { return options_; }

  void close() override {
    std::unique_lock lock(mutex_);
    closed_ = true;
    idle_.wait(lock, [&] { return running_ == 0; });
  }
  // What is under way is refused by the queues that it waits in.
  void abandon() override {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }

 private:
  // Those that the sequence goes on in. Models do not know for whom the ensemble asks.
  Result<Parts> find_parts(const schedule::Sequence& sequence) const {
    Parts parts;
    for (const config::EnsembleStep& step : config_.steps) {
      auto part = find_(step.model, step.version.value_or(0), {nullptr, &sequence});
      if (!part.ok()) {
        return unavailable("ensemble '" + name_ + "' needs model '" + step.model +
                           "': " + part.status().message());
      }
      parts.push_back(std::move(*part));
    }
    return parts;
  }

  Result<Link> link(const Parts& parts) const {
    std::vector<const ModelInfo*> infos;
    for (const auto& part : parts) infos.push_back(&part->model->info());
    INFERD_ASSIGN_OR_RETURN(EnsemblePlan plan, plan_ensemble(config_, infos));
    return Link{{parts.begin(), parts.end()},
                std::make_shared<const EnsemblePlan>(std::move(plan))};
  }

  // By mutex_. Follows models that were loaded again.
  Status admit(const Parts& parts) {
    if (closed_) return unavailable("model '" + name_ + "' is being unloaded");
    if (running_ >= options_.max_queue) {
      return resource_exhausted("ensemble '" + name_ + "' has " + std::to_string(running_) +
                                " requests under way, as many as its max_queue allows");
    }
    if (link_.is_of(parts)) return ok_status();
    auto renewed = link(parts);
    if (renewed.ok() && same_tensors(renewed->plan->info.inputs, model_->info().inputs) &&
        same_tensors(renewed->plan->info.outputs, model_->info().outputs)) {
      link_ = std::move(*renewed);
      return ok_status();
    }
    return unavailable("ensemble '" + name_ +
                       "' does not fit its models since one was loaded anew; load it again" +
                       (renewed.ok() ? "" : ": " + renewed.status().message()));
  }

  void answer(const schedule::Waiting& waiting, const Outcome& outcome) {
    record(waiting, outcome);
    const int64_t answered = schedule::now_ns();
    waiting.request.done(outcome);
    const std::lock_guard lock(mutex_);
    if (outcome.status.ok()) recorder_.record_output(schedule::now_ns() - answered, waiting.batch);
    if (--running_ == 0) idle_.notify_all();
  }

  // Computing is what the steps computed, waiting what they did not: where steps ran at the same
  // time it is counted once.
  void record(const schedule::Waiting& waiting, const Outcome& outcome) {
    schedule::RunClock clock;
    clock.computed = schedule::now_ns();
    clock.gathered = std::max(waiting.arrived, clock.computed - outcome.timing.compute);
    clock.start = std::max(waiting.arrived, clock.gathered - outcome.timing.input);
    const std::lock_guard lock(mutex_);
    const auto reason = outcome.status.ok() ? std::nullopt : refusal(outcome.status);
    if (reason) {
      recorder_.refuse(*reason, clock.computed - waiting.arrived);
    } else {
      recorder_.record_run({&waiting, 1}, outcome.status.ok(), clock, waiting.batch);
    }
  }

  const std::string name_;
  const config::EnsembleConfig config_;
  const QueueOptions options_;
  const FindModel find_;
  std::shared_ptr<const Model> model_;
  mutable std::mutex mutex_;
  std::condition_variable idle_;
  // By mutex_.
  Link link_;
  int running_ = 0;
  bool closed_ = false;
  schedule::Recorder recorder_;
};

}  // namespace

Result<std::unique_ptr<schedule::ModelQueue>> make_ensemble_queue(
    std::string name, const config::EnsembleConfig& config, const QueueOptions& options,
    FindModel find) {
  const std::string context = "ensemble '" + name + "'";
  auto queue = std::make_unique<EnsembleQueue>(std::move(name), config, options, std::move(find));
  INFERD_RETURN_IF_ERROR(queue->start().with_context(context));
  return std::unique_ptr<schedule::ModelQueue>(std::move(queue));
}

}  // namespace inferd::models

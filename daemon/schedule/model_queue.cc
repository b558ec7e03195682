// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/model_queue.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <span>
#include <thread>

#include "daemon/schedule/batcher.h"
#include "daemon/schedule/batching_gain.h"
#include "daemon/schedule/recorder.h"
#include "daemon/schedule/run_times.h"
#include "daemon/schedule/sequences.h"
#include "daemon/schedule/waiting_list.h"
#include "daemon/telemetry/running.h"
#include "daemon/telemetry/worker.h"

namespace inferd::schedule {
namespace {

constexpr int64_t kMaxRequestBatch = 1024;

using Verdict = WaitingList::Verdict;

std::string milliseconds(int64_t ns) {
  return std::to_string(ns / 1'000'000) + "." + std::to_string(ns / 100'000 % 10) + " ms";
}

class BatchingQueue final : public ModelQueue {
 public:
  BatchingQueue(std::shared_ptr<const Model> model, std::string name, const QueueOptions& options,
                std::shared_ptr<Arbiter> arbiter)
      : model_(std::move(model)),
        name_(std::move(name)),
        label_(name_ + " " + std::to_string(options.version)),
        options_(options),
        batches_requests_(options.max_batch > 1 && model_->info().batchable),
        has_states_(!model_->info().states.empty()),
        arbiter_(std::move(arbiter)),
        account_(options.weight, options.real_time),
        waiting_(options_),
        sequences_(options.max_sequences, options.max_sequence_idle_us * 1000),
        batcher_(options_, waiting_, sequences_) {}

  Status start() {
    for (int i = 0; i < options_.instances; ++i) {
      ContextOptions context_options;
      context_options.threads = options_.threads;
      auto runner = std::make_unique<Runner>("model " + label_);
      INFERD_ASSIGN_OR_RETURN(runner->context, model_->create_context(context_options));
      INFERD_RETURN_IF_ERROR(prepare_batches(*runner->context));
      runner->memory = runner->context->memory();
      idle_.push_back(runner.get());
      runners_.push_back(std::move(runner));
    }
    for (int i = 0; i < options_.instances; ++i) workers_.emplace_back([this] { work(); });
    return ok_status();
  }

  ~BatchingQueue() override { close(); }

  void submit(Request request) override {
    if (!has_states_) request.sequence = {};
    Status refused = check(request);
    std::vector<Refused> dropped;
    Runner* here = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (refused.ok()) {
        refused = admit(request, dropped);
      } else {
        recorder_.refuse(Refusal::kInvalid, 0);
      }
      if (refused.ok()) {
        here = enqueue(std::move(request));
      } else {
        dropped.push_back({std::move(request), std::move(refused)});
      }
    }
    if (here == nullptr) {
      wake();
    } else {
      run(*here);
    }
    answer(dropped);
  }

  QueueStatistics statistics() const override {
    const std::lock_guard lock(mutex_);
    QueueStatistics copy = recorder_.snapshot();
    copy.pending = waiting_.size();
    copy.running = elements_running_;
    copy.sequences = sequences_.size(now_ns());
    for (const auto& runner : runners_) {
      copy.memory.weights_bytes = runner->memory.weights_bytes;  // shared
      copy.memory.arena_bytes += runner->memory.arena_bytes;
      copy.memory.scratch_bytes += runner->memory.scratch_bytes;
    }
    return copy;
  }

  const Model& model() const override { return *model_; }
  const QueueOptions& options() const override { return options_; }

  bool has_sequence(std::string_view id) const override {
    const std::lock_guard lock(mutex_);
    return sequences_.is_open(id, now_ns());
  }

  void end_sequence(std::string_view id) override {
    const std::lock_guard lock(mutex_);
    sequences_.end(id);
  }

  void close() override {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    wake_.notify_all();
    const std::lock_guard joining(join_mutex_);
    for (std::thread& worker : workers_) {
      if (worker.joinable()) worker.join();
    }
    std::unique_lock lock(mutex_);  // callers that compute themselves
    wake_.wait(lock, [&] { return idle_.size() == runners_.size(); });
  }

  void abandon() override {
    std::vector<Refused> dropped;
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      const int64_t now = now_ns();
      std::vector<Waiting> waited;
      waiting_.clear(waited);
      for (Waiting& waiting : waited) {
        give_up(std::move(waiting), Refusal::kClosed, now,
                unavailable("the daemon stops; model '" + name_ +
                            "' could not run the request in time"),
                dropped);
      }
    }
    wake_.notify_all();
    answer(dropped);
  }

 private:
  // Taken from the queue under the lock, answered without it.
  struct Refused {
    Request request;
    Status status;
  };

  static constexpr uint64_t kNoTicket = ~uint64_t{0};

  // What one run needs. Belongs to whoever took it from idle_.
  struct Runner {
    explicit Runner(std::string name) : worker(std::move(name)) {}
    std::unique_ptr<Context> context;
    telemetry::Worker worker;  // at work while it computes, and while it answers
    Batch batch;
    uint64_t ticket = kNoTicket;  // its place in the order of answers
    int64_t entered = 0;          // when it was given a place to compute in; 0: it has none
    bool is_callers = false;      // runs on the thread that submitted
    MemoryUse memory;             // set by mutex_; after one of its last runs
    int64_t measured = 0;         // when that was
    std::vector<Refused> refused;
  };

  static void refuse(const Request& request, const Status& status) {
    request.done({status, {}, {}});
  }
  static void answer(std::vector<Refused>& dropped) {
    for (const Refused& refused : dropped) refuse(refused.request, refused.status);
    dropped.clear();
  }

  // Several may sleep for different reasons: for work, for company, for the end of a sequence.
  void wake() {
    if (runners_.size() == 1) {
      wake_.notify_one();
    } else {
      wake_.notify_all();
    }
  }

  // ---- Coming in ----

  Status check(const Request& request) const {
    const auto inputs = model_->inputs();
    INFERD_RETURN_IF_ERROR(check_inputs(inputs, request.inputs));
    if (!model_->info().batchable) return ok_status();
    const int64_t batch = request.inputs[0].shape[0];
    for (size_t i = 1; i < inputs.size(); ++i) {
      if (request.inputs[i].shape[0] != batch) {
        return invalid_argument("input '" + inputs[i].name + "' has batch " +
                                std::to_string(request.inputs[i].shape[0]) + ", input '" +
                                inputs[0].name + "' has " + std::to_string(batch));
      }
    }
    if (batch != 1 && !request.sequence.id.empty()) {
      return invalid_argument("a request of a sequence has a batch of 1, not " +
                              std::to_string(batch));
    }
    if (batch <= kMaxRequestBatch) return ok_status();
    return invalid_argument("the request has a batch of " + std::to_string(batch) + ", at most " +
                            std::to_string(kMaxRequestBatch) + " is allowed");
  }

  // By mutex_. Why the request cannot wait here, counted.
  Status admit(const Request& request, std::vector<Refused>& dropped) {
    if (closed_) {
      recorder_.refuse(Refusal::kClosed, 0);
      return unavailable("model '" + name_ + "' is being unloaded");
    }
    const int64_t now = now_ns();
    Status room = waiting_.check_room(request);
    if (!room.ok()) {
      drop_stale(now, dropped);  // nobody waits for what blocks the way
      room = waiting_.check_room(request);
    }
    if (!room.ok()) {
      recorder_.refuse(Refusal::kFull, 0);
      return resource_exhausted("the queue of model '" + name_ + "' is " + room.message());
    }
    if (Status late = check_can_be_done(request, now); !late.ok()) return late;
    if (request.sequence.id.empty()) return ok_status();
    Status open =
        sequences_.admit(request.sequence, now, [this] { return model_->create_state(); });
    if (!open.ok()) {
      recorder_.refuse(
          open.code() == StatusCode::kResourceExhausted ? Refusal::kFull : Refusal::kInvalid, 0);
    }
    return open.with_context("model '" + name_ + "'");
  }

  // By mutex_. Refused at once rather than when it is too late to ask somebody else. One whose
  // deadline has passed already is left to drop_stale(), where all such go.
  Status check_can_be_done(const Request& request, int64_t now) {
    const int64_t deadline = request.deadline_ns;
    if (deadline == 0 || deadline <= now) return ok_status();
    const int64_t before = waiting_.elements() + elements_running_;
    if (times_.can_be_done(deadline, before, options_.instances, now)) return ok_status();
    recorder_.refuse(Refusal::kDeadline, 0);
    return deadline_exceeded("model '" + name_ + "' cannot be done in the " +
                             milliseconds(deadline - now) + " that are left: a run takes " +
                             milliseconds(times_.typical(now)) + ", and " + std::to_string(before) +
                             " requests are before it");
  }

  // By mutex_. The runner that the caller shall run the request with, or null: it waits.
  Runner* enqueue(Request request) {
    const int64_t now = now_ns();
    const int batch = model_->info().batchable ? batch_of(request) : 1;
    const bool here = request.run_here && waiting_.empty() && !idle_.empty() &&
                      (!batches_requests_ || options_.max_delay_us == 0) &&
                      !sequences_.is_running(request.sequence) && arbiter_->try_enter(account_);
    waiting_.push(std::move(request), batch, now);
    ++arrivals_;
    if (!here) return nullptr;
    Runner& runner = take_runner();
    runner.entered = now;
    runner.is_callers = true;
    take_first(runner);
    recorder_.close(CloseReason::kLone);
    return &runner;
  }

  // ---- Not running ----

  // By mutex_.
  void give_up(Waiting waiting, Refusal reason, int64_t now, Status status,
               std::vector<Refused>& dropped) {
    recorder_.refuse(reason, now - waiting.arrived);
    sequences_.finish(waiting.request.sequence, waiting.state != nullptr, now);
    dropped.push_back({std::move(waiting.request), std::move(status)});
  }

  // By mutex_. Why the request must not run any more, if it must not.
  std::optional<Refusal> stale(const Request& request, int64_t now) {
    if (request.deadline_ns != 0 && request.deadline_ns <= now + times_.fastest(now)) {
      return Refusal::kDeadline;
    }
    if (request.cancelled && request.cancelled()) return Refusal::kCancelled;
    return std::nullopt;
  }
  Status stale_status(Refusal reason) const {
    if (reason == Refusal::kDeadline) {
      return deadline_exceeded("the deadline passed while the request waited for model '" + name_ +
                               "'");
    }
    if (reason == Refusal::kTimeout) {
      return unavailable("the request waited for model '" + name_ + "' for as long as it may");
    }
    return cancelled("the caller went while the request waited for model '" + name_ + "'");
  }

  // By mutex_. Moves what must not run any more to `dropped`, wherever it stands.
  void drop_stale(int64_t now, std::vector<Refused>& dropped) {
    std::vector<Waiting> gone;
    waiting_.expire(now, gone);
    for (Waiting& waiting : gone) {
      give_up(std::move(waiting), Refusal::kTimeout, now, stale_status(Refusal::kTimeout), dropped);
    }
    gone.clear();
    waiting_.scan(gone, [&](const Waiting& waiting) {
      return stale(waiting.request, now) ? Verdict::kTake : Verdict::kKeep;
    });
    for (Waiting& waiting : gone) drop(std::move(waiting), now, dropped);
  }
  void drop(Waiting waiting, int64_t now, std::vector<Refused>& dropped) {
    // Callers do not come back, and time does not either.
    const Refusal reason = stale(waiting.request, now).value_or(Refusal::kCancelled);
    give_up(std::move(waiting), reason, now, stale_status(reason), dropped);
  }

  // ---- Batches ----

  // So that the first batch of each size is as fast as the later ones.
  Status prepare_batches(Context& context) const {
    if (!model_->info().batchable) return ok_status();
    for (int batch = options_.max_batch; batch >= 1; --batch) {
      std::vector<Shape> shapes;
      for (const TensorInfo& input : model_->inputs()) {
        shapes.push_back(input.shape);
        shapes.back()[0] = batch;
        if (!shapes.back().is_static()) return ok_status();
      }
      INFERD_RETURN_IF_ERROR(context.prepare(shapes));
    }
    return ok_status();
  }

  void work() {
    int64_t entered = 0;  // when it was given the place that it keeps; 0: it keeps none
    const auto ready = [&] {
      return waiting_.empty() ? closed_ : !idle_.empty() && batcher_.can_open();
    };
    std::unique_lock lock(mutex_);
    for (;;) {
      if (entered != 0 && (!ready() || waiting_.empty())) {
        arbiter_->leave(account_, now_ns() - entered, false);
        entered = 0;
      }
      wake_.wait(lock, ready);
      if (waiting_.empty()) return;
      Runner& runner = take_runner();
      runner.entered = entered;
      take_batch(lock, runner);
      // What is left may be work for another worker that was not woken for it.
      if (!waiting_.empty()) wake_.notify_all();
      lock.unlock();
      entered = run_in_turn(runner);
      lock.lock();
    }
  }

  Runner& take_runner() {
    Runner& runner = *idle_.back();
    idle_.pop_back();
    runner.ticket = kNoTicket;
    runner.is_callers = false;
    return runner;
  }

  // By mutex_. The first that may run, if any may.
  void take_first(Runner& runner) {
    batcher_.open(runner.batch);
    if (runner.batch.requests.empty()) return;
    elements_running_ += runner.batch.size();
    runner.ticket = next_ticket_++;
  }

  // Takes the first request and what may run with it; waits for company as the options say. What
  // must not run any more goes to `runner.refused`.
  void take_batch(std::unique_lock<std::mutex>& lock, Runner& runner) {
    drop_stale(now_ns(), runner.refused);
    take_first(runner);
    if (runner.batch.requests.empty()) return;
    recorder_.close(find_company(lock, runner));
  }

  CloseReason find_company(std::unique_lock<std::mutex>& lock, Runner& runner) {
    Batch& batch = runner.batch;
    if (!batches_requests_) return CloseReason::kLone;
    if (const auto closed = collect(runner)) return *closed;
    if (options_.max_delay_us == 0 || closed_) {
      return batch.requests.size() == 1 ? CloseReason::kLone : CloseReason::kDelay;
    }
    if (options_.adaptive && !gain_.worth_waiting()) return CloseReason::kNoGain;
    leave(runner, false);
    const size_t alone = batch.requests.size();
    for (;;) {
      const Batcher::Wait wait = batcher_.waits_until(batch);
      const uint64_t before = arrivals_;
      const bool woken = wake_.wait_for(lock, std::chrono::nanoseconds(wait.until - now_ns()),
                                        [&] { return closed_ || arrivals_ != before; });
      const auto closed = collect(runner);
      if (!closed && woken && !closed_) continue;
      gain_.record_wait(batch.requests.size() > alone);
      return closed.value_or(wait.reason);
    }
  }

  // By mutex_.
  std::optional<CloseReason> collect(Runner& runner) {
    // Nothing may pass what another runner has taken meanwhile.
    if (options_.preserve_ordering && runner.ticket + 1 != next_ticket_) return CloseReason::kFull;
    Batch& batch = runner.batch;
    elements_running_ -= batch.size();
    const auto closed = batcher_.collect(batch);
    elements_running_ += batch.size();
    return closed;
  }

  // ---- Running ----

  // Waits for a place to compute in; what came meanwhile may join. Returns since when the place is
  // kept for the next batch, or 0.
  int64_t run_in_turn(Runner& runner) {
    answer(runner.refused);
    if (!runner.batch.requests.empty()) {
      enter(runner);
      const std::lock_guard lock(mutex_);
      refresh(runner);
    }
    return run(runner);
  }

  void enter(Runner& runner) {
    if (runner.entered != 0) return;
    arbiter_->enter(account_);
    runner.entered = now_ns();
  }
  void leave(Runner& runner, bool wants_more) {
    if (runner.entered == 0) return;
    const int64_t now = now_ns();
    const bool keeps = arbiter_->leave(account_, now - runner.entered, wants_more);
    runner.entered = keeps ? now : 0;
  }

  // By mutex_. Time has passed since the batch was closed, and callers may have gone.
  void refresh(Runner& runner) {
    if (batches_requests_ && options_.preferred_batches.empty()) collect(runner);
    const int64_t now = now_ns();
    std::erase_if(runner.batch.requests, [&](Waiting& waiting) {
      if (!stale(waiting.request, now)) return false;
      elements_running_ -= waiting.batch;
      drop(std::move(waiting), now, runner.refused);
      return true;
    });
  }

  // Runs the batch, which has a place, and gives the runner back. Returns as run_in_turn().
  int64_t run(Runner& runner) {
    answer(runner.refused);
    const std::span<const Waiting> requests = runner.batch.requests;
    if (!requests.empty() && !run_together(runner, requests)) {
      wait_for_turn(runner);
      // A failure of several together says nothing about who caused it: each is run alone.
      for (const Waiting& waiting : requests) run_if_fresh(runner, waiting);
    }
    if (requests.empty()) leave(runner, false);
    runner.batch.requests.clear();
    const int64_t entered = runner.entered;
    if (runner.ticket != kNoTicket) wait_for_turn(runner);
    {
      const std::lock_guard lock(mutex_);
      if (runner.ticket != kNoTicket) ++answered_;
      idle_.push_back(&runner);
    }
    wake_.notify_all();
    return entered;
  }

  Result<std::span<const TensorView>> compute(Runner& runner, std::span<const TensorView> inputs,
                                              std::span<const Waiting> part) {
    const telemetry::Running running(label_.c_str());
    const telemetry::Work work(runner.worker);
    return runner.context->run(inputs, runner.batch.states(part));
  }

  // One run. False: it was of several requests and failed; nobody has been answered.
  bool run_together(Runner& runner, std::span<const Waiting> part) {
    const int size = elements_of(part);
    RunClock clock;
    clock.start = now_ns();
    const auto inputs = runner.batch.gather(part);
    clock.gathered = now_ns();
    const auto outputs = compute(runner, inputs, part);
    clock.computed = now_ns();
    if (!outputs.ok() && part.size() > 1) {
      leave(runner, false);
      return false;
    }
    // Before the answers: who has one sees itself counted.
    const bool wants_more = record(runner, part, outputs.ok(), clock, size);
    leave(runner, wants_more && !runner.is_callers);
    wait_for_turn(runner);
    int first = 0;
    const telemetry::Work work(runner.worker);
    for (const Waiting& waiting : part) {
      Outcome outcome{outputs.status(), {}, timing_of(waiting, clock, size)};
      if (outputs.ok()) outcome.outputs = runner.batch.cut(*outputs, size, first, waiting.batch);
      first += waiting.batch;
      waiting.request.done(outcome);
    }
    record_answers(part, now_ns() - clock.computed, size);
    return true;
  }

  void run_if_fresh(Runner& runner, const Waiting& waiting) {
    Status status;
    {
      const std::lock_guard lock(mutex_);
      const int64_t now = now_ns();
      if (const auto reason = stale(waiting.request, now)) {
        elements_running_ -= waiting.batch;
        recorder_.refuse(*reason, now - waiting.arrived);
        sequences_.finish(waiting.request.sequence, true, now);
        status = stale_status(*reason);
      }
    }
    if (status.ok()) {
      enter(runner);
      run_together(runner, {&waiting, 1});
    } else {
      refuse(waiting.request, status);
    }
  }

  void wait_for_turn(const Runner& runner) {
    if (!options_.preserve_ordering) return;
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return answered_ == runner.ticket; });
  }

  static Timing timing_of(const Waiting& waiting, const RunClock& clock, int size) {
    return {clock.start - waiting.arrived, clock.gathered - clock.start,
            clock.computed - clock.gathered, 0, size};
  }

  // True: the next batch could be closed at once.
  bool record(Runner& runner, std::span<const Waiting> part, bool ok, const RunClock& clock,
              int size) {
    // It changes with the shapes that come, but adding it up is not for every run.
    constexpr int64_t kMeasureNs = 1'000'000'000;
    const bool measure = clock.computed - runner.measured > kMeasureNs;
    const MemoryUse memory = measure ? runner.context->memory() : runner.memory;
    if (measure) runner.measured = clock.computed;
    const std::lock_guard lock(mutex_);
    runner.memory = memory;
    elements_running_ -= size;
    recorder_.record_run(part, ok, clock, size);
    times_.record(size, clock.computed - clock.start, clock.computed);
    gain_.record_run(size, clock.computed - clock.gathered);
    if (options_.preserve_ordering || waiting_.empty()) return false;
    return options_.max_delay_us == 0 || waiting_.elements() >= options_.max_batch;
  }

  // A sequence goes on after its answer, or another runner's could overtake it.
  void record_answers(std::span<const Waiting> part, int64_t ns, int size) {
    const std::lock_guard lock(mutex_);
    recorder_.record_output(ns, size);
    const int64_t now = now_ns();
    for (const Waiting& waiting : part) sequences_.finish(waiting.request.sequence, true, now);
    if (has_states_) ++arrivals_;  // what waited behind them may join a batch now
  }

  const std::shared_ptr<const Model> model_;
  const std::string name_;
  const std::string label_;  // name and version
  const QueueOptions options_;
  const bool batches_requests_;
  const bool has_states_;
  const std::shared_ptr<Arbiter> arbiter_;
  Arbiter::Account account_;
  std::vector<std::unique_ptr<Runner>> runners_;
  std::vector<std::thread> workers_;
  std::mutex join_mutex_;  // one joiner at a time
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // All of these by mutex_.
  std::vector<Runner*> idle_;
  WaitingList waiting_;
  Sequences sequences_;
  Batcher batcher_;
  BatchingGain gain_;
  RunTimes times_;
  int64_t elements_running_ = 0;
  uint64_t arrivals_ = 0;
  uint64_t next_ticket_ = 0, answered_ = 0;
  bool closed_ = false;
  Recorder recorder_;
};

}  // namespace

Status check_options(const Model& model, const QueueOptions& options) {
  if (options.max_batch > 1 && !model.info().batchable) {
    return invalid_argument("max_batch is " + std::to_string(options.max_batch) +
                            " but the model does not allow batches");
  }
  for (const int size : options.preferred_batches) {
    if (size >= 1 && size <= options.max_batch) continue;
    return invalid_argument("a preferred batch size is " + std::to_string(size) +
                            ", but the largest allowed is " + std::to_string(options.max_batch));
  }
  if (options.default_priority < 0 || options.default_priority > options.priority_levels) {
    return invalid_argument("the default priority is " + std::to_string(options.default_priority) +
                            ", but levels are 1 to " + std::to_string(options.priority_levels));
  }
  return ok_status();
}

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Result<std::unique_ptr<ModelQueue>> ModelQueue::create(std::shared_ptr<const Model> model,
                                                       std::string name,
                                                       const QueueOptions& options,
                                                       std::shared_ptr<Arbiter> arbiter) {
  INFERD_RETURN_IF_ERROR(check_options(*model, options).with_context("model '" + name + "'"));
  if (arbiter == nullptr) arbiter = std::make_shared<Arbiter>(options.instances);
  auto queue = std::make_unique<BatchingQueue>(std::move(model), std::move(name), options,
                                               std::move(arbiter));
  INFERD_RETURN_IF_ERROR(queue->start());
  return std::unique_ptr<ModelQueue>(std::move(queue));
}

}  // namespace inferd::schedule

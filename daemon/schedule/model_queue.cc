// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/model_queue.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <span>
#include <thread>

namespace inferd::schedule {
namespace {

void add(DurationStat& stat, int64_t ns) {
  ++stat.count;
  stat.ns += static_cast<uint64_t>(std::max<int64_t>(ns, 0));
}

struct Waiting {
  Request request;
  int64_t arrived = 0;
  int batch = 1;  // elements of this request
};

// Batch elements of a request to a batchable model.
int batch_of(const Request& request) { return static_cast<int>(request.inputs[0].shape[0]); }

// Same shapes but for dimension 0: such requests can run together.
bool compatible(const Request& a, const Request& b) {
  return std::equal(a.inputs.begin(), a.inputs.end(), b.inputs.begin(), b.inputs.end(),
                    [](const TensorView& x, const TensorView& y) {
                      return std::equal(x.shape.begin() + 1, x.shape.end(), y.shape.begin() + 1,
                                        y.shape.end());
                    });
}

class BatchingQueue final : public ModelQueue {
 public:
  BatchingQueue(std::shared_ptr<const Model> model, std::string name, const QueueOptions& options)
      : model_(std::move(model)), name_(std::move(name)), options_(options) {}

  Status start() {
    for (int i = 0; i < options_.instances; ++i) {
      ContextOptions context_options;
      context_options.threads = options_.threads;
      INFERD_ASSIGN_OR_RETURN(auto context, model_->create_context(context_options));
      INFERD_RETURN_IF_ERROR(prepare_batches(*context));
      contexts_.push_back(std::move(context));
    }
    for (auto& context : contexts_) workers_.emplace_back([this, c = context.get()] { work(*c); });
    return ok_status();
  }

  ~BatchingQueue() override { close(); }

  void submit(Request request) override {
    Status refused = check(request);
    std::vector<Refused> dropped;
    {
      const std::lock_guard lock(mutex_);
      if (refused.ok()) {
        refused = admit(dropped);
      } else {
        count_refusal(statistics_.rejected_invalid, 0);
      }
      if (refused.ok()) {
        const int batch = model_->info().batchable ? batch_of(request) : 1;
        enqueue({std::move(request), now_ns(), batch});
      } else {
        dropped.push_back({std::move(request), std::move(refused)});
      }
    }
    wake_.notify_one();
    answer(dropped);
  }

  QueueStatistics statistics() const override {
    const std::lock_guard lock(mutex_);
    QueueStatistics copy = statistics_;
    for (const auto& [size, batch] : batches_) copy.batches.push_back(batch);
    copy.pending = static_cast<int64_t>(queue_.size());
    return copy;
  }

  const Model& model() const override { return *model_; }
  const QueueOptions& options() const override { return options_; }

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
  }

  void abandon() override {
    std::vector<Refused> dropped;
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      const int64_t now = now_ns();
      for (Waiting& waiting : queue_) {
        count_refusal(statistics_.rejected_closed, now - waiting.arrived);
        dropped.push_back(
            {std::move(waiting.request), unavailable("the daemon stops; model '" + name_ +
                                                     "' could not run the request in time")});
      }
      queue_.clear();
    }
    wake_.notify_all();
    answer(dropped);
  }

 private:
  // A worker's buffers, kept between batches so that runs allocate nothing.
  struct Scratch {
    std::vector<std::vector<std::byte>> bytes;  // of each input of a batch
    std::vector<TensorView> inputs, slice;
  };

  // Taken from the queue under the lock, answered without it.
  struct Refused {
    Request request;
    Status status;
  };

  static void refuse(const Request& request, const Status& status) {
    request.done({status, {}, {}});
  }
  static void answer(const std::vector<Refused>& dropped) {
    for (const Refused& refused : dropped) refuse(refused.request, refused.status);
  }

  // By mutex_. Elements of the list are used again: a queue in use allocates nothing.
  void enqueue(Waiting waiting) {
    if (spare_.empty()) spare_.emplace_back();
    spare_.front() = std::move(waiting);
    queue_.splice(queue_.end(), spare_, spare_.begin());
    ++arrivals_;
  }
  Waiting dequeue(std::list<Waiting>::iterator at) {
    Waiting waiting = std::move(*at);
    *at = {};
    spare_.splice(spare_.begin(), queue_, at);
    return waiting;
  }

  // By mutex_.
  bool is_full() const { return static_cast<int>(queue_.size()) >= options_.max_queue; }
  void count_refusal(uint64_t& reason, int64_t waited_ns) {
    ++reason;
    add(statistics_.fail, waited_ns);
  }

  // By mutex_. Why the request must not run any more, counted; OK when it may.
  Status check_stale(const Waiting& waiting, int64_t now) {
    const Request& request = waiting.request;
    if (request.deadline_ns != 0 && request.deadline_ns <= now) {
      count_refusal(statistics_.rejected_deadline, now - waiting.arrived);
      return deadline_exceeded("the deadline passed while the request waited for model '" + name_ +
                               "'");
    }
    if (request.cancelled && request.cancelled()) {
      count_refusal(statistics_.rejected_cancelled, now - waiting.arrived);
      return cancelled("the caller went while the request waited for model '" + name_ + "'");
    }
    return ok_status();
  }

  // By mutex_. Why there is no place for one more request, counted.
  Status admit(std::vector<Refused>& dropped) {
    if (closed_) {
      count_refusal(statistics_.rejected_closed, 0);
      return unavailable("model '" + name_ + "' is being unloaded");
    }
    if (is_full()) drop_stale(dropped);  // nobody waits for what blocks the way
    if (!is_full()) return ok_status();
    count_refusal(statistics_.rejected_full, 0);
    return resource_exhausted("the queue of model '" + name_ + "' is full (" +
                              std::to_string(options_.max_queue) + " requests)");
  }

  // By mutex_. Moves what must not run any more to `dropped`.
  void drop_stale(std::vector<Refused>& dropped) {
    const int64_t now = now_ns();
    for (auto it = queue_.begin(); it != queue_.end();) {
      const auto at = it++;
      if (Status stale = check_stale(*at, now); !stale.ok())
        dropped.push_back({dequeue(at).request, std::move(stale)});
    }
  }
  void drop_stale(std::vector<Waiting>& batch, std::vector<Refused>& dropped) {
    const int64_t now = now_ns();
    std::erase_if(batch, [&](Waiting& waiting) {
      Status stale = check_stale(waiting, now);
      if (stale.ok()) return false;
      dropped.push_back({std::move(waiting.request), std::move(stale)});
      return true;
    });
  }

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
    if (batch <= kMaxRequestBatch) return ok_status();
    return invalid_argument("the request has a batch of " + std::to_string(batch) + ", at most " +
                            std::to_string(kMaxRequestBatch) + " is allowed");
  }

  void work(Context& context) {
    std::vector<Waiting> batch;
    std::vector<Refused> dropped;
    Scratch scratch;
    scratch.bytes.resize(model_->inputs().size());
    while (take_batch(batch, dropped)) {
      answer(dropped);
      run_batch(context, batch, scratch);
      batch.clear();
      dropped.clear();
    }
    answer(dropped);
  }

  // Takes the oldest request and what may run with it; waits for company as the options say. What
  // must not run any more goes to `dropped`, wherever it stands. False: closed and empty.
  bool take_batch(std::vector<Waiting>& batch, std::vector<Refused>& dropped) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return closed_ || !queue_.empty(); });
    drop_stale(dropped);
    if (queue_.empty()) return !closed_;
    batch.push_back(dequeue(queue_.begin()));
    if (options_.max_batch <= 1 || !model_->info().batchable) return true;

    int size = batch[0].batch;
    for (;;) {
      collect(batch, size);
      if (size >= options_.max_batch || closed_ || options_.max_delay_us == 0) break;
      const uint64_t before = arrivals_;
      const auto wait = std::chrono::nanoseconds(waits_until(batch) - now_ns());
      if (!wake_.wait_for(lock, wait, [&] { return closed_ || arrivals_ != before; })) break;
    }
    // Time has passed, and callers may have gone.
    if (options_.max_delay_us != 0) drop_stale(batch, dropped);
    // What is left may be work for another worker that was not woken for it.
    if (!queue_.empty()) wake_.notify_one();
    return true;
  }

  // When the batch closes: the oldest has waited long enough, or a deadline leaves no more time to
  // wait.
  int64_t waits_until(const std::vector<Waiting>& batch) const {
    int64_t until = batch[0].arrived + options_.max_delay_us * 1000;
    for (const Waiting& waiting : batch) {
      const int64_t deadline = waiting.request.deadline_ns;
      // Half of what is left: the rest is for computing.
      if (deadline != 0)
        until = std::min(until, waiting.arrived + (deadline - waiting.arrived) / 2);
    }
    return until;
  }

  // By mutex_. Requests of other shapes keep their place.
  void collect(std::vector<Waiting>& batch, int& size) {
    for (auto it = queue_.begin(); it != queue_.end() && size < options_.max_batch;) {
      const auto at = it++;
      if (size + at->batch > options_.max_batch || !compatible(batch[0].request, at->request))
        continue;
      size += at->batch;
      batch.push_back(dequeue(at));
    }
  }

  // A failure of several together says nothing about who caused it: each is run alone.
  void run_batch(Context& context, std::span<const Waiting> batch, Scratch& scratch) {
    if (batch.empty() || run_together(context, batch, scratch)) return;
    for (const Waiting& waiting : batch) {
      Status stale;
      {
        const std::lock_guard lock(mutex_);
        stale = check_stale(waiting, now_ns());
      }
      if (stale.ok()) {
        run_together(context, {&waiting, 1}, scratch);
      } else {
        refuse(waiting.request, stale);
      }
    }
  }

  // One run. False: it was of several requests and failed; nobody has been answered.
  bool run_together(Context& context, std::span<const Waiting> batch, Scratch& scratch) {
    const int64_t start = now_ns();
    int size = 0;
    for (const Waiting& waiting : batch) size += waiting.batch;
    std::span<const TensorView> inputs = batch[0].request.inputs;
    if (batch.size() > 1) inputs = gather(batch, size, scratch);
    const int64_t gathered_at = now_ns();
    const auto outputs = context.run(inputs);
    const int64_t computed = now_ns();
    if (!outputs.ok() && batch.size() > 1) return false;
    // Before the answers: who has one sees itself counted.
    record(batch, outputs.ok(), start, gathered_at, computed, size);
    int first = 0;
    std::vector<TensorView>& slice = scratch.slice;
    for (const Waiting& waiting : batch) {
      const Timing timing{start - waiting.arrived, gathered_at - start, computed - gathered_at, 0,
                          size};
      Outcome outcome{outputs.status(), {}, timing};
      if (outputs.ok()) {
        slice.assign(outputs->begin(), outputs->end());
        if (batch.size() > 1) cut(slice, size, first, waiting.batch);
        outcome.outputs = slice;
      }
      first += waiting.batch;
      waiting.request.done(outcome);
    }
    record_output(now_ns() - computed, size);
    return true;
  }

  static std::span<const TensorView> gather(std::span<const Waiting> batch, int size,
                                            Scratch& scratch) {
    const auto first = batch[0].request.inputs;
    scratch.inputs.assign(first.begin(), first.end());
    for (size_t i = 0; i < first.size(); ++i) {
      std::vector<std::byte>& bytes = scratch.bytes[i];
      bytes.clear();
      for (const Waiting& waiting : batch) {
        const auto data = waiting.request.inputs[i].data;
        bytes.insert(bytes.end(), data.begin(), data.end());
      }
      scratch.inputs[i].shape[0] = size;
      scratch.inputs[i].data = bytes;
    }
    return scratch.inputs;
  }

  // Elements [first, first + count) of `size` along dimension 0.
  static void cut(std::vector<TensorView>& outputs, int size, int first, int count) {
    for (TensorView& output : outputs) {
      const size_t element = output.data.size() / static_cast<size_t>(size);
      output.shape[0] = count;
      output.data = output.data.subspan(element * static_cast<size_t>(first),
                                        element * static_cast<size_t>(count));
    }
  }

  void record(std::span<const Waiting> batch, bool ok, int64_t start, int64_t gathered,
              int64_t computed, int size) {
    const std::lock_guard lock(mutex_);
    statistics_.inference_count += static_cast<uint64_t>(size);
    ++statistics_.execution_count;
    statistics_.last_inference_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count();
    for (const Waiting& waiting : batch) {
      add(ok ? statistics_.success : statistics_.fail, computed - waiting.arrived);
      add(statistics_.queue, start - waiting.arrived);
      add(statistics_.compute_input, gathered - start);
      add(statistics_.compute_infer, computed - gathered);
    }
    QueueStatistics::Batch& of_size = batches_[size];
    of_size.size = size;
    add(of_size.compute_input, gathered - start);
    add(of_size.compute_infer, computed - gathered);
  }

  // Handing out the answers of one batch.
  void record_output(int64_t ns, int size) {
    const std::lock_guard lock(mutex_);
    add(statistics_.compute_output, ns);
    add(batches_[size].compute_output, ns);
  }

  static constexpr int64_t kMaxRequestBatch = 1024;

  const std::shared_ptr<const Model> model_;
  const std::string name_;
  const QueueOptions options_;
  std::vector<std::unique_ptr<Context>> contexts_;
  std::vector<std::thread> workers_;
  std::mutex join_mutex_;  // one joiner at a time
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::list<Waiting> queue_, spare_;               // by mutex_
  uint64_t arrivals_ = 0;                          // by mutex_
  bool closed_ = false;                            // by mutex_
  QueueStatistics statistics_;                     // by mutex_
  std::map<int, QueueStatistics::Batch> batches_;  // by mutex_
};

}  // namespace

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Result<std::unique_ptr<ModelQueue>> ModelQueue::create(std::shared_ptr<const Model> model,
                                                       std::string name,
                                                       const QueueOptions& options) {
  if (options.max_batch > 1 && !model->info().batchable) {
    return invalid_argument("max_batch is " + std::to_string(options.max_batch) + " but model '" +
                            name + "' does not allow batches");
  }
  auto queue = std::make_unique<BatchingQueue>(std::move(model), std::move(name), options);
  INFERD_RETURN_IF_ERROR(queue->start());
  return std::unique_ptr<ModelQueue>(std::move(queue));
}

}  // namespace inferd::schedule

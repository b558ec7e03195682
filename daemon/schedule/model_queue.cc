// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/model_queue.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

namespace inferd::schedule {
namespace {

void add(DurationStat& stat, int64_t ns) {
  ++stat.count;
  stat.ns += static_cast<uint64_t>(std::max<int64_t>(ns, 0));
}

std::string plural(size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
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
    if (Status valid = check(request); !valid.ok()) {
      {
        const std::lock_guard lock(mutex_);
        ++statistics_.rejected_invalid;
        add(statistics_.fail, 0);
      }
      return refuse(request, valid);
    }
    Status refused;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) {
        refused = unavailable("model '" + name_ + "' is being unloaded");
      } else if (static_cast<int>(queue_.size()) >= options_.max_queue) {
        ++statistics_.rejected_full;
        add(statistics_.fail, 0);
        refused = resource_exhausted("the queue of model '" + name_ + "' is full (" +
                                     std::to_string(options_.max_queue) + " requests)");
      } else {
        const int batch = model_->info().batchable ? batch_of(request) : 1;
        queue_.push_back({std::move(request), now_ns(), batch});
        ++arrivals_;
      }
    }
    if (!refused.ok()) return refuse(request, refused);
    wake_.notify_one();
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

 private:
  static void refuse(const Request& request, Status status) {
    request.done({std::move(status), {}, {}});
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
    if (request.inputs.size() != inputs.size()) {
      return invalid_argument("got " + plural(request.inputs.size(), "input") + ", model '" +
                              name_ + "' takes " + std::to_string(inputs.size()));
    }
    for (size_t i = 0; i < inputs.size(); ++i) {
      INFERD_RETURN_IF_ERROR(check_input(request.inputs[i], inputs[i]));
      if (model_->info().batchable && request.inputs[i].shape[0] != request.inputs[0].shape[0]) {
        return invalid_argument("input '" + inputs[i].name + "' has batch " +
                                std::to_string(request.inputs[i].shape[0]) + ", input '" +
                                inputs[0].name + "' has " +
                                std::to_string(request.inputs[0].shape[0]));
      }
    }
    if (model_->info().batchable && request.inputs[0].shape[0] > kMaxRequestBatch) {
      return invalid_argument("a request may have a batch of at most " +
                              std::to_string(kMaxRequestBatch));
    }
    return ok_status();
  }

  static Status check_input(const TensorView& view, const TensorInfo& info) {
    const std::string title = "input '" + info.name + "'";
    if (view.dtype != info.dtype) {
      return invalid_argument(title + " has datatype " + std::string(dtype_name(view.dtype)) +
                              ", the model takes " + std::string(dtype_name(info.dtype)));
    }
    bool fits = view.shape.rank() == info.shape.rank();
    for (int d = 0; fits && d < view.shape.rank(); ++d) {
      fits = info.shape[d] == kDynamicDim ? view.shape[d] > 0 : info.shape[d] == view.shape[d];
    }
    if (!fits) {
      return invalid_argument(title + " has shape " + view.shape.to_string() +
                              ", the model takes " + info.shape.to_string());
    }
    const Result<int64_t> bytes = checked_bytes(view.dtype, view.shape);
    if (!bytes.ok()) return bytes.status().with_context(title);
    if (static_cast<int64_t>(view.data.size()) != *bytes) {
      return invalid_argument(title + " has " + std::to_string(view.data.size()) +
                              " bytes, shape " + view.shape.to_string() + " needs " +
                              std::to_string(*bytes));
    }
    return ok_status();
  }

  void work(Context& context) {
    std::vector<Waiting> batch;
    std::vector<std::vector<std::byte>> gathered(model_->inputs().size());  // kept between batches
    while (take_batch(batch)) {
      run_batch(context, batch, gathered);
      batch.clear();
    }
  }

  // Takes the oldest request and what may run with it; waits for company as the options say. False:
  // closed and empty.
  bool take_batch(std::vector<Waiting>& batch) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return closed_ || !queue_.empty(); });
    if (queue_.empty()) return false;
    batch.push_back(std::move(queue_.front()));
    queue_.pop_front();
    if (options_.max_batch <= 1 || !model_->info().batchable) return true;

    int size = batch[0].batch;
    for (;;) {
      collect(batch, size);
      if (size >= options_.max_batch || closed_ || options_.max_delay_us == 0) break;
      const uint64_t before = arrivals_;
      const auto wait = std::chrono::nanoseconds(waits_until(batch) - now_ns());
      if (!wake_.wait_for(lock, wait, [&] { return closed_ || arrivals_ != before; })) break;
    }
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
      if (size + it->batch <= options_.max_batch && compatible(batch[0].request, it->request)) {
        size += it->batch;
        batch.push_back(std::move(*it));
        it = queue_.erase(it);
      } else {
        ++it;
      }
    }
  }

  void drop_late(std::vector<Waiting>& batch) {
    const int64_t now = now_ns();
    for (auto it = batch.begin(); it != batch.end();) {
      if (it->request.deadline_ns == 0 || it->request.deadline_ns > now) {
        ++it;
        continue;
      }
      {
        const std::lock_guard lock(mutex_);
        ++statistics_.rejected_deadline;
        add(statistics_.fail, now - it->arrived);
      }
      refuse(it->request,
             deadline_exceeded("the deadline passed while the request waited for model '" + name_ +
                               "'"));
      it = batch.erase(it);
    }
  }

  void run_batch(Context& context, std::vector<Waiting>& batch,
                 std::vector<std::vector<std::byte>>& gathered) {
    drop_late(batch);
    if (batch.empty()) return;
    const int64_t start = now_ns();
    int size = 0;
    for (const Waiting& waiting : batch) size += waiting.batch;
    std::vector<TensorView> inputs = batch[0].request.inputs;
    if (batch.size() > 1) gather(batch, size, gathered, inputs);
    const int64_t gathered_at = now_ns();
    const auto outputs = context.run(inputs);
    const int64_t computed = now_ns();
    // Before the answers: who has one sees itself counted.
    record(batch, outputs.ok(), start, gathered_at, computed, size);
    int first = 0;
    std::vector<TensorView> slice;
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
  }

  static void gather(const std::vector<Waiting>& batch, int size,
                     std::vector<std::vector<std::byte>>& gathered,
                     std::vector<TensorView>& inputs) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      gathered[i].clear();
      for (const Waiting& waiting : batch) {
        const auto data = waiting.request.inputs[i].data;
        gathered[i].insert(gathered[i].end(), data.begin(), data.end());
      }
      inputs[i].shape[0] = size;
      inputs[i].data = gathered[i];
    }
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

  void record(const std::vector<Waiting>& batch, bool ok, int64_t start, int64_t gathered,
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
  std::deque<Waiting> queue_;                      // by mutex_
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

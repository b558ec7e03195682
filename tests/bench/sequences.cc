// SPDX-License-Identifier: Apache-2.0
//
// What it brings to run requests of several sequences together.
//
//   sequences MODEL [INPUT=OUTPUT...]
//
// As many sequences as a batch takes, each with one request on its way all the time, through the
// queue of one model on one thread: in batches of up to 1, 2, 4, 8 and 16, in turn, in rounds. The
// arguments after the model make states of inputs and outputs. Prints a row of a Markdown table for
// each batch size: medians over rounds of runs a second, of their ratio to batches of one, and of
// how many requests a run had.
#include <array>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <string>

#include "daemon/schedule/model_queue.h"
#include "tests/bench/rounds.h"

namespace inferd::bench {
namespace {

constexpr int kRounds = 7;
constexpr double kSeconds = 1;
constexpr int kSequences = 16;

// Sequences that send their next request as soon as the last one is answered, until told to stop.
class Clients {
 public:
  Clients(const std::shared_ptr<const Model>& model, int max_batch) {
    schedule::QueueOptions options;
    options.max_batch = max_batch;
    options.threads = 1;
    auto queue = schedule::ModelQueue::create(model, "model", options);
    if (queue.ok()) queue_ = std::move(*queue);
    for (const TensorInfo& info : model->inputs()) {
      Shape shape = info.shape;
      for (int d = 0; d < shape.rank(); ++d) shape[d] = std::max<int64_t>(shape[d], 1);
      bytes_.emplace_back(static_cast<size_t>(shape.elements()) * dtype_size(info.dtype));
      inputs_.push_back({info.dtype, shape, {}});
    }
    for (size_t i = 0; i < inputs_.size(); ++i) inputs_[i].data = bytes_[i];
  }

  struct Rates {
    double requests = 0;    // a second
    double batch_size = 0;  // requests in a run
  };
  Rates measure() {
    stop_ = false;
    under_way_ = kSequences;
    const schedule::QueueStatistics before = queue_->statistics();
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kSequences; ++i) send(i, true);
    std::this_thread::sleep_for(std::chrono::duration<double>(kSeconds));
    const schedule::QueueStatistics after = queue_->statistics();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::unique_lock lock(mutex_);
    stop_ = true;
    changed_.wait(lock, [this] { return under_way_ == 0; });
    const auto requests = static_cast<double>(after.inference_count - before.inference_count);
    const auto runs = static_cast<double>(after.execution_count - before.execution_count);
    return {requests / took.count(), requests / runs};
  }

 private:
  void send(int sequence, bool start) {
    schedule::Request request;
    request.inputs = inputs_;
    request.sequence = {std::to_string(sequence), start, false};
    request.done = [this, sequence](const schedule::Outcome& outcome) {
      if (!outcome.status.ok()) std::printf("%s\n", outcome.status.to_string().c_str());
      {
        const std::lock_guard lock(mutex_);
        if (stop_ || !outcome.status.ok()) {
          --under_way_;
          changed_.notify_all();
          return;
        }
      }
      send(sequence, false);
    };
    queue_->submit(std::move(request));
  }

  std::vector<std::vector<std::byte>> bytes_;
  std::vector<TensorView> inputs_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;  // by mutex_, as the next
  int under_way_ = 0;
  std::unique_ptr<schedule::ModelQueue> queue_;
};

Status measure(const std::string& path, const LoadOptions& load) {
  EngineOptions options;
  options.threads = 1;
  INFERD_ASSIGN_OR_RETURN(const auto engine, Engine::create(options));
  INFERD_ASSIGN_OR_RETURN(const auto model, engine->load(path, load));
  if (model->info().states.empty()) return invalid_argument(path + ": it has no states");
  if (!model->info().batchable) return invalid_argument(path + ": it takes no batches");
  constexpr std::array kBatches = {1, 2, 4, 8, 16};
  std::vector<std::unique_ptr<Clients>> clients;
  for (const int batch : kBatches) clients.push_back(std::make_unique<Clients>(model, batch));
  std::array<std::vector<double>, kBatches.size()> rates, ratios, sizes;
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < kBatches.size(); ++i) {
      pause();
      const Clients::Rates measured = clients[i]->measure();
      rates[i].push_back(measured.requests);
      ratios[i].push_back(measured.requests / rates[0].back());
      sizes[i].push_back(measured.batch_size);
    }
  }
  for (size_t i = 0; i < kBatches.size(); ++i) {
    std::printf("| %d | %.0f | %.2f | %.1f |\n", kBatches[i], median(rates[i]), median(ratios[i]),
                median(sizes[i]));
  }
  return ok_status();
}

}  // namespace
}  // namespace inferd::bench

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s MODEL [INPUT=OUTPUT...]\n", argv[0]);
    return 2;
  }
  inferd::LoadOptions load;
  for (int i = 2; i < argc; ++i) {
    const std::string pair = argv[i];
    const size_t equals = pair.find('=');
    load.states.push_back(
        {pair.substr(0, equals), pair.substr(std::min(equals, pair.size() - 1) + 1)});
  }
  const inferd::Status status = inferd::bench::measure(argv[1], load);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.to_string().c_str());
  return status.ok() ? 0 : 1;
}

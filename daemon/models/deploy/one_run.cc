// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/deploy/one_run.h"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace inferd::models {
namespace {

// Shared by who waits and the queue, which may be the last to hold it.
struct Run {
  std::shared_ptr<const ModelVersion> version;
  std::vector<media::Array> inputs;
  std::vector<TensorView> views;
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Result<OneRun>> result;  // by mutex
};

Result<OneRun> copy(const schedule::Outcome& outcome) {
  INFERD_RETURN_IF_ERROR(outcome.status);
  OneRun run;
  run.compute_ns = outcome.timing.compute;
  for (const TensorView& output : outcome.outputs)
    run.outputs.push_back({output.dtype, output.shape, {output.data.begin(), output.data.end()}});
  return run;
}

}  // namespace

Result<OneRun> run_once(const std::shared_ptr<const ModelVersion>& version,
                        std::vector<media::Array> inputs, int64_t timeout_ms) {
  const auto run = std::make_shared<Run>();
  run->version = version;
  run->inputs = std::move(inputs);
  for (const media::Array& input : run->inputs) run->views.push_back(input.view());
  schedule::Request request;
  request.inputs = run->views;
  request.keep_alive = run;
  request.done = [run](const schedule::Outcome& outcome) {
    const std::lock_guard lock(run->mutex);
    run->result = copy(outcome);
    run->changed.notify_all();
  };
  version->queue->submit(std::move(request));
  std::unique_lock lock(run->mutex);
  const bool in_time = run->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                             [&] { return run->result.has_value(); });
  if (in_time) return std::move(*run->result);
  return deadline_exceeded("a run gave no answer for " + std::to_string(timeout_ms) + " ms");
}

std::vector<media::Array> blank_inputs(const Model& model) {
  std::vector<media::Array> inputs;
  for (const TensorInfo& input : model.inputs()) {
    media::Array array;
    array.dtype = input.dtype;
    for (const int64_t dim : input.shape) array.shape.push_back(dim == kDynamicDim ? 1 : dim);
    array.data.resize(static_cast<size_t>(array.shape.elements()) * dtype_size(array.dtype));
    inputs.push_back(std::move(array));
  }
  return inputs;
}

}  // namespace inferd::models

// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/deploy/shadow.h"

#include <utility>

#include "media/npy.h"

namespace inferd::models {
namespace {

// Copies in memory at one time.
constexpr int kMaxRunning = 4;

// What tensors mean: versions may store it with other scales.
std::vector<double> meaning_of(const TensorView& tensor, const Quantization& quantization) {
  std::vector<double> numbers = to_numbers(tensor);
  if (quantization.empty() || quantization.per_channel()) return numbers;
  for (double& number : numbers)
    number = quantization.scale() * (number - quantization.zero_point());
  return numbers;
}

}  // namespace

struct Shadow::Copy {
  std::vector<media::Array> inputs;
  std::vector<TensorView> views;
  std::vector<std::vector<double>> answer;
  int64_t answer_ns = 0;
};

Shadow::Shadow(const ModelVersion& answers, std::shared_ptr<const ModelVersion> shadow,
               double fraction, const Tolerance& tolerance)
    : shadow_(std::move(shadow)), fraction_(fraction), tolerance_(tolerance) {
  for (const TensorInfo& output : answers.model->outputs()) answers_.push_back(output.quantization);
}

bool Shadow::take() {
  const std::lock_guard lock(mutex_);
  share_ += fraction_;
  if (share_ < 1) return false;
  share_ -= 1;
  if (running_ >= kMaxRunning) {
    ++counts_.skipped;
    return false;
  }
  ++running_;
  return true;
}

void Shadow::observe(schedule::Request& request) {
  if (!request.sequence.id.empty() || !take()) return;
  auto copy = std::make_shared<Copy>();
  for (const TensorView& input : request.inputs)
    copy->inputs.push_back({input.dtype, input.shape, {input.data.begin(), input.data.end()}});
  request.done = [self = shared_from_this(), copy,
                  done = std::move(request.done)](const schedule::Outcome& outcome) {
    done(outcome);
    if (!outcome.status.ok()) {
      const std::lock_guard lock(self->mutex_);
      --self->running_;
      return;
    }
    for (size_t i = 0; i < outcome.outputs.size(); ++i)
      copy->answer.push_back(meaning_of(outcome.outputs[i], self->answers_[i]));
    copy->answer_ns = outcome.timing.compute;
    self->run(copy);
  };
}

void Shadow::run(const std::shared_ptr<Copy>& copy) {
  for (const media::Array& input : copy->inputs) copy->views.push_back(input.view());
  schedule::Request request;
  request.inputs = copy->views;
  request.keep_alive = copy;
  request.done = [self = shared_from_this(), copy](const schedule::Outcome& outcome) {
    self->compare(*copy, outcome);
  };
  shadow_->queue->submit(std::move(request));
}

void Shadow::compare(const Copy& copy, const schedule::Outcome& outcome) {
  Status same = outcome.status;
  const auto infos = shadow_->model->outputs();
  for (size_t i = 0; same.ok() && i < outcome.outputs.size(); ++i) {
    same = check_close(infos[i].name, meaning_of(outcome.outputs[i], infos[i].quantization),
                       copy.answer[i], tolerance_);
  }
  const std::lock_guard lock(mutex_);
  --running_;
  ++counts_.compared;
  if (same.ok()) ++counts_.agreed;
  if (!outcome.status.ok()) ++counts_.failed;
  if (!same.ok()) counts_.difference = same.message();
  counts_.answer_ns += copy.answer_ns;
  counts_.shadow_ns += outcome.timing.compute;
}

Shadow::Counts Shadow::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace inferd::models

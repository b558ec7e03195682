// SPDX-License-Identifier: Apache-2.0
#include <condition_variable>
#include <mutex>

#include "daemon/pipeline/stages/stages.h"

namespace inferd::pipeline {
namespace {

// Waits for one answer at a time.
class Answer {
 public:
  void give(Status status) {
    const std::lock_guard lock(mutex_);
    status_ = std::move(status);
    given_ = true;
    // Under the lock: the waiter may destroy this as soon as it sees `given_`.
    changed_.notify_one();
  }
  Status take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return given_; });
    given_ = false;
    return status_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool given_ = false;  // by mutex_
  Status status_;       // by mutex_
};

// Writes the picture into the model's input, runs the model and keeps its outputs.
class Infer final : public Stage {
 public:
  Infer(std::shared_ptr<const models::ModelVersion> model, const media::Preprocess& preprocess,
        TensorInfo input)
      : model_(std::move(model)),
        preprocess_(preprocess),
        input_(std::move(input)),
        bytes_(static_cast<size_t>(input_.shape.elements()) * dtype_size(input_.dtype)),
        view_{input_.dtype, input_.shape, bytes_} {}

  Status process(Work& work) override {
    INFERD_ASSIGN_OR_RETURN(work.placement,
                            media::fill_tensor(work.frame->image, preprocess_, input_, bytes_));
    schedule::Request request;
    request.inputs = {&view_, 1};
    request.done = [&](const schedule::Outcome& outcome) {
      if (outcome.status.ok()) keep(outcome.outputs, work.outputs);
      answer_.give(outcome.status);
    };
    model_->queue->submit(std::move(request));
    return answer_.take();
  }

 private:
  static void keep(std::span<const TensorView> outputs, std::vector<Tensor>& kept) {
    kept.resize(outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      kept[i].dtype = outputs[i].dtype;
      kept[i].shape = outputs[i].shape;
      kept[i].data.assign(outputs[i].data.begin(), outputs[i].data.end());
    }
  }

  const std::shared_ptr<const models::ModelVersion> model_;
  const media::Preprocess preprocess_;
  const TensorInfo input_;
  std::vector<std::byte> bytes_;
  const TensorView view_;  // of bytes_
  Answer answer_;
};

}  // namespace

StageResult make_infer(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  const std::string where = node.mark.to_string();
  const std::string name = r.required_text("model");
  const int64_t version = r.integer("version", 0, 1, INT64_MAX);
  INFERD_RETURN_IF_ERROR(r.finish());
  if (context.model != nullptr)
    return invalid_argument(where + ": a pipeline has one 'infer' stage");
  auto found = context.repository.find(name, version);
  if (!found.ok()) return found.status().with_context(where);
  context.model = *found;

  const auto inputs = context.model->model->inputs();
  if (inputs.size() != 1) {
    return invalid_argument(where + ": model '" + name + "' has " + std::to_string(inputs.size()) +
                            " inputs; a pipeline feeds one picture");
  }
  TensorInfo input = inputs[0];
  if (input.shape.rank() > 0 && input.shape[0] == kDynamicDim) input.shape[0] = 1;
  if (const auto image = media::image_tensor_of(input); !image.ok())
    return image.status().with_context(where);
  if (input.dtype == DType::kFloat32 && !context.preprocess.normalize) {
    return invalid_argument(
        where + ": model '" + name +
        "' takes float32; say what it expects with a 'normalize' stage before 'infer' "
        "(mean: 0, std: 1 for raw pixels)");
  }
  return std::unique_ptr<Stage>(
      std::make_unique<Infer>(context.model, context.preprocess, std::move(input)));
}

}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
#include <condition_variable>
#include <mutex>

#include "daemon/models/interface.h"
#include "daemon/pipeline/stages/stages.h"
#include "media/preprocessor.h"

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

// The versions that a pipeline's frames go to: one that the pipeline names, or for each frame the
// one that then serves (or is tried out). Used by one thread.
class Versions {
 public:
  // `found` is the version that serves now, or with `stays` the one for all frames.
  Versions(models::Repository& repository, const std::string& pipeline,
           const std::shared_ptr<const models::ModelVersion>& found, bool stays)
      : repository_(repository),
        name_(found->name),
        dependency_(repository.depend(name_, "pipeline '" + pipeline + "'")),
        only_(stays ? found : nullptr),
        last_(found) {
    const ModelInfo& info = found->model->info();
    like_.inputs = info.inputs;
    like_.outputs = info.outputs;
    like_.states = info.states;
  }

  // `changed`: it is another one than before. FAILED_PRECONDITION for one that takes or gives
  // something else than the stages were made for.
  Result<std::shared_ptr<const models::ModelVersion>> next(bool& changed) {
    changed = false;
    if (only_ != nullptr) return only_;
    INFERD_ASSIGN_OR_RETURN(auto found, repository_.find(name_, 0));
    // By ownership: a new version may lie where a former one did.
    if (!last_.owner_before(found) && !found.owner_before(last_)) return found;
    // The repository refuses such versions, but not one from before the pipeline was configured.
    const Status alike = models::check_same_interface(like_, found->model->info());
    if (!alike.ok()) {
      return failed_precondition("version " + std::to_string(found->version) + " of model '" +
                                 name_ + "' " + alike.message() +
                                 ", which the pipeline was made for; restart the daemon");
    }
    last_ = found;
    changed = true;
    return found;
  }

 private:
  models::Repository& repository_;
  const std::string name_;
  const std::shared_ptr<const void> dependency_;
  const std::shared_ptr<const models::ModelVersion> only_;  // or null
  std::weak_ptr<const models::ModelVersion> last_;
  ModelInfo like_;  // inputs, outputs and states of the one that the stages were made for
};

// Writes the picture into the model's input, runs the model and keeps its outputs.
class Infer final : public Stage {
 public:
  Infer(std::unique_ptr<Versions> versions, media::Preprocessor preprocessor, TensorInfo input)
      : versions_(std::move(versions)),
        preprocessor_(std::move(preprocessor)),
        input_(std::move(input)) {}

  Status start(Work& work) override {
    bool changed = false;
    INFERD_ASSIGN_OR_RETURN(work.model, versions_->next(changed));
    if (changed) {
      const TensorInfo& input = work.model->model->inputs()[0];
      INFERD_RETURN_IF_ERROR(preprocessor_.set_quantization(input.quantization));
    }
    while (flights_.size() <= work.lane) flights_.push_back(std::make_unique<Flight>(input_));
    Flight& flight = *flights_[work.lane];
    INFERD_ASSIGN_OR_RETURN(work.placement, preprocessor_.fill(work.frame->picture, flight.bytes));
    schedule::Request request;
    request.inputs = {&flight.view, 1};
    request.deadline_ns = work.deadline_ns;
    // Of two pointers at most, which a std::function holds without allocating.
    request.done = [&flight, &work](const schedule::Outcome& outcome) {
      if (outcome.status.ok()) keep(outcome.outputs, work);
      flight.answer.give(outcome.status);
    };
    work.model->queue->submit(std::move(request));
    return ok_status();
  }

  Status process(Work& work) override { return flights_[work.lane]->answer.take(); }

 private:
  // Of one work that is with the model.
  struct Flight {
    explicit Flight(const TensorInfo& input)
        : bytes(static_cast<size_t>(input.shape.elements()) * dtype_size(input.dtype)),
          view{input.dtype, input.shape, bytes} {}
    std::vector<std::byte> bytes;
    const TensorView view;  // of bytes
    Answer answer;
  };

  static void keep(std::span<const TensorView> outputs, Work& work) {
    const auto infos = work.model->model->outputs();
    std::vector<Tensor>& kept = work.outputs;
    kept.resize(outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      kept[i].dtype = outputs[i].dtype;
      kept[i].shape = outputs[i].shape;
      kept[i].data.assign(outputs[i].data.begin(), outputs[i].data.end());
      kept[i].quantization = infos[i].quantization;
    }
  }

  const std::unique_ptr<Versions> versions_;
  media::Preprocessor preprocessor_;  // with the quantization of the version that runs
  const TensorInfo input_;
  std::vector<std::unique_ptr<Flight>> flights_;  // by lane
};

}  // namespace

StageResult make_infer(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  const std::string where = node.mark.to_string();
  const std::string name = r.required_text("model");
  const int64_t version = r.integer("version", 0, 1, INT64_MAX);
  INFERD_RETURN_IF_ERROR(r.finish());
  if (context.model != nullptr)
    return invalid_argument(
        where +
        ": a node has one 'infer' stage; a second model belongs into a node that reads this one");
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
  auto preprocessor = media::Preprocessor::create(context.preprocess, input);
  if (!preprocessor.ok()) return preprocessor.status().with_context(where);
  auto versions =
      std::make_unique<Versions>(context.repository, context.pipeline, *found, version != 0);
  return std::unique_ptr<Stage>(
      std::make_unique<Infer>(std::move(versions), *std::move(preprocessor), std::move(input)));
}

}  // namespace inferd::pipeline

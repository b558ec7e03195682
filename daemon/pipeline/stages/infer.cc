// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "daemon/models/interface.h"
#include "daemon/pipeline/stages/constant_input.h"
#include "daemon/pipeline/stages/model_input.h"
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

// An input of the model, and which of a join's frames it is made of.
struct Feeding {
  std::optional<ModelInput> input;  // nothing: it is always `constant`
  size_t from = 0;
  ConstantInput constant = {};
};

// What a model remembers from frame to frame, where it has states: the daemon keeps it under a name
// that no other stage has, and no client can have. Used by one thread.
class Memory {
 public:
  Memory() {
    static std::atomic<uint64_t> made{0};
    sequence_.id = std::string(schedule::Sequence::kOfPipelines) + std::to_string(++made);
  }
  ~Memory() { forget(); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // For the next frame. It begins anew where the frame does not join the one before, and where
  // nothing is known of it: with a new version, or when there were no frames for too long.
  const schedule::Sequence& next(const Frame& frame,
                                 const std::shared_ptr<const models::ModelVersion>& model) {
    if (model != of_.lock()) {
      forget();
      of_ = model;
    }
    sequence_.start = frame.stream != stream_ || !model->queue->has_sequence(sequence_.id);
    stream_ = frame.stream;
    return sequence_;
  }

 private:
  void forget() {
    if (const auto model = of_.lock()) model->queue->end_sequence(sequence_.id);
  }

  schedule::Sequence sequence_;
  std::weak_ptr<const models::ModelVersion> of_;  // which may be replaced
  uint64_t stream_ = 0;
};

// Writes frames into the model's inputs, runs the model and keeps its outputs.
class Infer final : public Stage {
 public:
  Infer(std::unique_ptr<Versions> versions, std::vector<Feeding> feedings, bool remembers)
      : versions_(std::move(versions)), feedings_(std::move(feedings)) {
    if (remembers) memory_.emplace();
  }

  Status start(Work& work) override {
    bool changed = false;
    INFERD_ASSIGN_OR_RETURN(work.model, versions_->next(changed));
    if (changed) {
      const auto inputs = work.model->model->inputs();
      for (size_t i = 0; i < feedings_.size(); ++i) {
        if (!feedings_[i].input) continue;
        INFERD_RETURN_IF_ERROR(feedings_[i].input->set_quantization(inputs[i].quantization));
      }
    }
    while (flights_.size() <= work.lane)
      flights_.push_back(std::make_unique<Flight>(feedings_.size()));
    Flight& flight = *flights_[work.lane];
    for (size_t i = 0; i < feedings_.size(); ++i) {
      if (!feedings_[i].input) {
        flight.views[i] = feedings_[i].constant.view();
        continue;
      }
      const size_t from = feedings_[i].from;
      const Frame& frame = from == 0 ? *work.frame : *work.joined[from - 1];
      const bool bent = from == 0 && work.bent != nullptr;
      INFERD_ASSIGN_OR_RETURN(const auto placement,
                              feedings_[i].input->fill(frame, bent ? &work.bent->view() : nullptr,
                                                       flight.buffers[i], flight.views[i]));
      if (from == 0) work.placement = placement;
    }
    schedule::Request request;
    request.inputs = flight.views;
    request.deadline_ns = work.deadline_ns;
    if (memory_) request.sequence = memory_->next(*work.frame, work.model);
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
    explicit Flight(size_t inputs) : buffers(inputs), views(inputs) {}
    std::vector<std::vector<std::byte>> buffers;  // by input
    std::vector<TensorView> views;                // of them
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
  std::vector<Feeding> feedings_;  // by input, with the quantization of the version that runs
  std::optional<Memory> memory_;
  std::vector<std::unique_ptr<Flight>> flights_;  // by lane
};

// Which of the node's inputs feeds the model's input `name`, the `index`-th of those that frames
// feed: those of a join in their order, or as `names` has them.
Result<size_t> feeder_of(const std::vector<std::string>& names, const std::string& name,
                         size_t index) {
  if (names.empty()) return index;
  const auto named = std::find(names.begin(), names.end(), name);
  if (named != names.end()) return static_cast<size_t>(named - names.begin());
  return invalid_argument("'inputs' must name all inputs; '" + name + "' is missing");
}

Result<std::vector<Feeding>> make_feedings(const std::vector<std::string>& names,
                                           std::span<const TensorInfo> inputs,
                                           const Constants& constants, const PictureSize& size,
                                           const StageContext& context) {
  const size_t frames = 1 + context.joined.size();
  INFERD_RETURN_IF_ERROR(constants.check_names(inputs));
  const size_t fed = inputs.size() - constants.size();
  if ((inputs.size() > 1 || !names.empty()) && fed != frames) {
    return invalid_argument(
        "it has " + std::to_string(fed) + " inputs, and " + std::to_string(frames) +
        " come: the node must 'join' as many nodes as the model has inputs, or say what others "
        "always are ('constant.NAME')");
  }
  if (!names.empty() && names.size() != fed)
    return invalid_argument("'inputs' must name each input once, in the order of 'from'");
  std::vector<Feeding> feedings;
  size_t index = 0;
  for (const TensorInfo& info : inputs) {
    if (constants.has(info.name)) {
      INFERD_ASSIGN_OR_RETURN(auto constant, constants.make(info));
      feedings.push_back({std::nullopt, 0, std::move(constant)});
      continue;
    }
    INFERD_ASSIGN_OR_RETURN(const size_t from, feeder_of(names, info.name, index++));
    const Signal& signal = from == 0 ? context.signal : context.joined[from - 1];
    INFERD_ASSIGN_OR_RETURN(auto input, ModelInput::create(info, context.preprocess, signal, size));
    feedings.push_back({std::move(input), from});
  }
  return feedings;
}

}  // namespace

StageResult make_infer(const config::NodeConfig& node, StageContext& context) {
  config::NodeReader r(node);
  const std::string where = node.mark.to_string();
  const std::string name = r.required_text("model");
  const int64_t version = r.integer("version", 0, 1, INT64_MAX);
  const std::vector<std::string> names = r.list("inputs");
  const auto side = [&](const char* key) { return static_cast<int>(r.integer(key, 0, 1, 8192)); };
  const PictureSize size{side("width"), side("height"), side("max_width")};
  const Constants constants(node, r);
  INFERD_RETURN_IF_ERROR(r.finish());
  if (context.model != nullptr)
    return invalid_argument(
        where +
        ": a node has one 'infer' stage; a second model belongs into a node that reads this one");
  auto found = context.repository.find(name, version);
  if (!found.ok()) return found.status().with_context(where);
  context.model = *found;
  auto feedings = make_feedings(names, (*found)->model->inputs(), constants, size, context);
  if (!feedings.ok()) return feedings.status().with_context(where + ": model '" + name + "'");
  auto versions =
      std::make_unique<Versions>(context.repository, context.pipeline, *found, version != 0);
  // Parts of a frame do not follow each other.
  const bool remembers = !context.parts && !(*found)->model->info().states.empty();
  return std::unique_ptr<Stage>(
      std::make_unique<Infer>(std::move(versions), *std::move(feedings), remembers));
}

}  // namespace inferd::pipeline

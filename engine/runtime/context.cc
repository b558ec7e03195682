// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/context.h"

#include "engine/runtime/out_of_memory.h"

namespace inferd::runtime {

ModelContext::ModelContext(std::shared_ptr<const LoadedModel> model, const ContextOptions& options)
    : model_(std::move(model)),
      profiles_(options.profile),
      runner_(model_->program(), options),
      together_(model_->new_state()) {}

Result<std::span<const TensorView>> ModelContext::run(std::span<const TensorView> inputs,
                                                      std::span<State* const> states) {
  return within_memory([&] { return run_once(inputs, states); }, "to run");
}

Result<std::span<const TensorView>> ModelContext::run_once(std::span<const TensorView> inputs,
                                                           std::span<State* const> states) {
  INFERD_RETURN_IF_ERROR(check_inputs(model_->inputs(), inputs));
  const int64_t elements = model_->info().batchable ? inputs[0].shape[0] : 1;
  INFERD_RETURN_IF_ERROR(take_states(states, elements));
  const bool alone = elements == 1 && given_[0] != nullptr;
  if (!alone) together_.gather(given_);
  INFERD_ASSIGN_OR_RETURN(const auto outputs, run_from(inputs, alone ? *given_[0] : together_));
  if (profiles_) profile_ = runner_.profile();
  const size_t visible = model_->outputs().size();
  const std::span<const TensorView> after = outputs.subspan(visible);
  if (alone) {
    given_[0]->advance(after);
  } else {
    for (size_t i = 0; i < given_.size(); ++i) {
      if (given_[i] != nullptr) given_[i]->take(after, i, given_.size());
    }
  }
  return outputs.first(visible);
}

Status ModelContext::take_states(std::span<State* const> states, int64_t elements) {
  const auto count = static_cast<size_t>(elements);
  if (!states.empty() && states.size() != count) {
    return invalid_argument("got states of " + std::to_string(states.size()) +
                            " sequences, the inputs have a batch of " + std::to_string(count));
  }
  given_.assign(count, nullptr);
  for (size_t i = 0; i < states.size(); ++i) {
    if (states[i] == nullptr) continue;
    given_[i] = dynamic_cast<TensorState*>(states[i]);
    if (given_[i] == nullptr || !given_[i]->is_like(together_)) {
      return invalid_argument("the state is not one of this model");
    }
  }
  return ok_status();
}

Result<std::span<const TensorView>> ModelContext::run_from(std::span<const TensorView> inputs,
                                                           const TensorState& state) {
  const std::span<const OwnedTensor> tensors = state.tensors();
  if (tensors.empty()) return runner_.run(inputs);
  inputs_.assign(inputs.begin(), inputs.end());
  for (const OwnedTensor& tensor : tensors) inputs_.push_back(tensor.view());
  INFERD_ASSIGN_OR_RETURN(const auto outputs, runner_.run(inputs_));
  const size_t visible = outputs.size() - tensors.size();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorView& after = outputs[visible + i];
    if (after.dtype != tensors[i].dtype || !(after.shape == tensors[i].shape)) {
      return invalid_argument("state '" + model_->info().states[i].name + "' is " +
                              tensors[i].shape.to_string() + " and would become " +
                              after.shape.to_string());
    }
  }
  return outputs;
}

Status ModelContext::prepare(std::span<const Shape> input_shapes) {
  if (input_shapes.size() != model_->inputs().size()) {
    return invalid_argument("got " + std::to_string(input_shapes.size()) +
                            " shapes, the model has " + std::to_string(model_->inputs().size()) +
                            " inputs");
  }
  for (size_t i = 0; i < input_shapes.size(); ++i)
    INFERD_RETURN_IF_ERROR(check_shape(model_->inputs()[i], input_shapes[i]));
  return within_memory([&] { return runner_.prepare(model_->with_states(input_shapes)); },
                       "to prepare a run");
}

MemoryUse ModelContext::memory() const {
  return {model_->packed_bytes(), runner_.arena_bytes(), runner_.arena_lower_bound(),
          runner_.scratch_bytes()};
}

}  // namespace inferd::runtime

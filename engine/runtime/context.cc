// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/context.h"

namespace inferd::runtime {

ModelContext::ModelContext(std::shared_ptr<const LoadedModel> model, const ContextOptions& options)
    : model_(std::move(model)),
      profiles_(options.profile),
      runner_(model_->program(), options),
      state_(model_->new_state()) {}

Result<std::span<const TensorView>> ModelContext::run(std::span<const TensorView> inputs,
                                                      State* state) {
  INFERD_RETURN_IF_ERROR(check_inputs(model_->inputs(), inputs));
  auto* const given = state != nullptr ? dynamic_cast<TensorState*>(state) : &state_;
  if (given == nullptr || given->tensors().size() != state_.tensors().size()) {
    return invalid_argument("the state is not one of this model");
  }
  const int64_t sequences = model_->info().batchable ? inputs[0].shape[0] : 1;
  if (state == nullptr) state_.begin(sequences);
  if (given->sequences() != sequences) {
    return invalid_argument("a state is that of one sequence, the inputs have a batch of " +
                            std::to_string(sequences));
  }
  auto outputs = state_.tensors().empty() ? runner_.run(inputs) : run_with_state(inputs, *given);
  if (profiles_ && outputs.ok()) profile_ = runner_.profile();
  return outputs;
}

Result<std::span<const TensorView>> ModelContext::run_with_state(std::span<const TensorView> inputs,
                                                                 TensorState& state) {
  const std::span<const OwnedTensor> tensors = state.tensors();
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
  state.advance(outputs.subspan(visible));
  return outputs.first(visible);
}

Status ModelContext::prepare(std::span<const Shape> input_shapes) {
  if (input_shapes.size() != model_->inputs().size()) {
    return invalid_argument("got " + std::to_string(input_shapes.size()) +
                            " shapes, the model has " + std::to_string(model_->inputs().size()) +
                            " inputs");
  }
  for (size_t i = 0; i < input_shapes.size(); ++i)
    INFERD_RETURN_IF_ERROR(check_shape(model_->inputs()[i], input_shapes[i]));
  return runner_.prepare(model_->with_states(input_shapes));
}

MemoryUse ModelContext::memory() const {
  return {model_->packed_bytes(), runner_.arena_bytes(), runner_.arena_lower_bound(),
          runner_.scratch_bytes()};
}

}  // namespace inferd::runtime

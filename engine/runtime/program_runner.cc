// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/program_runner.h"

#include <algorithm>
#include <cstring>

namespace inferd::runtime {
namespace {

bool same_shapes(std::span<const TensorView> inputs, std::span<const Shape> shapes) {
  return std::equal(inputs.begin(), inputs.end(), shapes.begin(), shapes.end(),
                    [](const TensorView& view, const Shape& shape) { return view.shape == shape; });
}

bool holds(const TensorView& condition) {
  return !condition.data.empty() && condition.data[0] != std::byte{0};
}

// What one iteration made of a scanned value, behind what the others made.
Status stack(const TensorView& made, OwnedTensor* all) {
  Shape element(all->shape.dims().subspan(1));
  if (!(made.shape == element)) {
    return invalid_argument("makes " + made.shape.to_string() + " in one iteration and " +
                            element.to_string() + " in another");
  }
  all->data.insert(all->data.end(), made.data.begin(), made.data.end());
  ++all->shape[0];
  return ok_status();
}

OwnedTensor empty_stack(DType dtype, const Shape& element) {
  OwnedTensor all{dtype, Shape{0}, {}};
  for (int64_t dim : element) all.shape.push_back(dim == kDynamicDim ? 0 : dim);
  return all;
}

}  // namespace

Status ProgramRunner::prepare(std::span<const Shape> shapes) {
  INFERD_ASSIGN_OR_RETURN(auto stage, program_.stage_for(shapes));
  depth_ = 0;
  return enter(0, std::move(stage));
}

Status ProgramRunner::enter(size_t depth, std::shared_ptr<const Stage> stage) {
  if (levels_.size() <= depth) levels_.resize(depth + 1);
  Level& level = levels_[depth];
  depth_ = std::max(depth_, depth + 1);
  if (level.stage == stage) return ok_status();
  level.stage.reset();  // until all of it is there: what fails in between is begun again
  if (level.runner == nullptr) {
    level.runner = std::make_unique<PlanRunner>(*program_.context().pool, options_);
  }
  INFERD_RETURN_IF_ERROR(level.runner->use(stage->plan));
  level.body.reset();
  if (stage->loop) level.body = std::make_unique<ProgramRunner>(*stage->loop->body, options_);
  level.stage = std::move(stage);
  return ok_status();
}

// Parts `inputs` into those that the plan takes and those that decide which plan.
Result<std::shared_ptr<const Stage>> ProgramRunner::find_stage(
    const Program& program, std::span<const TensorView> inputs,
    std::vector<TensorView>* plan_inputs) const {
  std::vector<Shape> shapes;
  std::vector<Shape> bound_shapes;
  std::vector<std::span<const std::byte>> bound;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ir::Value& expected = program.graph().value(program.graph().inputs()[i]);
    if (inputs[i].dtype != expected.dtype) {
      return invalid_argument(
          "'" + expected.name + "' is " + std::string(dtype_name(inputs[i].dtype)) +
          " when it comes to run, not " + std::string(dtype_name(expected.dtype)));
    }
    if (std::binary_search(program.bound().begin(), program.bound().end(), i)) {
      bound.push_back(inputs[i].data);
      bound_shapes.push_back(inputs[i].shape);
    } else {
      shapes.push_back(inputs[i].shape);
      plan_inputs->push_back(inputs[i]);
    }
  }
  return program.stage_for(shapes, bound, bound_shapes);
}

Result<std::span<const TensorView>> ProgramRunner::run(std::span<const TensorView> inputs) {
  // The usual case: one stage, for the shapes of the last run.
  if (depth_ == 1 && levels_[0].stage->next == nullptr &&
      same_shapes(inputs, levels_[0].stage->shapes)) {
    return levels_[0].runner->run(inputs);
  }
  depth_ = 0;
  const Program* program = &program_;
  std::vector<TensorView> taken(inputs.begin(), inputs.end());
  for (size_t depth = 0;; ++depth) {
    std::vector<TensorView> plan_inputs;
    INFERD_ASSIGN_OR_RETURN(auto stage, find_stage(*program, taken, &plan_inputs));
    INFERD_RETURN_IF_ERROR(enter(depth, std::move(stage)));
    Level& level = levels_[depth];
    const std::span<const TensorView> made = level.runner->run(plan_inputs);
    if (level.stage->next == nullptr) return made;
    level.values = std::move(plan_inputs);
    level.values.insert(level.values.end(), made.begin(), made.end());
    if (level.stage->loop) {
      INFERD_RETURN_IF_ERROR(
          run_loop(level).with_context("loop '" + level.stage->loop->name + "'"));
    }
    taken.clear();
    for (size_t i : level.stage->next_inputs) taken.push_back(level.values[i]);
    program = level.stage->next.get();
  }
}

Status ProgramRunner::run_loop(Level& level) const {
  const Loop& loop = *level.stage->loop;
  const auto carried = static_cast<size_t>(loop.attrs.carried);
  const ir::Graph& body = loop.body->graph();
  int64_t most = 0;
  if (level.values[loop.inputs[0]].data.size() != sizeof most) {
    return invalid_argument("the most iterations are not one number");
  }
  std::memcpy(&most, level.values[loop.inputs[0]].data.data(), sizeof most);
  bool condition = holds(level.values[loop.inputs[1]]);

  std::vector<OwnedTensor>& outputs = level.loop_outputs;
  outputs.clear();
  for (size_t i = 0; i < carried; ++i) {
    outputs.push_back(OwnedTensor::copy_of(level.values[loop.inputs[2 + i]]));
  }
  for (size_t i = 1 + carried; i < body.outputs().size(); ++i) {
    const ir::Value& element = body.value(body.outputs()[i]);
    outputs.push_back(empty_stack(element.dtype, element.shape));
  }

  for (int64_t iteration = 0; condition && iteration < most; ++iteration) {
    if (iteration >= program_.context().max_iterations) {
      return resource_exhausted("has not ended after the limit of " + std::to_string(iteration) +
                                " iterations");
    }
    std::vector<TensorView> inputs = {
        {DType::kInt64, Shape(), std::as_bytes(std::span(&iteration, 1))},
        {DType::kBool, Shape(), std::as_bytes(std::span(&condition, 1))}};
    for (size_t i = 0; i < carried; ++i) inputs.push_back(outputs[i].view());
    for (size_t i : loop.captured) inputs.push_back(level.values[i]);
    INFERD_ASSIGN_OR_RETURN(const auto made, level.body->run(inputs));
    std::vector<OwnedTensor> next;
    for (size_t i = 0; i < carried; ++i) next.push_back(OwnedTensor::copy_of(made[1 + i]));
    for (size_t i = carried; i < outputs.size(); ++i) {
      const TensorView& element = made[1 + i];
      if (iteration == 0) outputs[i] = empty_stack(element.dtype, element.shape);
      INFERD_RETURN_IF_ERROR(stack(element, &outputs[i]));
    }
    condition = holds(made[0]);
    std::move(next.begin(), next.end(), outputs.begin());
  }
  for (const OwnedTensor& output : outputs) level.values.push_back(output.view());
  return ok_status();
}

std::vector<LayerProfile> ProgramRunner::profile() const {
  std::vector<LayerProfile> layers;
  for (size_t i = 0; i < depth_; ++i) {
    const auto part = levels_[i].runner->profile();
    layers.insert(layers.end(), part.begin(), part.end());
  }
  return layers;
}

int64_t ProgramRunner::arena_bytes() const {
  int64_t bytes = 0;
  for (const Level& level : levels_) {
    if (level.runner != nullptr) bytes += level.runner->arena_bytes();
    if (level.body != nullptr) bytes += level.body->arena_bytes();
  }
  return bytes;
}

int64_t ProgramRunner::arena_lower_bound() const {
  int64_t bytes = 0;
  for (const Level& level : levels_) {
    if (level.stage != nullptr) bytes += level.stage->plan->arena_lower_bound;
    if (level.body != nullptr) bytes += level.body->arena_lower_bound();
  }
  return bytes;
}

int64_t ProgramRunner::scratch_bytes() const {
  int64_t bytes = 0;
  for (const Level& level : levels_) {
    if (level.runner != nullptr) bytes += level.runner->scratch_bytes();
    if (level.body != nullptr) bytes += level.body->scratch_bytes();
  }
  return bytes;
}

}  // namespace inferd::runtime

// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/program.h"

#include <algorithm>

#include "engine/ir/shape_inference.h"
#include "engine/opt/passes.h"
#include "engine/runtime/compiled.h"
#include "engine/runtime/evaluate.h"
#include "engine/runtime/split.h"

namespace inferd::runtime {
namespace {

using ir::ValueId;

opt::PassContext pass_context() { return {.evaluate = evaluate_node}; }

bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

// Where `id` is among `values`. Precondition: it is there.
size_t position(std::span<const ValueId> values, ValueId id) {
  return static_cast<size_t>(std::find(values.begin(), values.end(), id) - values.begin());
}

}  // namespace

Program::Program(ir::Graph graph, std::vector<size_t> bound, const ProgramContext& context)
    : graph_(std::move(graph)), bound_(std::move(bound)), context_(context) {}

Result<std::shared_ptr<const Stage>> Program::stage_for(
    std::span<const Shape> shapes, std::span<const std::span<const std::byte>> bound,
    std::span<const Shape> bound_shapes) const {
  const std::lock_guard lock(mutex_);
  for (auto it = stages_.begin(); it != stages_.end(); ++it) {
    const Stage& stage = **it;
    if (std::equal(shapes.begin(), shapes.end(), stage.shapes.begin(), stage.shapes.end()) &&
        std::equal(bound.begin(), bound.end(), stage.bound.begin(), stage.bound.end(),
                   same_bytes)) {
      stages_.splice(stages_.begin(), stages_, it);
      return stages_.front();
    }
  }
  INFERD_ASSIGN_OR_RETURN(ir::Graph graph, specialize(shapes, bound, bound_shapes));
  plan::PlanOptions options = context_.options;
  const std::vector<Shape>& stored = context_.keep_stored_for;
  options.keep_stored_kernels =
      context_.always_keep_stored ||
      (!stored.empty() && std::equal(shapes.begin(), shapes.end(), stored.begin(), stored.end()));
  INFERD_ASSIGN_OR_RETURN(const auto made, make_stage(std::move(graph), options));
  auto stage = std::make_shared<Stage>(*made);
  stage->shapes.assign(shapes.begin(), shapes.end());
  for (const auto& bytes : bound) stage->bound.emplace_back(bytes.begin(), bytes.end());
  stages_.push_front(std::move(stage));
  if (stages_.size() > kMaxStages) stages_.pop_back();  // contexts that run it keep it
  return stages_.front();
}

void Program::forget_stages() const {
  std::list<std::shared_ptr<const Stage>> gone;
  const std::lock_guard lock(mutex_);
  gone.swap(stages_);
}

Result<ir::Graph> Program::specialize(std::span<const Shape> shapes,
                                      std::span<const std::span<const std::byte>> bound,
                                      std::span<const Shape> bound_shapes) const {
  ir::Graph graph = graph_;
  std::vector<ValueId> inputs;
  size_t next_bound = 0;
  for (size_t i = 0; i < graph_.inputs().size(); ++i) {
    const ValueId id = graph_.inputs()[i];
    ir::Value& value = graph.value(id);
    value.shape_known = true;
    if (next_bound < bound_.size() && bound_[next_bound] == i) {
      value.shape = bound_shapes[next_bound];
      value.constant = Constant::copy_of(bound[next_bound]);
      ++next_bound;
    } else {
      value.shape = shapes[inputs.size()];
      inputs.push_back(id);
    }
  }
  graph.inputs() = std::move(inputs);
  INFERD_RETURN_IF_ERROR(ir::infer_shapes(graph));
  if (bound_.empty() && can_be_planned(graph)) return graph;
  // Shapes that were computed from shapes become constants now, and what waited for them is
  // lowered.
  INFERD_RETURN_IF_ERROR(opt::optimize(graph, pass_context()));
  return graph;
}

Result<std::shared_ptr<const Stage>> Program::make_stage(ir::Graph graph,
                                                         const plan::PlanOptions& options) const {
  auto stage = std::make_shared<Stage>();
  if (can_be_planned(graph)) {
    INFERD_ASSIGN_OR_RETURN(stage->plan,
                            plan::make_plan(std::move(graph), context_.weights, options));
    return std::shared_ptr<const Stage>(stage);
  }
  INFERD_ASSIGN_OR_RETURN(Split parts, split(graph));
  std::vector<ValueId> values = parts.now.inputs();
  values.insert(values.end(), parts.now.outputs().begin(), parts.now.outputs().end());
  if (parts.loop) {
    INFERD_ASSIGN_OR_RETURN(stage->loop, make_loop(graph, *parts.loop, values));
    values.insert(values.end(), parts.loop->outputs.begin(), parts.loop->outputs.end());
  }
  for (ValueId id : parts.rest.inputs()) stage->next_inputs.push_back(position(values, id));
  stage->next = std::make_shared<Program>(std::move(parts.rest), std::move(parts.bound), context_);
  INFERD_ASSIGN_OR_RETURN(stage->plan,
                          plan::make_plan(std::move(parts.now), context_.weights, options));
  return std::shared_ptr<const Stage>(stage);
}

Result<Loop> Program::make_loop(const ir::Graph& graph, const ir::Node& node,
                                std::span<const ValueId> values) const {
  Loop loop;
  loop.name = node.name;
  loop.attrs = std::get<LoopAttrs>(node.attrs);
  const size_t fixed = 2 + static_cast<size_t>(loop.attrs.carried);
  for (size_t i = 0; i < fixed; ++i) loop.inputs.push_back(position(values, node.inputs[i]));

  // What the body captures of constants is constant in it, so that weights are packed once.
  ir::Graph body = *node.bodies[0];
  for (size_t i = 2; i < node.inputs.size(); ++i) {
    body.value(body.inputs()[i]).dtype = graph.value(node.inputs[i]).dtype;
  }
  std::vector<ValueId> inputs(body.inputs().begin(),
                              body.inputs().begin() + static_cast<ptrdiff_t>(fixed));
  for (size_t i = fixed; i < node.inputs.size(); ++i) {
    const ir::Value& outer = graph.value(node.inputs[i]);
    ir::Value& inner = body.value(body.inputs()[i]);
    if (outer.is_constant()) {
      inner.shape = outer.shape;
      inner.shape_known = true;
      inner.constant = outer.constant;
    } else {
      loop.captured.push_back(position(values, node.inputs[i]));
      inputs.push_back(body.inputs()[i]);
    }
  }
  body.inputs() = std::move(inputs);
  INFERD_RETURN_IF_ERROR(opt::optimize(body, pass_context()));
  loop.body = std::make_shared<Program>(std::move(body), std::vector<size_t>(), context_);
  return loop;
}

}  // namespace inferd::runtime

// SPDX-License-Identifier: Apache-2.0
//
// If, Loop and Scan.
#include "engine/import/control.h"

#include <algorithm>
#include <limits>

#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {
namespace {

using Body = Lowering::Body;
using BodyInput = Lowering::BodyInput;

// Gives both bodies of an if the same inputs: what either captures.
std::vector<ValueId> share_captures(const Lowering& l, Body& a, Body& b) {
  std::vector<ValueId> all = a.captured;
  for (ValueId id : b.captured) {
    if (std::find(all.begin(), all.end(), id) == all.end()) all.push_back(id);
  }
  for (Body* body : {&a, &b}) {
    std::vector<ValueId> inputs;
    for (ValueId id : all) {
      const auto own = std::find(body->captured.begin(), body->captured.end(), id);
      const auto at = static_cast<size_t>(own - body->captured.begin());
      inputs.push_back(own != body->captured.end() ? body->graph->inputs()[at]
                                                   : body->graph->add_value(l.info(id)));
    }
    body->graph->inputs() = std::move(inputs);
  }
  return all;
}

// Turns the body of a scan, whose inputs are states and slices, into one of a loop, whose inputs
// are iteration, condition, states and what the slices are of.
void slice_in_body(const Lowering& l, ir::Graph& body, size_t carried,
                   std::span<const ValueId> whole, std::span<const int64_t> axes,
                   const std::string& name) {
  ir::Value iteration;
  iteration.dtype = DType::kInt64;
  iteration.shape_known = true;
  ir::Value condition = iteration;
  condition.dtype = DType::kBool;
  std::vector<ValueId> inputs = {body.add_value(iteration), body.add_value(condition)};
  const std::vector<ValueId>& before = body.inputs();
  inputs.insert(inputs.end(), before.begin(), before.begin() + static_cast<ptrdiff_t>(carried));
  std::vector<ir::Node> nodes;
  for (size_t i = 0; i < whole.size(); ++i) {
    ir::Value x = l.info(whole[i]);
    x.constant = nullptr;
    inputs.push_back(body.add_value(std::move(x)));
    nodes.push_back({.kind = OpKind::kGather,
                     .name = name,
                     .attrs = GatherAttrs{.axis = static_cast<int>(axes[i])},
                     .inputs = {inputs.back(), inputs[0]},
                     .outputs = {before[carried + i]}});
  }
  inputs.insert(inputs.end(), before.begin() + static_cast<ptrdiff_t>(carried + whole.size()),
                before.end());
  std::move(body.nodes().begin(), body.nodes().end(), std::back_inserter(nodes));
  body.nodes() = std::move(nodes);
  body.outputs().insert(body.outputs().begin(), inputs[1]);
  body.inputs() = std::move(inputs);
}

// The size of one dimension, as int64[].
Result<ValueId> size_along(Lowering& l, ValueId x, int64_t axis, const std::string& name) {
  INFERD_ASSIGN_OR_RETURN(const ValueId shape, l.builder().op(OpKind::kShape, {x}, {}, name));
  return l.builder().op(OpKind::kGather, {shape, scalar_int64(l, axis)}, GatherAttrs{}, name);
}

}  // namespace

Status if_then_else(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId given, l.input_of(node, 0, DType::kBool));
  INFERD_ASSIGN_OR_RETURN(const ValueId condition, as_scalar(l, given, node));
  INFERD_ASSIGN_OR_RETURN(const auto then_graph, body_attr(node, "then_branch"));
  INFERD_ASSIGN_OR_RETURN(const auto else_graph, body_attr(node, "else_branch"));
  INFERD_ASSIGN_OR_RETURN(Body then_body, l.lower_body(*then_graph, {}));
  INFERD_ASSIGN_OR_RETURN(Body else_body, l.lower_body(*else_graph, {}));
  if (then_body.graph->outputs().size() != node.outputs.size() ||
      else_body.graph->outputs().size() != node.outputs.size()) {
    return invalid_argument("its bodies make other outputs than it has");
  }
  std::vector<bool> untyped = then_body.untyped;
  for (size_t i = 0; i < untyped.size(); ++i) untyped[i] = untyped[i] || else_body.untyped[i];
  ir::Node made{.kind = OpKind::kIf,
                .name = node.name,
                .attrs = {},
                .inputs = share_captures(l, then_body, else_body),
                .outputs = {}};
  made.inputs.insert(made.inputs.begin(), condition);
  made.bodies = {then_body.graph, else_body.graph};
  return add_with_bodies(l, node, std::move(made), untyped);
}

Status loop(Lowering& l, const ForeignNode& node) {
  ir::Node made{.kind = OpKind::kLoop, .name = node.name, .attrs = {}, .inputs = {}, .outputs = {}};
  if (l.has(node, 0)) {
    INFERD_ASSIGN_OR_RETURN(const ValueId most, l.input_of(node, 0, DType::kInt64));
    INFERD_ASSIGN_OR_RETURN(made.inputs.emplace_back(), as_scalar(l, most, node));
  } else {
    made.inputs.push_back(scalar_int64(l, std::numeric_limits<int64_t>::max()));
  }
  if (l.has(node, 1)) {
    INFERD_ASSIGN_OR_RETURN(const ValueId condition, l.input_of(node, 1, DType::kBool));
    INFERD_ASSIGN_OR_RETURN(made.inputs.emplace_back(), as_scalar(l, condition, node));
  } else {
    made.inputs.push_back(true_scalar(l));
  }
  std::vector<BodyInput> inputs = {{DType::kInt64, Shape()}, {DType::kBool, Shape()}};
  for (size_t i = 2; i < node.inputs.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(made.inputs.emplace_back(), l.untyped_input(node, i));
    inputs.push_back(carried_like(l, made.inputs.back()));
  }
  INFERD_ASSIGN_OR_RETURN(const auto graph, body_attr(node, "body"));
  INFERD_ASSIGN_OR_RETURN(const Body body, l.lower_body(*graph, inputs));
  const size_t carried = inputs.size() - 2;
  if (body.graph->outputs().size() < 1 + carried) {
    return invalid_argument("its body makes fewer outputs than it carries");
  }
  made.attrs = LoopAttrs{.carried = static_cast<int>(carried),
                         .scanned = static_cast<int>(body.graph->outputs().size() - 1 - carried)};
  made.inputs.insert(made.inputs.end(), body.captured.begin(), body.captured.end());
  made.bodies = {body.graph};
  return add_with_bodies(l, node, std::move(made), body.untyped);
}

Status scan(Lowering& l, const ForeignNode& node) {
  if (node.version < 9) return unimplemented("its form before opset 9, which has a batch");
  INFERD_ASSIGN_OR_RETURN(const auto graph, body_attr(node, "body"));
  const auto scanned = static_cast<size_t>(
      std::clamp<int64_t>(Lowering::int_attr(node, "num_scan_inputs", 0), 0, INT32_MAX));
  if (scanned == 0 || scanned > node.inputs.size()) {
    return invalid_argument("num_scan_inputs does not fit its inputs");
  }
  const size_t carried = node.inputs.size() - scanned;
  for (const char* name : {"scan_output_axes", "scan_input_directions", "scan_output_directions"}) {
    const auto values = Lowering::ints_attr(node, name);
    if (std::any_of(values.begin(), values.end(), [](int64_t v) { return v != 0; })) {
      return unimplemented(std::string(name) + " other than 0");
    }
  }
  std::vector<int64_t> axes = Lowering::ints_attr(node, "scan_input_axes");
  axes.resize(scanned, 0);

  // A loop that takes one slice of each scanned input in each iteration.
  std::vector<ValueId> states;
  std::vector<ValueId> whole;
  std::vector<BodyInput> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, i));
    if (i < carried) {
      states.push_back(x);
      inputs.push_back(carried_like(l, x));
      continue;
    }
    int64_t& axis = axes[i - carried];
    INFERD_ASSIGN_OR_RETURN(axis, l.axis(axis, x));
    BodyInput slice = input_like(l, x);
    slice.shape = Shape();
    for (int d = 0; d < l.info(x).shape.rank(); ++d) {
      if (d != axis) slice.shape.push_back(l.info(x).shape[d]);
    }
    whole.push_back(x);
    inputs.push_back(std::move(slice));
  }
  INFERD_ASSIGN_OR_RETURN(Body body, l.lower_body(*graph, inputs));
  const std::vector<bool> untyped = [&] {
    std::vector<bool> all = {false};
    all.insert(all.end(), body.untyped.begin(), body.untyped.end());
    return all;
  }();
  if (body.graph->outputs().size() < carried) {
    return invalid_argument("its body makes fewer outputs than it carries");
  }
  slice_in_body(l, *body.graph, carried, whole, axes, node.name);

  ir::Node made{.kind = OpKind::kLoop, .name = node.name, .attrs = {}, .inputs = {}, .outputs = {}};
  INFERD_ASSIGN_OR_RETURN(made.inputs.emplace_back(), size_along(l, whole[0], axes[0], node.name));
  made.inputs.push_back(true_scalar(l));
  made.inputs.insert(made.inputs.end(), states.begin(), states.end());
  made.inputs.insert(made.inputs.end(), whole.begin(), whole.end());
  made.inputs.insert(made.inputs.end(), body.captured.begin(), body.captured.end());
  made.attrs = LoopAttrs{.carried = static_cast<int>(carried),
                         .scanned = static_cast<int>(body.graph->outputs().size() - 1 - carried)};
  made.bodies = {body.graph};
  return add_with_bodies(l, node, std::move(made), untyped);
}

}  // namespace inferd::import::onnx_lower

// SPDX-License-Identifier: Apache-2.0
//
// Operators that run other graphs of the file. Those take nothing but their inputs.
#include "engine/import/control.h"

#include <array>
#include <limits>

#include "engine/import/tflite/lower.h"

namespace inferd::import::tflite_lower {
namespace {

Result<std::vector<ValueId>> inputs_from(Lowering& l, const ForeignNode& node, size_t first) {
  std::vector<ValueId> ids;
  for (size_t i = first; i < node.inputs.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(ids.emplace_back(), l.untyped_input(node, i));
  }
  return ids;
}

Status check_outputs(const ForeignNode& node, const ForeignGraph& body) {
  if (body.outputs.size() == node.outputs.size()) return ok_status();
  return invalid_argument("has " + std::to_string(node.outputs.size()) +
                          " outputs, its graph makes " + std::to_string(body.outputs.size()));
}

// The graph stands in the place of the operator.
Status call(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto callee, body_attr(node, "callee"));
  INFERD_RETURN_IF_ERROR(check_outputs(node, *callee));
  INFERD_ASSIGN_OR_RETURN(const auto inputs, inputs_from(l, node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto outputs, l.inline_body(*callee, inputs));
  for (size_t i = 0; i < outputs.size(); ++i) {
    INFERD_RETURN_IF_ERROR(l.set_output(node, i, outputs[i]));
  }
  return ok_status();
}

Status if_then_else(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId given, l.input_of(node, 0, DType::kBool));
  ir::Node made{.kind = OpKind::kIf, .name = node.name, .attrs = {}, .inputs = {}, .outputs = {}};
  INFERD_ASSIGN_OR_RETURN(made.inputs.emplace_back(), as_scalar(l, given, node));
  INFERD_ASSIGN_OR_RETURN(const auto taken, inputs_from(l, node, 1));
  std::vector<Lowering::BodyInput> inputs;
  inputs.reserve(taken.size());
  for (const ValueId id : taken) inputs.push_back(input_like(l, id));
  std::vector<bool> untyped(node.outputs.size(), false);
  for (const char* name : {"then_branch", "else_branch"}) {
    INFERD_ASSIGN_OR_RETURN(const auto graph, body_attr(node, name));
    INFERD_RETURN_IF_ERROR(check_outputs(node, *graph));
    INFERD_ASSIGN_OR_RETURN(const auto body, l.lower_body(*graph, inputs));
    for (size_t i = 0; i < body.untyped.size(); ++i) untyped[i] = untyped[i] || body.untyped[i];
    made.bodies.push_back(body.graph);
  }
  made.inputs.insert(made.inputs.end(), taken.begin(), taken.end());
  return add_with_bodies(l, node, std::move(made), untyped);
}

ForeignNode call_of(const ForeignNode& node, std::shared_ptr<const ForeignGraph> callee) {
  ForeignNode made;
  made.op = "CALL";
  made.name = node.name;
  made.attrs["callee"] = std::move(callee);
  return made;
}

// What ir repeats: the body, then the condition for the next time.
ForeignGraph repeated(const ForeignNode& node, std::shared_ptr<const ForeignGraph> body,
                      std::shared_ptr<const ForeignGraph> condition) {
  ForeignGraph graph;
  graph.format = body->format;
  graph.is_closed = true;
  graph.inputs = {"iteration", "condition"};
  graph.outputs = {"again"};
  ForeignNode step = call_of(node, std::move(body));
  ForeignNode test = call_of(node, std::move(condition));
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    step.inputs.push_back("before " + std::to_string(i));
    step.outputs.push_back("after " + std::to_string(i));
  }
  test.inputs = step.outputs;
  test.outputs = graph.outputs;
  graph.inputs.insert(graph.inputs.end(), step.inputs.begin(), step.inputs.end());
  graph.outputs.insert(graph.outputs.end(), step.outputs.begin(), step.outputs.end());
  graph.nodes = {std::move(step), std::move(test)};
  return graph;
}

Status repeat_while(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto condition, body_attr(node, "condition"));
  INFERD_ASSIGN_OR_RETURN(const auto body, body_attr(node, "body"));
  INFERD_RETURN_IF_ERROR(check_outputs(node, *body));
  if (node.inputs.size() != node.outputs.size() || condition->outputs.size() != 1) {
    return invalid_argument("has " + std::to_string(node.inputs.size()) + " inputs, " +
                            std::to_string(node.outputs.size()) + " outputs and " +
                            std::to_string(condition->outputs.size()) + " conditions");
  }
  INFERD_ASSIGN_OR_RETURN(const auto carried, inputs_from(l, node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto holds, l.inline_body(*condition, carried));
  ir::Node made{.kind = OpKind::kLoop, .name = node.name, .attrs = {}, .inputs = {}, .outputs = {}};
  made.inputs.push_back(scalar_int64(l, std::numeric_limits<int64_t>::max()));
  INFERD_ASSIGN_OR_RETURN(made.inputs.emplace_back(), as_scalar(l, holds[0], node));
  made.inputs.insert(made.inputs.end(), carried.begin(), carried.end());
  std::vector<Lowering::BodyInput> inputs = {{DType::kInt64, Shape()}, {DType::kBool, Shape()}};
  for (const ValueId id : carried) inputs.push_back(carried_like(l, id));
  const ForeignGraph graph = repeated(node, body, condition);
  INFERD_ASSIGN_OR_RETURN(const auto lowered, l.lower_body(graph, inputs));
  made.attrs = LoopAttrs{.carried = static_cast<int>(carried.size()), .scanned = 0};
  made.bodies = {lowered.graph};
  return add_with_bodies(l, node, std::move(made), lowered.untyped);
}

// What stands for its input: a variable that is read (variables.h), or sparse data, which the
// reader has made dense.
Status same(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  return l.set_output(node, 0, x);
}

const Row kRows[] = {
    {"", "CALL", call},          {"", "DENSIFY", same},       {"", "IF", if_then_else},
    {"", "READ_VARIABLE", same}, {"", "WHILE", repeat_while},
};

}  // namespace

std::span<const Row> control_rows() { return kRows; }

}  // namespace inferd::import::tflite_lower

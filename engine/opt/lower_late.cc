// SPDX-License-Identifier: Apache-2.0
//
// Late operators (ir/late.h) become what they stand for once enough is known of their inputs.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "engine/ir/late.h"
#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

bool is_late(const ir::Node& node) { return node.kind == OpKind::kLate; }

// The types of what it makes are known only once something late has been lowered.
bool has_late(const ir::Node& node) {
  return is_late(node) || std::ranges::any_of(node.bodies, [](const auto& body) {
           return std::ranges::any_of(body->nodes(), has_late);
         });
}

void add(std::vector<UnsupportedOp>* list, UnsupportedOp op) {
  const auto same = [&](const UnsupportedOp& other) {
    return other.op == op.op && other.node == op.node;
  };
  if (std::ranges::none_of(*list, same)) list->push_back(std::move(op));
}

}  // namespace

Result<bool> lower_late(ir::Graph& graph, const PassContext& context) {
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), is_late)) return false;
  std::vector<ir::Node> before = std::move(graph.nodes());
  graph.nodes().clear();
  ir::Builder builder(graph);
  std::unordered_map<ir::ValueId, ir::ValueId> replaced;
  const auto current = [&](ir::ValueId id) {
    const auto it = replaced.find(id);
    return it == replaced.end() ? id : it->second;
  };
  std::unordered_set<ir::ValueId> untyped;
  const auto keep = [&](ir::Node& node) {
    if (has_late(node)) untyped.insert(node.outputs.begin(), node.outputs.end());
    graph.add_node(std::move(node));
  };
  for (ir::Node& node : before) {
    for (ir::ValueId& id : node.inputs) id = current(id);
    const bool waits =
        std::ranges::any_of(node.inputs, [&](ir::ValueId id) { return untyped.contains(id); });
    if (!is_late(node) || waits) {
      keep(node);
      continue;
    }
    const size_t mark = graph.nodes().size();
    const Result<std::vector<ir::ValueId>> made = node.late->lower(builder, node.inputs);
    if (made.ok()) {
      for (size_t i = 0; i < node.outputs.size(); ++i) replaced[node.outputs[i]] = (*made)[i];
      continue;
    }
    const bool lacking = made.status().code() == StatusCode::kUnimplemented;
    if (lacking && context.unsupported != nullptr) {
      add(context.unsupported, {std::string(node.late->op()), node.name, made.status().message()});
    } else if (made.status().code() != StatusCode::kFailedPrecondition) {
      return made.status().with_context(std::string(node.late->op()) + " '" + node.name + "'");
    }
    graph.nodes().resize(mark);
    keep(node);
  }
  for (ir::ValueId& id : graph.outputs()) id = current(id);
  return !replaced.empty();
}

}  // namespace inferd::opt

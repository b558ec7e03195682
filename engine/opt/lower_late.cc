// SPDX-License-Identifier: Apache-2.0
//
// Late operators (ir/late.h) become what they stand for once enough is known of their inputs.
#include <algorithm>
#include <unordered_map>

#include "engine/ir/late.h"
#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

bool is_late(const ir::Node& node) { return node.kind == OpKind::kLate; }

}  // namespace

Result<bool> lower_late(ir::Graph& graph, const PassContext&) {
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), is_late)) return false;
  std::vector<ir::Node> before = std::move(graph.nodes());
  graph.nodes().clear();
  ir::Builder builder(graph);
  std::unordered_map<ir::ValueId, ir::ValueId> replaced;
  const auto current = [&](ir::ValueId id) {
    const auto it = replaced.find(id);
    return it == replaced.end() ? id : it->second;
  };
  for (ir::Node& node : before) {
    for (ir::ValueId& id : node.inputs) id = current(id);
    if (!is_late(node)) {
      graph.add_node(std::move(node));
      continue;
    }
    const size_t mark = graph.nodes().size();
    const Result<std::vector<ir::ValueId>> made = node.late->lower(builder, node.inputs);
    if (made.ok()) {
      for (size_t i = 0; i < node.outputs.size(); ++i) replaced[node.outputs[i]] = (*made)[i];
      continue;
    }
    if (made.status().code() != StatusCode::kFailedPrecondition) {
      return made.status().with_context(std::string(node.late->op()) + " '" + node.name + "'");
    }
    graph.nodes().resize(mark);
    graph.add_node(std::move(node));
  }
  for (ir::ValueId& id : graph.outputs()) id = current(id);
  return !replaced.empty();
}

}  // namespace inferd::opt

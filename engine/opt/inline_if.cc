// SPDX-License-Identifier: Apache-2.0
//
// An if whose condition is a constant becomes the body that runs.
#include <algorithm>
#include <unordered_map>

#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

bool has_constant_condition(const ir::Graph& graph, const ir::Node& node) {
  return node.kind == OpKind::kIf && graph.value(node.inputs[0]).is_constant() &&
         graph.value(node.inputs[0]).constant->size() == 1;
}

// Copies the nodes of `body` behind those of `graph`, with `inputs` in place of its inputs. Returns
// its outputs.
std::vector<ir::ValueId> append(const ir::Graph& body, std::span<const ir::ValueId> inputs,
                                ir::Graph& graph) {
  std::unordered_map<ir::ValueId, ir::ValueId> ids;
  for (size_t i = 0; i < inputs.size(); ++i) ids[body.inputs()[i]] = inputs[i];
  const auto copied = [&](ir::ValueId id) {
    const auto [it, is_new] = ids.emplace(id, ir::kNoValue);
    if (is_new) it->second = graph.add_value(body.value(id));
    return it->second;
  };
  for (ir::Node node : body.nodes()) {
    for (ir::ValueId& id : node.inputs) id = copied(id);
    for (ir::ValueId& id : node.outputs) id = copied(id);
    graph.add_node(std::move(node));
  }
  std::vector<ir::ValueId> outputs;
  for (ir::ValueId id : body.outputs()) outputs.push_back(copied(id));
  return outputs;
}

}  // namespace

Result<bool> inline_if(ir::Graph& graph, const PassContext&) {
  const auto constant = [&](const ir::Node& node) { return has_constant_condition(graph, node); };
  if (std::none_of(graph.nodes().begin(), graph.nodes().end(), constant)) return false;
  std::vector<ir::Node> before = std::move(graph.nodes());
  graph.nodes().clear();
  std::unordered_map<ir::ValueId, ir::ValueId> replaced;
  const auto current = [&](ir::ValueId id) {
    const auto it = replaced.find(id);
    return it == replaced.end() ? id : it->second;
  };
  for (ir::Node& node : before) {
    for (ir::ValueId& id : node.inputs) id = current(id);
    if (!constant(node)) {
      graph.add_node(std::move(node));
      continue;
    }
    const bool holds = graph.value(node.inputs[0]).constant->bytes()[0] != std::byte{0};
    const std::vector<ir::ValueId> outputs =
        append(*node.bodies[holds ? 0 : 1], std::span(node.inputs).subspan(1), graph);
    for (size_t i = 0; i < outputs.size(); ++i) replaced[node.outputs[i]] = outputs[i];
  }
  for (ir::ValueId& id : graph.outputs()) id = current(id);
  return true;
}

}  // namespace inferd::opt

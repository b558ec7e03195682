// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/integer_inputs.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace inferd::quantize {
namespace {

// The only node that reads `id`, if it rounds it; else end().
std::vector<ir::Node>::iterator rounding(ir::Graph& graph, ir::ValueId id) {
  const auto reads = [id](const ir::Node& node) {
    return std::find(node.inputs.begin(), node.inputs.end(), id) != node.inputs.end();
  };
  auto& nodes = graph.nodes();
  const auto first = std::find_if(nodes.begin(), nodes.end(), reads);
  if (first == nodes.end() || first->kind != OpKind::kQuantize) return nodes.end();
  return std::find_if(first + 1, nodes.end(), reads) == nodes.end() ? first : nodes.end();
}

}  // namespace

void take_integers(ir::Graph& graph) {
  const auto& outputs = graph.outputs();
  for (ir::ValueId& input : graph.inputs()) {
    const auto node = rounding(graph, input);
    if (node == graph.nodes().end() ||
        std::find(outputs.begin(), outputs.end(), input) != outputs.end()) {
      continue;
    }
    const ir::ValueId rounded = node->outputs[0];
    graph.value(rounded).name = std::exchange(graph.value(input).name, "");
    input = rounded;
    graph.nodes().erase(node);
  }
}

}  // namespace inferd::quantize

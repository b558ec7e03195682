// SPDX-License-Identifier: Apache-2.0
//
// Two nodes with the same operator, attributes, inputs and output type compute the same: one of
// them is enough.
#include <algorithm>
#include <map>

#include "engine/opt/pass_list.h"

namespace inferd::opt {

Result<bool> merge_common(ir::Graph& graph, const PassContext&) {
  bool changed = false;
  std::map<std::pair<OpKind, std::vector<ir::ValueId>>, std::vector<size_t>> seen;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const ir::Node& node = graph.nodes()[n];
    std::vector<size_t>& twins = seen[{node.kind, node.inputs}];
    const auto twin = std::find_if(twins.begin(), twins.end(), [&](size_t t) {
      const ir::Node& other = graph.nodes()[t];
      if (other.attrs != node.attrs || other.bodies != node.bodies || other.late != node.late) {
        return false;
      }
      return std::equal(other.outputs.begin(), other.outputs.end(), node.outputs.begin(),
                        node.outputs.end(), [&](ir::ValueId a, ir::ValueId b) {
                          return graph.value(a).dtype == graph.value(b).dtype &&
                                 graph.value(a).quantization == graph.value(b).quantization;
                        });
    });
    if (twin == twins.end()) {
      twins.push_back(n);
      continue;
    }
    const std::vector<ir::ValueId> mine = node.outputs;
    const std::vector<ir::ValueId> theirs = graph.nodes()[*twin].outputs;
    const auto& outputs = graph.outputs();
    const bool named = std::any_of(mine.begin(), mine.end(), [&](ir::ValueId id) {
      return std::find(outputs.begin(), outputs.end(), id) != outputs.end();
    });
    if (named) continue;  // a graph output keeps its own value
    for (size_t i = 0; i < mine.size(); ++i) graph.replace_uses(mine[i], theirs[i]);
    changed = true;
  }
  return changed;
}

}  // namespace inferd::opt

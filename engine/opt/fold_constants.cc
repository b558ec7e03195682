// SPDX-License-Identifier: Apache-2.0
//
// Nodes whose inputs are all constants become constants, and so does the shape of a value whose
// shape is known.
#include <algorithm>

#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

bool can_fold(const ir::Graph& graph, const ir::Node& node, int64_t max_bytes) {
  for (ir::ValueId id : node.outputs) {
    const ir::Value& y = graph.value(id);
    if (!y.shape_known || !y.shape.is_static()) return false;
    const Result<int64_t> bytes = checked_bytes(y.dtype, y.shape);
    if (!bytes.ok() || *bytes > max_bytes) return false;
  }
  if (node.kind == OpKind::kShape) {
    const ir::Value& x = graph.value(node.inputs[0]);
    return x.shape_known && x.shape.is_static();
  }
  return !node.inputs.empty() &&
         std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](ir::ValueId id) { return graph.value(id).is_constant(); });
}

}  // namespace

Result<bool> fold_constants(ir::Graph& graph, const PassContext& context) {
  std::vector<ir::Node> kept;
  bool changed = false;
  for (ir::Node& node : graph.nodes()) {
    if (can_fold(graph, node, context.max_folded_bytes)) {
      Result<std::vector<std::shared_ptr<const Constant>>> constants =
          context.evaluate(graph, node);
      if (constants.ok()) {
        for (size_t i = 0; i < node.outputs.size(); ++i) {
          graph.value(node.outputs[i]).constant = (*constants)[i];
        }
        changed = true;
        continue;
      }
      if (constants.status().code() != StatusCode::kUnimplemented) return constants.status();
    }
    kept.push_back(std::move(node));
  }
  graph.nodes() = std::move(kept);
  return changed;
}

}  // namespace inferd::opt

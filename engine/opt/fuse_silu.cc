// SPDX-License-Identifier: Apache-2.0
//
// x * sigmoid(x) is one operator (float32; quantized values round between the two).
#include "engine/opt/pass_list.h"

namespace inferd::opt {

Result<bool> fuse_silu(ir::Graph& graph, const PassContext&) {
  const std::vector<int> producers = graph.producers();
  bool changed = false;
  for (ir::Node& node : graph.nodes()) {
    const auto* mul = std::get_if<BinaryAttrs>(&node.attrs);
    if (mul == nullptr || mul->kind != BinaryKind::kMul || !mul->activation.none() ||
        graph.value(node.outputs[0]).dtype != DType::kFloat32) {
      continue;
    }
    for (size_t side : {size_t{0}, size_t{1}}) {
      const int p = producers[static_cast<size_t>(node.inputs[side])];
      if (p < 0) continue;
      const ir::Node& gate = graph.nodes()[static_cast<size_t>(p)];
      const auto* unary = std::get_if<UnaryAttrs>(&gate.attrs);
      if (unary == nullptr || unary->kind != UnaryKind::kSigmoid ||
          gate.inputs[0] != node.inputs[1 - side]) {
        continue;
      }
      node.kind = OpKind::kUnary;
      node.inputs = {gate.inputs[0]};
      node.attrs = UnaryAttrs{UnaryKind::kSilu};
      changed = true;
      break;
    }
  }
  return changed;
}

}  // namespace inferd::opt

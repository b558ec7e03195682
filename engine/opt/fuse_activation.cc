// SPDX-License-Identifier: Apache-2.0
//
// A clamp after an operator that can clamp by itself goes into it. For quantized values only when
// the clamp keeps the quantization: then clamping stored values is the same function.
#include <algorithm>

#include "engine/ir/activation.h"
#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

// The clamp `second` after the clamp `first`.
Activation then(const Activation& first, const Activation& second) {
  return {std::clamp(first.min, second.min, second.max),
          std::clamp(first.max, second.min, second.max)};
}

}  // namespace

Result<bool> fuse_activation(ir::Graph& graph, const PassContext&) {
  const std::vector<int> producers = graph.producers();
  const std::vector<int> uses = graph.use_counts();
  std::vector<bool> fused(graph.nodes().size(), false);
  bool changed = false;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    ir::Node& clamp = graph.nodes()[n];
    if (clamp.kind != OpKind::kClamp) continue;
    const ir::ValueId x = clamp.inputs[0];
    const ir::ValueId y = clamp.outputs[0];
    const int p = producers[static_cast<size_t>(x)];
    if (p < 0 || uses[static_cast<size_t>(x)] != 1 || fused[static_cast<size_t>(p)]) continue;
    ir::Node& producer = graph.nodes()[static_cast<size_t>(p)];
    Activation* activation = ir::activation_of(producer);
    const ir::Value& vx = graph.value(x);
    const ir::Value& vy = graph.value(y);
    const Activation& range = std::get<ClampAttrs>(clamp.attrs).range;
    if (activation == nullptr || vx.dtype != vy.dtype || vx.quantization != vy.quantization)
      continue;
    const bool number = vx.dtype == DType::kFloat32 || !vx.quantization.empty();
    if (!number || !(range.min <= range.max) || !(activation->min <= activation->max)) continue;
    *activation = then(*activation, range);
    // The operator now makes the clamp's output; the clamp makes nothing and goes.
    producer.outputs[0] = y;
    fused[static_cast<size_t>(p)] = true;
    fused[n] = true;
    clamp.outputs.clear();
    changed = true;
  }
  if (changed) {
    std::erase_if(graph.nodes(), [](const ir::Node& node) { return node.outputs.empty(); });
  }
  return changed;
}

}  // namespace inferd::opt

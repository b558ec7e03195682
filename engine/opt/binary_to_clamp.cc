// SPDX-License-Identifier: Apache-2.0
//
// The maximum or minimum of a float32 value and one constant number is a clamp, which the operator
// before may take over:
//   max(x, low)  -> clamp(x, low, inf)
//   min(x, high) -> clamp(x, -inf, high)
#include <cmath>
#include <cstring>

#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

bool convert(const ir::Graph& graph, ir::Node& node) {
  const auto* binary = std::get_if<BinaryAttrs>(&node.attrs);
  if (binary == nullptr || !binary->activation.none()) return false;
  const bool low = binary->kind == BinaryKind::kMax;
  if (!low && binary->kind != BinaryKind::kMin) return false;
  const ir::Value& y = graph.value(node.outputs[0]);
  for (size_t side : {size_t{0}, size_t{1}}) {
    const ir::Value& x = graph.value(node.inputs[1 - side]);
    const ir::Value& bound = graph.value(node.inputs[side]);
    const bool number =
        bound.is_constant() && bound.dtype == DType::kFloat32 && bound.shape.elements() == 1;
    // A bound of more dimensions gives them to the output.
    if (!number || x.dtype != DType::kFloat32 || !x.shape_known || !(x.shape == y.shape)) continue;
    float value = 0.F;
    std::memcpy(&value, bound.constant->bytes().data(), sizeof value);
    if (std::isnan(value)) return false;
    node.kind = OpKind::kClamp;
    node.attrs = ClampAttrs{low ? Activation{value, kInf} : Activation{-kInf, value}};
    node.inputs = {node.inputs[1 - side]};
    return true;
  }
  return false;
}

}  // namespace

Result<bool> binary_to_clamp(ir::Graph& graph, const PassContext&) {
  bool changed = false;
  for (ir::Node& node : graph.nodes()) changed |= convert(graph, node);
  return changed;
}

}  // namespace inferd::opt

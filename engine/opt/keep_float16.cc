// SPDX-License-Identifier: Apache-2.0
//
// Weights that the file holds as float16 and widens before their only kind of use, a float32
// operator, stay float16: half the memory, and the operator widens them as it reads them. Between
// the constant and the operator there may be transposes, reshapes and slices:
//   move(widened(constant))              -> widened(moved constant)
//   operator(x, widened(constant), ...)  -> operator(x, constant, ...)
// What is left of widened constants is folded later, as any other node of constants.
#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

bool takes_half_weights(OpKind kind) {
  return kind == OpKind::kConv2d || kind == OpKind::kDepthwiseConv2d ||
         kind == OpKind::kConvTranspose2d || kind == OpKind::kFullyConnected;
}

bool moves_one_input(OpKind kind) {
  return kind == OpKind::kTranspose || kind == OpKind::kReshape || kind == OpKind::kSlice;
}

// The float16 constant that `id` is the float32 form of; kNoValue when it is none.
ir::ValueId half_constant(const ir::Graph& graph, const std::vector<int>& producers,
                          ir::ValueId id) {
  const int p = producers[static_cast<size_t>(id)];
  if (p < 0 || graph.value(id).dtype != DType::kFloat32) return ir::kNoValue;
  const ir::Node& node = graph.nodes()[static_cast<size_t>(p)];
  if (node.kind != OpKind::kDequantize && node.kind != OpKind::kCast) return ir::kNoValue;
  const ir::Value& x = graph.value(node.inputs[0]);
  return x.is_constant() && x.dtype == DType::kFloat16 ? node.inputs[0] : ir::kNoValue;
}

// Makes graph.nodes()[n], a move of widened `half`, the widening of what it moves `half` to.
Result<bool> move_half(ir::Graph& graph, const PassContext& context, size_t n, ir::ValueId half) {
  ir::Node move = graph.nodes()[n];
  ir::Value moved = graph.value(move.outputs[0]);
  if (move.inputs.size() != 1 || !moved.shape_known || !moved.shape.is_static()) return false;
  moved.name = graph.value(half).name;
  moved.dtype = DType::kFloat16;
  const ir::ValueId id = graph.add_value(std::move(moved));
  const std::vector<ir::ValueId> outputs = move.outputs;
  move.inputs = {half};
  move.outputs = {id};
  INFERD_ASSIGN_OR_RETURN(const auto made, context.evaluate(graph, move));
  graph.value(id).constant = made[0];
  graph.nodes()[n] = {OpKind::kDequantize, move.name, {}, {id}, outputs};
  return true;
}

}  // namespace

Result<bool> keep_float16(ir::Graph& graph, const PassContext& context) {
  const std::vector<int> producers = graph.producers();
  bool changed = false;
  for (size_t n = 0; n < graph.nodes().size(); ++n) {
    const OpKind kind = graph.nodes()[n].kind;
    const bool moves = moves_one_input(kind);
    if (!moves && !takes_half_weights(kind)) continue;
    const ir::ValueId half =
        half_constant(graph, producers, graph.nodes()[n].inputs[moves ? 0 : 1]);
    if (half == ir::kNoValue) continue;
    if (moves) {
      INFERD_ASSIGN_OR_RETURN(const bool moved, move_half(graph, context, n, half));
      changed |= moved;
    } else if (graph.value(graph.nodes()[n].inputs[0]).dtype == DType::kFloat32) {
      graph.nodes()[n].inputs[1] = half;
      changed = true;
    }
  }
  return changed;
}

}  // namespace inferd::opt

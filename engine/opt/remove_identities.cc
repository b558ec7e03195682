// SPDX-License-Identifier: Apache-2.0
//
// Nodes that give back their input are taken out, and chains that amount to one node become one:
// reshape of reshape, transpose of transpose, quantize of dequantize. A transpose that only moves
// dimensions of size 1 is a reshape.
#include <algorithm>

#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

bool is_static(const ir::Value& v) { return v.shape_known && v.shape.is_static(); }

bool same_shape(const ir::Value& a, const ir::Value& b) {
  return is_static(a) && is_static(b) && a.shape == b.shape;
}

bool same_type(const ir::Value& a, const ir::Value& b) {
  return a.dtype == b.dtype && a.quantization == b.quantization;
}

bool is_identity(const ir::Graph& graph, const ir::Node& node) {
  if (node.inputs.empty() || node.outputs.size() != 1) return false;
  const ir::Value& x = graph.value(node.inputs[0]);
  const ir::Value& y = graph.value(node.outputs[0]);
  switch (node.kind) {
    case OpKind::kReshape:
    case OpKind::kExpand:
    case OpKind::kSlice:
    case OpKind::kTile:
    case OpKind::kPad: {
      const auto* slice = std::get_if<SliceAttrs>(&node.attrs);
      const bool forward = slice == nullptr || std::all_of(slice->step.begin(), slice->step.end(),
                                                           [](int64_t step) { return step > 0; });
      return same_shape(x, y) && same_type(x, y) && forward;
    }
    case OpKind::kTranspose: {
      const auto& perm = std::get<TransposeAttrs>(node.attrs).perm;
      return std::is_sorted(perm.begin(), perm.end());
    }
    case OpKind::kConcat:
      return node.inputs.size() == 1;
    case OpKind::kClamp:
      return std::get<ClampAttrs>(node.attrs).range.none() && same_type(x, y);
    case OpKind::kCast:
    case OpKind::kRequantize:
      return same_type(x, y);
    default:
      return false;
  }
}

// perm of `transpose` moves only dimensions of size 1 past others.
bool moves_only_ones(const Shape& shape, const std::vector<int>& perm) {
  int last = -1;
  for (int axis : perm) {
    if (shape[axis] == 1) continue;
    if (axis < last) return false;
    last = axis;
  }
  return true;
}

// Looks through the node that makes this one's input. True when `node` was rewritten.
bool merge_with_producer(ir::Graph& graph, ir::Node& node, const std::vector<int>& producers) {
  if (node.inputs.empty()) return false;
  const int p = producers[static_cast<size_t>(node.inputs[0])];
  if (p < 0) return false;
  const ir::Node& before = graph.nodes()[static_cast<size_t>(p)];
  const ir::Value& y = graph.value(node.outputs[0]);
  if (node.kind == OpKind::kReshape && before.kind == OpKind::kReshape && is_static(y)) {
    node.inputs = {before.inputs[0]};
    node.attrs = ReshapeAttrs{{y.shape.begin(), y.shape.end()}, true};
    return true;
  }
  if (node.kind == OpKind::kTranspose && before.kind == OpKind::kTranspose) {
    const auto& first = std::get<TransposeAttrs>(before.attrs).perm;
    std::vector<int> perm;
    for (int axis : std::get<TransposeAttrs>(node.attrs).perm)
      perm.push_back(first[static_cast<size_t>(axis)]);
    node.inputs = {before.inputs[0]};
    node.attrs = TransposeAttrs{std::move(perm)};
    return true;
  }
  if (node.kind == OpKind::kQuantize && before.kind == OpKind::kDequantize) {
    const ir::Value& x = graph.value(before.inputs[0]);
    if (x.quantization.empty() || x.quantization.per_channel() || y.quantization.per_channel() ||
        dtype_size(x.dtype) != 1) {
      return false;
    }
    node.kind = OpKind::kRequantize;
    node.attrs = RequantizeAttrs{};
    node.inputs = {before.inputs[0]};
    return true;
  }
  return false;
}

bool transpose_to_reshape(const ir::Graph& graph, ir::Node& node) {
  if (node.kind != OpKind::kTranspose) return false;
  const ir::Value& x = graph.value(node.inputs[0]);
  const ir::Value& y = graph.value(node.outputs[0]);
  const auto& perm = std::get<TransposeAttrs>(node.attrs).perm;
  // Dimension 0 stays a batch that can be opened: a reshape would fix it.
  if (!is_static(x) || x.quantization.per_channel() || !moves_only_ones(x.shape, perm))
    return false;
  if (perm.empty() || perm[0] != 0 || y.shape.elements() == 0) return false;
  std::vector<int64_t> dims(y.shape.begin(), y.shape.end());
  dims[0] = 0;  // copies the batch
  node.kind = OpKind::kReshape;
  node.attrs = ReshapeAttrs{std::move(dims), false};
  return true;
}

}  // namespace

Result<bool> remove_identities(ir::Graph& graph, const PassContext&) {
  bool changed = false;
  const std::vector<int> producers = graph.producers();
  for (ir::Node& node : graph.nodes()) {
    changed |= merge_with_producer(graph, node, producers);
    changed |= transpose_to_reshape(graph, node);
  }
  for (const ir::Node& node : graph.nodes()) {
    if (!is_identity(graph, node)) continue;
    const ir::ValueId x = node.inputs[0];
    const ir::ValueId y = node.outputs[0];
    const auto& outputs = graph.outputs();
    // An output keeps its own name and place; the node stays when it is all that makes it.
    if (std::find(outputs.begin(), outputs.end(), y) != outputs.end()) continue;
    graph.replace_uses(y, x);
    changed = true;
  }
  if (changed) graph.remove_dead();
  return changed;
}

}  // namespace inferd::opt

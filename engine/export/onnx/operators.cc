// SPDX-License-Identifier: Apache-2.0
#include "engine/export/onnx/operators.h"

#include <algorithm>
#include <array>

namespace inferd::exporter {
namespace {

constexpr std::array<size_t, 4> kFirstOrder = {0, 3, 1, 2};

// Clip, or Relu where that says the same: runtimes know it better.
void emit_clamp(Emit& e, const std::string& name, const std::string& from, const std::string& to,
                const Activation& range) {
  if (range == Activation{0.F, kInf}) {
    e.document.node("Relu", name, {from}, to);
    return;
  }
  const std::string min = range.min == -kInf ? "" : e.document.scalar(range.min);
  std::vector<std::string> inputs = {from, min};
  if (range.max != kInf) inputs.push_back(e.document.scalar(range.max));
  e.document.node("Clip", name, inputs, to);
}

}  // namespace

Layout layout_of(const Emit& e, const ir::Node& node) {
  bool first = false;
  for (const ir::ValueId id : node.inputs) {
    const bool constant = e.tensors.is_constant(id);
    if (e.tensors.rank(id) > 4 || (!constant && e.tensors.rank(id) != 4)) return Layout::kPlain;
    first |= !constant && e.tensors.only_channels_first(id);
  }
  return first ? Layout::kChannelsFirst : Layout::kPlain;
}

int64_t axis_in(Layout layout, int axis) {
  if (layout == Layout::kPlain) return axis;
  const auto at = std::ranges::find(kFirstOrder, static_cast<size_t>(axis));
  return at - kFirstOrder.begin();
}

std::vector<int64_t> reordered(Layout layout, std::span<const int64_t> values) {
  if (layout == Layout::kPlain) return {values.begin(), values.end()};
  std::vector<int64_t> result;
  for (const size_t d : kFirstOrder) result.push_back(values[d]);
  return result;
}

NodeBuilder emit(Emit& e, const ir::Node& node, const char* op, std::span<const std::string> inputs,
                 Layout layout, const Activation& activation) {
  const std::string output = e.tensors.define(node.outputs[0], layout);
  if (activation.none()) return e.document.node(op, node.name, inputs, output);
  const std::string inner = e.document.inner(output + "/unclamped");
  const NodeBuilder builder = e.document.node(op, node.name, inputs, inner);
  emit_clamp(e, node.name + "/clamp", inner, output, activation);
  return builder;
}

NodeBuilder emit_inner(Emit& e, const ir::Node& node, const char* op,
                       std::initializer_list<std::string> inputs, std::string* result) {
  *result = e.document.inner(node.name + "/" + op);
  return e.document.node(op, node.name + "/" + op, inputs, *result);
}

Status write_clamp(Emit& e, const ir::Node& node) {
  const Layout layout = layout_of(e, node);
  const std::string x = e.tensors.name(node.inputs[0], layout);
  emit_clamp(e, node.name, x, e.tensors.define(node.outputs[0], layout),
             std::get<ClampAttrs>(node.attrs).range);
  return ok_status();
}

}  // namespace inferd::exporter

// SPDX-License-Identifier: Apache-2.0
#include "engine/import/onnx/upgrade.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "engine/import/onnx/lower.h"

namespace inferd::import {
namespace {

constexpr std::array<std::string_view, 11> kBroadcasting = {
    "Add", "And", "Div", "Equal", "Greater", "Less", "Mul", "Or", "Pow", "Sub", "Xor"};

// The axis of its first input under which a node's second input begins, if it says one.
std::optional<int64_t> broadcast_axis(const ForeignNode& node) {
  if (!node.domain.empty() || node.inputs.size() != 2) return std::nullopt;
  if (node.op == "PRelu") return 1;  // a slope for each channel
  const bool known =
      std::find(kBroadcasting.begin(), kBroadcasting.end(), node.op) != kBroadcasting.end();
  if (!known || !node.attrs.contains("axis") || Lowering::int_attr(node, "broadcast", 0) == 0) {
    return std::nullopt;
  }
  return Lowering::int_attr(node, "axis", 0);
}

void rename(ForeignNode& node, const char* op, const char* from, const char* to) {
  if (node.op != op || !node.attrs.contains(from)) return;
  node.attrs[to] = std::move(node.attrs[from]);
  node.attrs.erase(from);
}

}  // namespace

ForeignGraph upgrade(const ForeignGraph& old) {
  ForeignGraph graph = old;
  graph.nodes.clear();
  for (ForeignNode node : old.nodes) {
    rename(node, "Pad", "paddings", "pads");
    if (const std::optional<int64_t> axis = broadcast_axis(node)) {
      ForeignNode align;
      align.op = "Align";
      align.domain = kUpgradeDomain;
      align.name = node.name;
      align.inputs = node.inputs;
      align.outputs = {node.inputs[1] + "_aligned_for_" + node.name};
      align.attrs["axis"] = *axis;
      node.inputs[1] = align.outputs[0];
      graph.nodes.push_back(std::move(align));
    }
    node.attrs.erase("broadcast");
    graph.nodes.push_back(std::move(node));
  }
  return graph;
}

namespace onnx_lower {

Status align(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId a, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId b, l.input(node, 1));
  INFERD_RETURN_IF_ERROR(l.known_rank(b));
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(Lowering::int_attr(node, "axis", 0), a));
  const int rank = l.info(b).shape.rank();
  const int behind = l.info(a).shape.rank() - axis - rank;
  if (behind < 0) {
    return invalid_argument("an operand of " + std::to_string(rank) +
                            " dimensions does not fit at axis " + std::to_string(axis));
  }
  std::vector<int64_t> dims(static_cast<size_t>(rank), 0);
  dims.resize(static_cast<size_t>(rank + behind), 1);
  INFERD_ASSIGN_OR_RETURN(const ValueId aligned,
                          l.builder().reshape(b, std::move(dims), node.name));
  return l.set_output(node, 0, aligned);
}

}  // namespace onnx_lower
}  // namespace inferd::import

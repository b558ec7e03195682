// SPDX-License-Identifier: Apache-2.0
//
// What a model computes in float16 is computed in float32: kernels have no float16 of their own.
//   y16 = f(x16)  ->  y16 = cast(f(cast(x16)))
// Between two such operators no cast remains, so that numbers are rounded to float16 where they
// leave the model, where it says cast itself, and where something else reads them; elsewhere they
// are more precise than the model asks for. Operators that only move data do so in float16, unless
// what they move is in float32 already.
#include <algorithm>
#include <unordered_map>

#include "engine/ir/ops.h"
#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

class Widener {
 public:
  explicit Widener(ir::Graph& graph) : graph_(graph) {}

  bool run() {
    const auto widens = [&](const ir::Node& node) { return computes_in_half(node); };
    if (std::none_of(graph_.nodes().begin(), graph_.nodes().end(), widens)) return false;
    const std::vector<ir::Node> nodes = std::move(graph_.nodes());
    graph_.nodes().clear();
    for (const ir::Node& node : nodes) {
      if (computes_in_half(node) || moves_widened(node)) {
        widen(node);
      } else {
        graph_.add_node(node);
      }
    }
    return true;
  }

 private:
  bool is_half(ir::ValueId id) const { return graph_.value(id).dtype == DType::kFloat16; }

  bool has_half_output(const ir::Node& node) const {
    return std::any_of(node.outputs.begin(), node.outputs.end(),
                       [&](ir::ValueId id) { return is_half(id); });
  }

  bool computes_in_half(const ir::Node& node) const {
    if (ir::op_info(node.kind).moves_data) return false;
    switch (node.kind) {
      case OpKind::kCast:
      case OpKind::kDequantize:
      case OpKind::kShape:
      case OpKind::kLate:
      case OpKind::kIf:
      case OpKind::kLoop:
        return false;
      case OpKind::kConv2d:
      case OpKind::kDepthwiseConv2d:
      case OpKind::kConvTranspose2d:
      case OpKind::kFullyConnected:
        return is_half(node.inputs[0]) || has_half_output(node);  // float16 weights are well
      default:
        return has_half_output(node) || std::any_of(node.inputs.begin(), node.inputs.end(),
                                                    [&](ir::ValueId id) { return is_half(id); });
    }
  }

  bool moves_widened(const ir::Node& node) const {
    return ir::op_info(node.kind).moves_data && has_half_output(node) &&
           std::any_of(node.inputs.begin(), node.inputs.end(),
                       [&](ir::ValueId id) { return computed_.contains(id); });
  }

  ir::ValueId add_wide_value(ir::ValueId half) {
    ir::Value wide = graph_.value(half);
    wide.name.clear();
    wide.dtype = DType::kFloat32;
    wide.constant = nullptr;
    return graph_.add_value(std::move(wide));
  }

  // `half` as float32.
  ir::ValueId widened(ir::ValueId half, const std::string& name) {
    if (const auto it = computed_.find(half); it != computed_.end()) return it->second;
    const auto [it, is_new] = cast_.emplace(half, ir::kNoValue);
    if (is_new) {
      it->second = add_wide_value(half);
      graph_.add_node({OpKind::kCast, name, {}, {half}, {it->second}});
    }
    return it->second;
  }

  void widen(ir::Node node) {
    for (ir::ValueId& id : node.inputs) {
      if (is_half(id)) id = widened(id, node.name);
    }
    const std::vector<ir::ValueId> outputs = node.outputs;
    for (ir::ValueId& id : node.outputs) {
      if (is_half(id)) id = add_wide_value(id);
    }
    graph_.add_node(node);
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i] == node.outputs[i]) continue;
      computed_[outputs[i]] = node.outputs[i];
      // Goes when nothing reads it.
      graph_.add_node({OpKind::kCast, node.name, {}, {node.outputs[i]}, {outputs[i]}});
    }
  }

  ir::Graph& graph_;
  std::unordered_map<ir::ValueId, ir::ValueId> computed_;  // float16 values: what was computed
  std::unordered_map<ir::ValueId, ir::ValueId> cast_;      // others: their casts to float32
};

}  // namespace

Result<bool> widen_float16(ir::Graph& graph, const PassContext&) { return Widener(graph).run(); }

}  // namespace inferd::opt

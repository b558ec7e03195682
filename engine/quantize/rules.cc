// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/rules.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

namespace inferd::quantize {
namespace {

// Functions that a table of 256 values serves well: bounded in slope, so that a step before makes
// no more than a step or so after.
bool is_activation(UnaryKind kind) {
  switch (kind) {
    case UnaryKind::kSigmoid:
    case UnaryKind::kTanh:
    case UnaryKind::kHardSwish:
    case UnaryKind::kHardSigmoid:
    case UnaryKind::kLeakyRelu:
    case UnaryKind::kElu:
    case UnaryKind::kSilu:
    case UnaryKind::kNeg:
    case UnaryKind::kAbs:
      return true;
    default:
      return false;
  }
}

bool is_float(const ir::Graph& graph, ir::ValueId id) {
  return graph.value(id).dtype == DType::kFloat32;
}

// Types and constants are such that `node` can be what role_of() says.
bool operands_fit(const ir::Graph& graph, const ir::Node& node) {
  const size_t operands = data_inputs(node);
  for (size_t i = 0; i < operands; ++i) {
    if (!is_float(graph, node.inputs[i])) return false;
    const bool weights = weights_axis(node.kind) >= 0 && i > 0;
    if (weights && !graph.value(node.inputs[i]).is_constant()) return false;
  }
  if (node.outputs.size() != 1 || !is_float(graph, node.outputs[0])) return false;
  return std::any_of(node.inputs.begin(), node.inputs.begin() + static_cast<long>(operands),
                     [&](ir::ValueId id) { return !graph.value(id).is_constant(); });
}

class Assigner {
 public:
  Assigner(const ir::Graph& graph, std::span<const float> widths)
      : graph_(graph), widths_(widths), parent_(graph.value_count()) {
    std::iota(parent_.begin(), parent_.end(), 0);
  }

  Result<Assignment> run(const std::vector<bool>& keep_float) {
    for (size_t n = 0; n < graph_.nodes().size(); ++n) {
      const ir::Node& node = graph_.nodes()[n];
      const bool stays = keep_float[n] || !operands_fit(graph_, node);
      result_.roles.push_back(stays ? Role::kFloat : role_of(node));
    }
    leave_tail();
    join();
    return number();
  }

 private:
  // Operators all of whose results end in outputs of the graph without passing weights.
  void leave_tail() {
    std::vector<bool> feeds_weights(graph_.value_count(), false);
    for (size_t n = graph_.nodes().size(); n-- > 0;) {
      const ir::Node& node = graph_.nodes()[n];
      const bool weighted = weights_axis(node.kind) >= 0;
      const bool inside =
          weighted || std::any_of(node.outputs.begin(), node.outputs.end(), [&](ir::ValueId id) {
            return feeds_weights[static_cast<size_t>(id)];
          });
      for (const ir::ValueId id : node.inputs) {
        if (inside) feeds_weights[static_cast<size_t>(id)] = true;
      }
      const bool moves_one = result_.roles[n] == Role::kCarries && node.kind != OpKind::kConcat;
      if (!inside && !moves_one) result_.roles[n] = Role::kFloat;
    }
  }

  size_t root(size_t v) {
    while (parent_[v] != v) v = parent_[v] = parent_[parent_[v]];
    return v;
  }

  bool shares_levels(const ir::Node& node, ir::ValueId x) const {
    if (node.kind != OpKind::kConcat || widths_.empty() || graph_.value(x).is_constant())
      return true;
    constexpr float kHalf = 0.5F;
    const auto y = static_cast<size_t>(node.outputs[0]);
    return widths_[static_cast<size_t>(x)] >= kHalf * widths_[y];
  }

  void join() {
    for (size_t n = 0; n < graph_.nodes().size(); ++n) {
      if (result_.roles[n] != Role::kCarries) continue;
      const ir::Node& node = graph_.nodes()[n];
      const size_t y = root(static_cast<size_t>(node.outputs[0]));
      for (size_t i = 0; i < data_inputs(node); ++i) {
        if (shares_levels(node, node.inputs[i])) {
          parent_[root(static_cast<size_t>(node.inputs[i]))] = root(y);
        }
      }
    }
  }

  bool is_numbered(ir::ValueId id) { return numbers_[root(static_cast<size_t>(id))] >= 0; }
  bool take(ir::ValueId id) {
    if (is_numbered(id)) return false;
    numbers_[root(static_cast<size_t>(id))] = result_.groups++;
    return true;
  }

  // Groups that an integer operator reads or writes are quantized, the others are not.
  Result<Assignment> number() {
    numbers_.assign(graph_.value_count(), -1);
    for (size_t n = 0; n < graph_.nodes().size(); ++n) {
      if (result_.roles[n] != Role::kInteger) continue;
      const ir::Node& node = graph_.nodes()[n];
      const size_t operands = weights_axis(node.kind) >= 0 ? 1 : node.inputs.size();
      for (size_t i = 0; i < operands; ++i) take(node.inputs[i]);
      take(node.outputs[0]);
    }
    if (result_.groups == 0) {
      return failed_precondition(
          "the model has no float32 layer with constant weights, so there is nothing to quantize");
    }
    while (number_what_is_carried()) {
    }
    for (size_t v = 0; v < graph_.value_count(); ++v) result_.group.push_back(numbers_[root(v)]);
    for (size_t n = 0; n < graph_.nodes().size(); ++n) {
      if (result_.roles[n] != Role::kCarries) continue;
      if (!is_numbered(graph_.nodes()[n].outputs[0])) result_.roles[n] = Role::kFloat;
    }
    return std::move(result_);
  }

  // What a quantized concatenation joins is quantized, though perhaps in its own way.
  bool number_what_is_carried() {
    bool changed = false;
    for (size_t n = graph_.nodes().size(); n-- > 0;) {
      const ir::Node& node = graph_.nodes()[n];
      if (result_.roles[n] != Role::kCarries || !is_numbered(node.outputs[0])) continue;
      for (size_t i = 0; i < data_inputs(node); ++i) changed |= take(node.inputs[i]);
    }
    return changed;
  }

  const ir::Graph& graph_;
  const std::span<const float> widths_;
  std::vector<size_t> parent_;  // of values: a forest, one tree for each group
  std::vector<int> numbers_;    // of groups, by root; -1: none
  Assignment result_;
};

}  // namespace

Role role_of(const ir::Node& node) {
  switch (node.kind) {
    case OpKind::kConv2d:
    case OpKind::kDepthwiseConv2d:
    case OpKind::kFullyConnected:
    case OpKind::kMatMul:
    case OpKind::kPRelu:
    case OpKind::kClamp:
    case OpKind::kAveragePool2d:
      return Role::kInteger;
    case OpKind::kSoftmax:
      return std::get<SoftmaxAttrs>(node.attrs).kind == SoftmaxKind::kSoftmax ? Role::kInteger
                                                                              : Role::kFloat;
    case OpKind::kUnary:
      return is_activation(std::get<UnaryAttrs>(node.attrs).kind) ? Role::kInteger : Role::kFloat;
    case OpKind::kBinary: {
      const BinaryKind kind = std::get<BinaryAttrs>(node.attrs).kind;
      const bool integer =
          kind == BinaryKind::kAdd || kind == BinaryKind::kSub || kind == BinaryKind::kMul;
      return integer ? Role::kInteger : Role::kFloat;
    }
    case OpKind::kReduce:
      return std::get<ReduceAttrs>(node.attrs).kind == ReduceKind::kMean ? Role::kInteger
                                                                         : Role::kFloat;
    case OpKind::kPad:
      return node.inputs.size() == 1 && std::isfinite(std::get<PadAttrs>(node.attrs).value)
                 ? Role::kCarries
                 : Role::kFloat;
    case OpKind::kConcat:
    case OpKind::kGather:
    case OpKind::kMaxPool2d:
    case OpKind::kReshape:
    case OpKind::kResize:
    case OpKind::kSlice:
    case OpKind::kTranspose:
      return Role::kCarries;
    default:
      return Role::kFloat;
  }
}

size_t data_inputs(const ir::Node& node) {
  return node.kind == OpKind::kReshape || node.kind == OpKind::kGather ? 1 : node.inputs.size();
}

int weights_axis(OpKind kind) {
  switch (kind) {
    case OpKind::kConv2d:
    case OpKind::kFullyConnected:
      return 0;
    case OpKind::kDepthwiseConv2d:
      return 2;
    default:
      return -1;
  }
}

Result<std::vector<bool>> named_layers(const ir::Graph& graph,
                                       const std::vector<std::string>& names) {
  std::set<std::string> missing(names.begin(), names.end());
  const std::set<std::string> wanted = missing;
  std::vector<bool> named;
  for (const ir::Node& node : graph.nodes()) {
    missing.erase(node.name);
    named.push_back(wanted.contains(node.name));
  }
  if (missing.empty()) return named;
  std::string list;
  for (const std::string& name : missing) list += (list.empty() ? "'" : ", '") + name + "'";
  return invalid_argument("there is no layer " + list +
                          " to keep in float32; the report of a run without it lists the names");
}

Result<Assignment> assign(const ir::Graph& graph, const std::vector<bool>& keep_float,
                          std::span<const float> widths) {
  return Assigner(graph, widths).run(keep_float);
}

}  // namespace inferd::quantize

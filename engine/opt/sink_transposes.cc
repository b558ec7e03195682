// SPDX-License-Identifier: Apache-2.0
//
// f(transpose(x)) becomes transpose(f'(x)) where f works element by element or along axes that can
// be renamed. Lowerings of NCHW formats put a transpose before and after each image operator;
// sinking the one after meets the next one before, and remove_identities cancels the pair.
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "engine/ir/builder.h"
#include "engine/opt/pass_list.h"
#include "engine/opt/quantize_operators.h"

namespace inferd::opt {
namespace {

// perm[i] is the dimension of the source that dimension i of the transposed value shows.
using Perm = std::vector<int>;

Perm inverse(const Perm& perm) {
  Perm result(perm.size());
  for (size_t i = 0; i < perm.size(); ++i)
    result[static_cast<size_t>(perm[i])] = static_cast<int>(i);
  return result;
}

// A list with one entry per dimension of the transposed value, in the order of the source's
// dimensions.
std::vector<int64_t> to_source(const std::vector<int64_t>& values, const Perm& perm) {
  std::vector<int64_t> result(values.size());
  for (size_t i = 0; i < perm.size(); ++i) result[static_cast<size_t>(perm[i])] = values[i];
  return result;
}

struct Transposed {
  ir::ValueId source;
  Perm perm;
};

class Sinker {
 public:
  explicit Sinker(ir::Graph& graph)
      : graph_(graph), uses_(graph.use_counts()), wanted_(wanted_as_integers(graph)) {}

  bool run() {
    bool changed = false;
    std::vector<ir::Node> nodes = std::move(graph_.nodes());
    graph_.nodes().clear();
    for (ir::Node& node : nodes) {
      const bool sunk = sink(node);
      changed |= sunk;
      if (sunk) continue;
      remember(node);
      graph_.add_node(std::move(node));
    }
    return changed;
  }

 private:
  const Transposed* transposed(ir::ValueId id) const {
    const auto it = transposed_.find(id);
    return it == transposed_.end() ? nullptr : &it->second;
  }

  void remember(const ir::Node& node) {
    if (node.kind == OpKind::kStridedCopy ||
        (node.kind == OpKind::kReshape && is_free(node.inputs[0]))) {
      strided_.insert(node.outputs[0]);
    }
    // The transpose of a strided copy becomes part of it: to sink one would only undo the other.
    if (node.kind == OpKind::kTranspose && !strided_.contains(node.inputs[0])) {
      transposed_[node.outputs[0]] = {node.inputs[0], std::get<TransposeAttrs>(node.attrs).perm};
    }
  }

  // Made by a strided copy for one reader.
  bool is_free(ir::ValueId id) const {
    return strided_.contains(id) && uses_[static_cast<size_t>(id)] == 1;
  }

  // The attributes in terms of the source's dimensions, and the permutation that remains after the
  // node (a reduction may drop dimensions). Nothing when the node is not one to sink through.
  static std::optional<OpAttrs> renamed(const ir::Node& node, const Perm& perm, Perm* after) {
    const auto axis = [&](int a) { return perm[static_cast<size_t>(a)]; };
    *after = perm;
    switch (node.kind) {
      case OpKind::kUnary:
      case OpKind::kClamp:
      case OpKind::kBinary:
      case OpKind::kCompare:
      case OpKind::kSelect:
      case OpKind::kPRelu:
      case OpKind::kCast:
      case OpKind::kQuantize:
      case OpKind::kDequantize:
      case OpKind::kRequantize:
      case OpKind::kLookup:
        return node.attrs;
      case OpKind::kConcat:
        return ConcatAttrs{axis(std::get<ConcatAttrs>(node.attrs).axis)};
      case OpKind::kBatchNorm:
        return BatchNormAttrs{axis(std::get<BatchNormAttrs>(node.attrs).axis)};
      case OpKind::kSoftmax: {
        auto attrs = std::get<SoftmaxAttrs>(node.attrs);
        attrs.axis = axis(attrs.axis < 0 ? attrs.axis + static_cast<int>(perm.size()) : attrs.axis);
        return attrs;
      }
      case OpKind::kCumSum: {
        auto attrs = std::get<CumSumAttrs>(node.attrs);
        attrs.axis = axis(attrs.axis);
        return attrs;
      }
      case OpKind::kLocalResponseNorm: {
        auto attrs = std::get<LocalResponseNormAttrs>(node.attrs);
        attrs.axis = axis(attrs.axis);
        return attrs;
      }
      case OpKind::kSlice: {
        const auto& attrs = std::get<SliceAttrs>(node.attrs);
        return SliceAttrs{to_source(attrs.begin, perm), to_source(attrs.end, perm),
                          to_source(attrs.step, perm)};
      }
      case OpKind::kPad: {
        const auto& attrs = std::get<PadAttrs>(node.attrs);
        return PadAttrs{to_source(attrs.before, perm), to_source(attrs.after, perm), attrs.value,
                        attrs.mode};
      }
      case OpKind::kReduce:
        return renamed_reduce(std::get<ReduceAttrs>(node.attrs), perm, after);
      default:
        return std::nullopt;
    }
  }

  static OpAttrs renamed_reduce(ReduceAttrs attrs, const Perm& perm, Perm* after) {
    const auto reduced = [&](int a) {
      return std::find(attrs.axes.begin(), attrs.axes.end(), a) != attrs.axes.end();
    };
    if (!attrs.keep_dims) {
      // What is left of perm, renumbered without the reduced dimensions of the source.
      std::vector<int> kept;
      for (size_t i = 0; i < perm.size(); ++i) {
        if (!reduced(static_cast<int>(i))) kept.push_back(perm[i]);
      }
      after->clear();
      for (int source : kept) {
        after->push_back(static_cast<int>(
            std::count_if(kept.begin(), kept.end(), [&](int other) { return other < source; })));
      }
    }
    for (int& a : attrs.axes) a = perm[static_cast<size_t>(a)];
    std::sort(attrs.axes.begin(), attrs.axes.end());
    return attrs;
  }

  // Computed, with at most one dimension larger than 1: transposing it moves no data.
  static bool is_line(const ir::Value& value) {
    if (value.is_constant() || !value.shape_known || !value.shape.is_static() ||
        value.quantization.per_channel()) {
      return false;
    }
    return std::count_if(value.shape.begin(), value.shape.end(),
                         [](int64_t dim) { return dim != 1; }) <= 1;
  }

  // The operand seen in the source's dimensions; nothing when that would need a new transpose of
  // computed data.
  std::optional<ir::ValueId> operand_at_source(ir::ValueId id, const Perm& perm,
                                               const std::string& name) {
    if (const Transposed* t = transposed(id); t != nullptr) {
      if (t->perm != perm) return std::nullopt;
      return t->source;
    }
    const ir::Value value = graph_.value(id);
    if (is_line(value) && value.shape.rank() == static_cast<int>(perm.size())) {
      const Result<ir::ValueId> turned = ir::Builder(graph_).transpose(id, inverse(perm), name);
      if (turned.ok()) return *turned;
    }
    // A strided copy may write its output in any order.
    if (is_free(id) && value.shape.rank() == static_cast<int>(perm.size())) {
      const Result<ir::ValueId> turned = ir::Builder(graph_).transpose(id, inverse(perm), name);
      if (turned.ok()) return *turned;
    }
    if (!value.is_constant()) return std::nullopt;
    if (value.shape.elements() == 1 && !value.quantization.per_channel()) return id;
    if (value.shape.rank() > static_cast<int>(perm.size()) || value.quantization.per_channel()) {
      return std::nullopt;
    }
    std::vector<int64_t> dims(perm.size() - static_cast<size_t>(value.shape.rank()), 1);
    dims.insert(dims.end(), value.shape.begin(), value.shape.end());
    ir::Builder builder(graph_);
    const ir::ValueId lifted =
        builder.constant(value.name, value.dtype, Shape(std::span<const int64_t>(dims)),
                         value.constant, value.quantization);
    const Result<ir::ValueId> moved = builder.transpose(lifted, inverse(perm), name);
    if (!moved.ok()) return std::nullopt;
    return *moved;
  }

  bool sink(ir::Node& node) {
    if (node.inputs.empty() || node.outputs.size() != 1) return false;
    const Transposed* first = nullptr;
    for (ir::ValueId id : node.inputs) {
      // Of a line's transpose there is nothing to win, and it would go round in circles.
      if (first == nullptr && transposed(id) != nullptr && !is_line(graph_.value(id))) {
        first = transposed(id);
      }
    }
    if (first == nullptr) return false;
    // quantize_operators put it there.
    if (node.kind == OpKind::kDequantize && wanted_[static_cast<size_t>(node.outputs[0])]) {
      return false;
    }
    const Perm perm = first->perm;
    const ir::Value y = graph_.value(node.outputs[0]);
    // Broadcasting must not have added dimensions in front: then the permutations would not line
    // up.
    if (!y.shape_known ||
        (node.kind != OpKind::kReduce && y.shape.rank() != static_cast<int>(perm.size()))) {
      return false;
    }
    Perm after;
    const std::optional<OpAttrs> attrs = renamed(node, perm, &after);
    // Scale and shift of a batch norm and a table are no operands of the input's shape.
    const bool one_operand = node.kind == OpKind::kBatchNorm || node.kind == OpKind::kLookup;
    if (!attrs || (one_operand && transposed(node.inputs[0]) == nullptr)) return false;

    std::vector<ir::ValueId> inputs;
    const size_t operands = one_operand ? 1 : node.inputs.size();
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const std::optional<ir::ValueId> id =
          i < operands ? operand_at_source(node.inputs[i], perm, node.name) : node.inputs[i];
      if (!id) return false;
      inputs.push_back(*id);
    }
    ir::Value at_source = y;
    at_source.name.clear();
    if (y.quantization.per_channel()) {
      at_source.quantization.axis = after[static_cast<size_t>(y.quantization.axis)];
    }
    const ir::ValueId inner = graph_.add_value(std::move(at_source));
    graph_.add_node({node.kind, node.name, *attrs, std::move(inputs), {inner}});
    graph_.add_node(
        {OpKind::kTranspose, node.name, TransposeAttrs{after}, {inner}, {node.outputs[0]}});
    transposed_[node.outputs[0]] = {inner, after};
    return true;
  }

  ir::Graph& graph_;
  std::vector<int> uses_;
  const std::vector<bool> wanted_;
  std::set<ir::ValueId> strided_;  // made by strided copies, reshaped or not
  std::map<ir::ValueId, Transposed> transposed_;
};

}  // namespace

Result<bool> sink_transposes(ir::Graph& graph, const PassContext&) {
  const bool changed = Sinker(graph).run();
  if (changed) INFERD_RETURN_IF_ERROR(ir::verify(graph));
  return changed;
}

}  // namespace inferd::opt

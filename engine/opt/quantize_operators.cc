// SPDX-License-Identifier: Apache-2.0
//
// Models quantized as "dequantize, float operator, quantize" (QDQ) become integer operators.
// Three rules, repeated until none applies:
//   move(dequantize(x))          -> dequantize(move(x))           move: transpose, reshape, slice,
//                                                                 gather (a transpose only where
//                                                                 integers are wanted after it)
//   quantize(move(x))            -> move(quantize(x))             also concat, pad, clamp, max pool
//   quantize(f(dequantize(x)))   -> f on the stored values
// The first two bring the pair next to the operator between them.
#include "engine/opt/quantize_operators.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/ir/builder.h"
#include "engine/ir/shape_inference.h"
#include "engine/opt/pass_list.h"

namespace inferd::opt {
namespace {

constexpr int kMaxSweeps = 1000;

bool is_8bit(const ir::Value& v) {
  return (v.dtype == DType::kInt8 || v.dtype == DType::kUInt8) && !v.quantization.empty();
}
bool is_per_tensor(const ir::Value& v) { return is_8bit(v) && !v.quantization.per_channel(); }

// Gives stored values the same way as real ones.
bool moves_one_input(const ir::Node& node) {
  switch (node.kind) {
    case OpKind::kTranspose:
    case OpKind::kReshape:
    case OpKind::kSlice:
    case OpKind::kGather:
      return true;
    case OpKind::kResize:
      return std::get<ResizeAttrs>(node.attrs).mode == ResizeMode::kNearest;
    default:
      return false;
  }
}

// Rounding to stored values before it gives the same as after.
bool commutes_with_quantize(const ir::Node& node) {
  switch (node.kind) {
    case OpKind::kConcat:
    case OpKind::kClamp:
    case OpKind::kMaxPool2d:
      return true;
    case OpKind::kPad:
      return node.inputs.size() == 1 && std::isfinite(std::get<PadAttrs>(node.attrs).value);
    default:
      return moves_one_input(node);
  }
}

// Operators whose kernels take 8-bit inputs and outputs with any quantization.
bool has_quantized_form(const ir::Node& node) {
  switch (node.kind) {
    case OpKind::kConv2d:
    case OpKind::kDepthwiseConv2d:
    case OpKind::kConvTranspose2d:
    case OpKind::kFullyConnected:
    case OpKind::kMatMul:
    case OpKind::kUnary:
    case OpKind::kPRelu:
    case OpKind::kAveragePool2d:
    case OpKind::kResize:
      return true;
    case OpKind::kSoftmax:
      return std::get<SoftmaxAttrs>(node.attrs).kind != SoftmaxKind::kHardmax;
    case OpKind::kBinary: {
      const BinaryKind kind = std::get<BinaryAttrs>(node.attrs).kind;
      return kind == BinaryKind::kAdd || kind == BinaryKind::kSub || kind == BinaryKind::kMul;
    }
    case OpKind::kReduce:
      return std::get<ReduceAttrs>(node.attrs).kind == ReduceKind::kMean;
    default:
      return false;
  }
}

// Operators with a quantized form for one quantization before and after them.
bool keeps_quantization(OpKind kind) { return kind == OpKind::kResize; }

// The output channel's dimension in the weights, -1 for operators without weights.
int weights_axis(OpKind kind) {
  switch (kind) {
    case OpKind::kConv2d:
    case OpKind::kConvTranspose2d:
    case OpKind::kFullyConnected:
      return 0;
    case OpKind::kDepthwiseConv2d:
      return 2;
    default:
      return -1;
  }
}

// The dimension of a reshape's output that holds what dimension `axis` of its input does, -1 when
// there is none.
int same_dimension(const Shape& from, const Shape& to, int axis) {
  if (!from.is_static() || !to.is_static()) return -1;
  for (int i = 0; i < to.rank(); ++i) {
    if (to[i] == from[axis] && to.elements(0, i) == from.elements(0, axis)) return i;
  }
  return -1;
}

// One walk over the nodes; every node takes part in at most one rewrite.
class Sweep {
 public:
  Sweep(ir::Graph& graph, const PassContext& context)
      : graph_(graph),
        context_(context),
        producers_(graph.producers()),
        uses_(graph.use_counts()),
        wanted_(wanted_as_integers(graph)),
        replaced_(graph.nodes().size()),
        touched_(graph.nodes().size(), false) {}

  bool run() {
    bool changed = false;
    for (size_t n = 0; n < touched_.size(); ++n) {
      if (!touched_[n]) changed |= sink_dequantize(n) || hoist_quantize(n) || use_integers(n);
    }
    if (!changed) return false;
    std::vector<ir::Node> nodes;
    for (size_t n = 0; n < touched_.size(); ++n) {
      if (!touched_[n]) nodes.push_back(std::move(graph_.nodes()[n]));
      for (ir::Node& node : replaced_[n]) nodes.push_back(std::move(node));
    }
    graph_.nodes() = std::move(nodes);
    return true;
  }

 private:
  // The untouched node that makes `id`, -1 otherwise.
  int producer(ir::ValueId id) const {
    // Values this sweep made are not in the list.
    if (static_cast<size_t>(id) >= producers_.size()) return -1;
    const int p = producers_[static_cast<size_t>(id)];
    return p >= 0 && !touched_[static_cast<size_t>(p)] ? p : -1;
  }

  // The stored value that `id` is the dequantized form of.
  ir::ValueId stored(ir::ValueId id) const {
    const int p = producer(id);
    if (p < 0) return ir::kNoValue;
    const ir::Node& node = graph_.nodes()[static_cast<size_t>(p)];
    if (node.kind != OpKind::kDequantize) return ir::kNoValue;
    return graph_.value(node.inputs[0]).quantization.empty() ? ir::kNoValue : node.inputs[0];
  }

  bool sink_dequantize(size_t n) {
    const ir::Node& move = graph_.nodes()[n];
    if (!moves_one_input(move)) return false;
    if (move.kind == OpKind::kTranspose && !wanted_[static_cast<size_t>(move.outputs[0])]) {
      return false;
    }
    const ir::ValueId x = stored(move.inputs[0]);
    if (x == ir::kNoValue) return false;
    ir::Value moved = graph_.value(move.outputs[0]);
    moved.name.clear();
    moved.dtype = graph_.value(x).dtype;
    moved.quantization = graph_.value(x).quantization;
    if (moved.quantization.per_channel() && move.kind != OpKind::kTranspose) {
      // Of a transpose, inference renames the axis.
      if (move.kind != OpKind::kReshape) return false;
      const int axis = same_dimension(graph_.value(x).shape, moved.shape, moved.quantization.axis);
      if (axis < 0) return false;
      moved.quantization.axis = axis;
    }
    const ir::ValueId y = graph_.add_value(std::move(moved));
    ir::Node inner = move;
    inner.inputs[0] = x;
    inner.outputs = {y};
    ir::Node outer{OpKind::kDequantize, move.name, {}, {y}, move.outputs};
    replace(n, {std::move(inner), std::move(outer)});
    return true;
  }

  bool hoist_quantize(size_t n) {
    const ir::Node& quantize = graph_.nodes()[n];
    if (quantize.kind != OpKind::kQuantize || !is_per_tensor(graph_.value(quantize.outputs[0]))) {
      return false;
    }
    const int p = used_once(quantize.inputs[0]);
    if (p < 0) return false;
    const ir::Node& move = graph_.nodes()[static_cast<size_t>(p)];
    if (!commutes_with_quantize(move)) return false;
    const ir::Value y = graph_.value(quantize.outputs[0]);
    std::vector<ir::Node> nodes;
    ir::Node inner = move;
    const size_t operands = move.kind == OpKind::kConcat ? move.inputs.size() : 1;
    for (size_t i = 0; i < operands; ++i) {
      ir::Value operand = graph_.value(move.inputs[i]);
      operand.name.clear();
      operand.constant = nullptr;
      operand.dtype = y.dtype;
      operand.quantization = y.quantization;
      inner.inputs[i] = graph_.add_value(std::move(operand));
      nodes.push_back({OpKind::kQuantize, quantize.name, {}, {move.inputs[i]}, {inner.inputs[i]}});
    }
    inner.outputs = quantize.outputs;
    nodes.push_back(std::move(inner));
    replace(static_cast<size_t>(p), std::move(nodes));
    touched_[n] = true;
    return true;
  }

  bool use_integers(size_t n) {
    const ir::Node& quantize = graph_.nodes()[n];
    if (quantize.kind != OpKind::kQuantize || !is_per_tensor(graph_.value(quantize.outputs[0]))) {
      return false;
    }
    const int p = used_once(quantize.inputs[0]);
    if (p < 0) return false;
    ir::Node node = graph_.nodes()[static_cast<size_t>(p)];
    if (const Status status = read_stored_values(&node, graph_.value(quantize.outputs[0]));
        !status.ok()) {
      note(graph_.nodes()[static_cast<size_t>(p)], status.message());
      return false;
    }
    node.outputs = quantize.outputs;
    // What is to be equal is a sum of float32 numbers.
    if (auto* binary = std::get_if<BinaryAttrs>(&node.attrs)) binary->rounding = Rounding::kFloat;
    replace(static_cast<size_t>(p), {std::move(node)});
    touched_[n] = true;
    return true;
  }

  void note(const ir::Node& node, const std::string& reason) {
    if (context_.declined == nullptr) return;
    const bool folded = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ir::ValueId id) {
      return graph_.value(id).is_constant() && graph_.value(id).dtype == DType::kFloat32;
    });
    // What was declined once gets its dequantized weights folded: the first reason is the true one.
    if (folded) {
      context_.declined->emplace(node.name, reason);
    } else {
      context_.declined->insert_or_assign(node.name, reason);
    }
  }

  // Makes `node` read stored values where it reads dequantized ones. FAILED_PRECONDITION says why
  // it cannot.
  Status read_stored_values(ir::Node* node, const ir::Value& y) {
    if (!has_quantized_form(*node)) {
      return failed_precondition(ir::title(*node) + " has no 8-bit form");
    }
    const int axis = weights_axis(node->kind);
    const size_t operands = axis >= 0 ? 2 : node->inputs.size();
    for (size_t i = 0; i < operands; ++i) {
      const auto declined = [&](const std::string& what) {
        return failed_precondition("input " + std::to_string(i) + " of " + ir::title(*node) + " " +
                                   what);
      };
      const ir::ValueId x = stored(node->inputs[i]);
      if (x == ir::kNoValue) return declined("is not quantized");
      const ir::Value& v = graph_.value(x);
      if (!is_8bit(v)) return declined("is stored as " + std::string(dtype_name(v.dtype)));
      const bool weights = axis >= 0 && i == 1;
      if (v.quantization.per_channel() && !(weights && v.quantization.axis == axis)) {
        return declined("has a scale for each index of dimension " +
                        std::to_string(v.quantization.axis));
      }
      if (keeps_quantization(node->kind) &&
          (v.quantization != y.quantization || v.dtype != y.dtype)) {
        return declined("is quantized in another way than the result");
      }
      node->inputs[i] = x;
    }
    if (axis < 0 || node->inputs.size() < 3) return ok_status();
    const ir::ValueId bias = integer_bias(*node);
    if (bias == ir::kNoValue) {
      return failed_precondition("the bias of " + ir::title(*node) +
                                 " is not constant or does not fit into 32 bits");
    }
    node->inputs[2] = bias;
    return ok_status();
  }

  // The bias of `node` (whose first two inputs are stored values already) as int32 with scale
  // input_scale * weight_scale; kNoValue when it is not constant or does not fit.
  ir::ValueId integer_bias(const ir::Node& node) {
    ir::ValueId source = node.inputs[2];
    if (stored(source) != ir::kNoValue) source = stored(source);
    const ir::Value bias = graph_.value(source);
    if (!bias.is_constant() || (bias.dtype != DType::kFloat32 && bias.dtype != DType::kInt32)) {
      return ir::kNoValue;
    }
    if (bias.dtype == DType::kInt32 && bias.quantization.empty()) return ir::kNoValue;
    const float input_scale = graph_.value(node.inputs[0]).quantization.scale();
    const Quantization& weights = graph_.value(node.inputs[1]).quantization;
    const auto count = static_cast<size_t>(bias.shape.elements());
    if (weights.per_channel() && weights.scales.size() != count) return ir::kNoValue;
    if (bias.quantization.per_channel() && bias.quantization.scales.size() != count) {
      return ir::kNoValue;
    }
    Quantization q;
    for (float scale : weights.scales) q.scales.push_back(input_scale * scale);
    q.zero_points.assign(q.scales.size(), 0);
    std::vector<int32_t> values(count);
    for (size_t c = 0; c < count; ++c) {
      const double scale = q.scales[q.per_channel() ? c : 0];
      const double value = std::nearbyint(real(bias, c) / scale);
      if (!(std::abs(value) <= static_cast<double>(INT32_MAX))) return ir::kNoValue;
      values[c] = static_cast<int32_t>(value);
    }
    return ir::Builder(graph_).constant_int32s(bias.name, bias.shape, values, std::move(q));
  }

  // Element `i` of a float32 or quantized int32 constant in real units.
  static double real(const ir::Value& v, size_t i) {
    if (v.dtype == DType::kFloat32) {
      return reinterpret_cast<const float*>(v.constant->bytes().data())[i];
    }
    const size_t c = v.quantization.per_channel() ? i : 0;
    const double stored = reinterpret_cast<const int32_t*>(v.constant->bytes().data())[i];
    return (stored - v.quantization.zero_points[c]) * double{v.quantization.scales[c]};
  }

  // The node that makes `id` when nothing else reads it, -1 otherwise.
  int used_once(ir::ValueId id) const {
    const int p = producer(id);
    return p >= 0 && uses_[static_cast<size_t>(id)] == 1 &&
                   graph_.nodes()[static_cast<size_t>(p)].outputs.size() == 1
               ? p
               : -1;
  }

  void replace(size_t n, std::vector<ir::Node> nodes) {
    touched_[n] = true;
    replaced_[n] = std::move(nodes);
  }

  ir::Graph& graph_;
  const PassContext& context_;
  const std::vector<int> producers_;
  const std::vector<int> uses_;
  const std::vector<bool> wanted_;
  std::vector<std::vector<ir::Node>> replaced_;  // by node: what stands there instead
  std::vector<bool> touched_;
};

}  // namespace

std::vector<bool> wanted_as_integers(const ir::Graph& graph) {
  std::vector<bool> quantized(graph.value_count(), false);  // by its readers
  std::vector<bool> wanted(graph.value_count(), false);
  for (size_t n = graph.nodes().size(); n-- > 0;) {
    const ir::Node& node = graph.nodes()[n];
    if (node.outputs.size() != 1) continue;
    const auto y = static_cast<size_t>(node.outputs[0]);
    const bool moves = commutes_with_quantize(node);
    const bool rounds = node.kind == OpKind::kQuantize || (moves && quantized[y]);
    const bool computes = has_quantized_form(node) && quantized[y];
    for (const ir::ValueId id : node.inputs) {
      const auto x = static_cast<size_t>(id);
      quantized[x] = quantized[x] || rounds;
      wanted[x] = wanted[x] || rounds || computes || (moves && wanted[y]);
    }
  }
  return wanted;
}

Result<bool> quantize_operators(ir::Graph& graph, const PassContext& context) {
  bool changed = false;
  for (int sweep = 0; sweep < kMaxSweeps && Sweep(graph, context).run(); ++sweep) {
    changed = true;
    graph.remove_dead();
    INFERD_RETURN_IF_ERROR(ir::infer_shapes(graph));
  }
  return changed;
}

}  // namespace inferd::opt

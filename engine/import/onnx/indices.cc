// SPDX-License-Identifier: Apache-2.0
//
// Operators that read or write by indices, or make patterns of them.
#include <algorithm>
#include <array>
#include <utility>

#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {
namespace {

// `x` as `dtype`.
Result<ValueId> as_type(Lowering& l, const ForeignNode& node, ValueId x, DType dtype) {
  if (l.info(x).dtype == dtype) return x;
  return l.builder().op(OpKind::kCast, {x}, {}, node.name, OutputSpec::typed("", dtype));
}

Result<ScatterReduction> reduction_of(const ForeignNode& node) {
  const std::string name = Lowering::text_attr(node, "reduction", "none");
  if (name == "none") return ScatterReduction::kNone;
  if (name == "add") return ScatterReduction::kAdd;
  if (name == "mul") return ScatterReduction::kMul;
  if (name == "max") return ScatterReduction::kMax;
  if (name == "min") return ScatterReduction::kMin;
  return invalid_argument("reduction '" + name + "' is none of none, add, mul, max and min");
}

Result<std::array<ValueId, 3>> three_inputs(Lowering& l, const ForeignNode& node) {
  std::array<ValueId, 3> ids{};
  for (size_t i = 0; i < ids.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(ids[i], l.input(node, i));
  }
  return ids;
}

// The first `count` slices of `x` as output i of the node.
Status set_trimmed(Lowering& l, const ForeignNode& node, size_t i, ValueId x, ValueId count,
                   int axis) {
  if (i >= node.outputs.size() || node.outputs[i].empty()) return ok_status();
  INFERD_ASSIGN_OR_RETURN(
      const ValueId y,
      l.builder().op(OpKind::kTrim, {x, count}, TrimAttrs{axis}, node.name, named(node, i)));
  return l.set_output(node, i, y);
}

// `x` and the axis that the node is about; without one, all of x as a vector.
Result<std::pair<ValueId, int>> along_axis(Lowering& l, const ForeignNode& node, ValueId x) {
  if (Lowering::has_attr(node, "axis")) {
    INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(Lowering::int_attr(node, "axis", 0), x));
    return std::pair(x, axis);
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId flat, l.builder().reshape(x, {-1}, node.name));
  return std::pair(flat, 0);
}

}  // namespace

// Gathers as many slices as there are conditions, of which the first stay: those that hold.
Status compress(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId input, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId condition, l.input(node, 1));
  INFERD_ASSIGN_OR_RETURN(const auto along, along_axis(l, node, input));
  const auto [x, axis] = along;
  ir::Builder& b = l.builder();
  const std::vector<OutputSpec> unnamed(2);
  INFERD_ASSIGN_OR_RETURN(const auto found,
                          b.ops(OpKind::kNonZero, std::array{condition}, {}, node.name, unnamed));
  INFERD_ASSIGN_OR_RETURN(const ValueId indices, b.reshape(found[0], {-1}, node.name));
  INFERD_ASSIGN_OR_RETURN(const ValueId slices,
                          b.op(OpKind::kGather, {x, indices}, GatherAttrs{axis}, node.name));
  return set_trimmed(l, node, 0, slices, found[1], axis);
}

Status eye_like(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  DType dtype = l.info(x).dtype;
  if (Lowering::has_attr(node, "dtype")) {
    INFERD_ASSIGN_OR_RETURN(dtype, element_type(Lowering::int_attr(node, "dtype", 0)));
  }
  ir::Builder& b = l.builder();
  const float one = 1.F;
  const std::array<int64_t, 1> diagonal = {Lowering::int_attr(node, "k", 0)};
  const ValueId k = b.constant_int64s("", diagonal);
  INFERD_ASSIGN_OR_RETURN(const ValueId shape, b.op(OpKind::kShape, {x}, {}, node.name));
  INFERD_ASSIGN_OR_RETURN(
      const ValueId scalar,
      as_type(l, node, b.constant_floats("", Shape{}, std::span(&one, 1)), dtype));
  // What is neither above nor below the diagonal.
  INFERD_ASSIGN_OR_RETURN(const ValueId ones,
                          b.op(OpKind::kExpand, {scalar, shape}, {}, node.name));
  INFERD_ASSIGN_OR_RETURN(const ValueId upper,
                          b.op(OpKind::kTrilu, {ones, k}, TriluAttrs{true}, node.name));
  return emit(l, node, OpKind::kTrilu, std::array{upper, k}, TriluAttrs{false});
}

Status gather(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId indices, l.input(node, 1));
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(Lowering::int_attr(node, "axis", 0), x));
  return emit(l, node, OpKind::kGather, std::array{x, indices}, GatherAttrs{axis});
}

Status gather_elements(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId indices, l.input(node, 1));
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(Lowering::int_attr(node, "axis", 0), x));
  return emit(l, node, OpKind::kGatherElements, std::array{x, indices}, GatherAttrs{axis});
}

Status gather_nd(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId indices, l.input(node, 1));
  const int64_t batch_dims = Lowering::int_attr(node, "batch_dims", 0);
  if (batch_dims < 0 || batch_dims > kMaxRank) {
    return invalid_argument("batch_dims " + std::to_string(batch_dims) + " is out of range");
  }
  return emit(l, node, OpKind::kGatherNd, std::array{x, indices},
              GatherNdAttrs{static_cast<int>(batch_dims)});
}

Status non_max_suppression(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId boxes, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId scores, l.input(node, 1));
  NonMaxSuppressionAttrs attrs;
  attrs.center_boxes = Lowering::int_attr(node, "center_point_box", 0) != 0;
  if (l.has(node, 2)) {
    INFERD_ASSIGN_OR_RETURN(const auto most, l.ints(node, 2));
    if (most.size() != 1) return invalid_argument("max_output_boxes_per_class is not a scalar");
    attrs.max_per_class = std::max<int64_t>(most[0], 0);
  }
  if (l.has(node, 3)) {
    INFERD_ASSIGN_OR_RETURN(attrs.iou_threshold, l.scalar(node, 3));
  }
  if (l.has(node, 4)) {
    INFERD_ASSIGN_OR_RETURN(attrs.score_threshold, l.scalar(node, 4));
  }
  const std::vector<OutputSpec> unnamed(3);
  INFERD_ASSIGN_OR_RETURN(const auto found,
                          l.builder().ops(OpKind::kNonMaxSuppression, std::array{boxes, scores},
                                          attrs, node.name, unnamed));
  return set_trimmed(l, node, 0, found[0], found[2], 0);
}

Status non_zero(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  if (l.info(x).shape.rank() == 0) {
    INFERD_ASSIGN_OR_RETURN(x, l.builder().reshape(x, {1}, node.name));
  }
  const std::vector<OutputSpec> unnamed(2);
  INFERD_ASSIGN_OR_RETURN(const auto found,
                          l.builder().ops(OpKind::kNonZero, std::array{x}, {}, node.name, unnamed));
  return set_trimmed(l, node, 0, found[0], found[1], 1);
}

Status one_hot(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(auto inputs, three_inputs(l, node));
  INFERD_RETURN_IF_ERROR(l.known_rank(inputs[0]));
  INFERD_ASSIGN_OR_RETURN(const int axis, normalize_axis(Lowering::int_attr(node, "axis", -1),
                                                         l.info(inputs[0]).shape.rank() + 1));
  if (l.info(inputs[0]).dtype == DType::kFloat16) {
    INFERD_ASSIGN_OR_RETURN(inputs[0], as_type(l, node, inputs[0], DType::kFloat32));
  }
  if (l.info(inputs[1]).dtype != DType::kInt32) {
    INFERD_ASSIGN_OR_RETURN(inputs[1], as_type(l, node, inputs[1], DType::kInt64));
  }
  const OutputSpec spec = OutputSpec::typed(named(node).name, l.info(inputs[2]).dtype);
  return emit(l, node, OpKind::kOneHot, inputs, OneHotAttrs{axis, true}, spec);
}

Status range(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto inputs, three_inputs(l, node));
  return emit(l, node, OpKind::kRange, inputs, {});
}

Status reverse_sequence(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId lengths, l.input(node, 1));
  INFERD_ASSIGN_OR_RETURN(const int batch, l.axis(Lowering::int_attr(node, "batch_axis", 1), x));
  INFERD_ASSIGN_OR_RETURN(const int time, l.axis(Lowering::int_attr(node, "time_axis", 0), x));
  return emit(l, node, OpKind::kReverseSequence, std::array{x, lengths},
              ReverseSequenceAttrs{batch, time});
}

Status scatter_elements(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto inputs, three_inputs(l, node));
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(Lowering::int_attr(node, "axis", 0), inputs[0]));
  INFERD_ASSIGN_OR_RETURN(const ScatterReduction reduction, reduction_of(node));
  return emit(l, node, OpKind::kScatterElements, inputs, ScatterAttrs{reduction, axis});
}

Status scatter_nd(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const auto inputs, three_inputs(l, node));
  INFERD_ASSIGN_OR_RETURN(const ScatterReduction reduction, reduction_of(node));
  return emit(l, node, OpKind::kScatterNd, inputs, ScatterAttrs{reduction, 0});
}

Status top_k(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(Lowering::int_attr(node, "axis", -1), x));
  ValueId k = ir::kNoValue;
  if (Lowering::has_attr(node, "k")) {
    const std::array<int64_t, 1> count = {Lowering::int_attr(node, "k", 0)};
    k = l.builder().constant_int64s("", count);
  } else {
    INFERD_ASSIGN_OR_RETURN(k, l.input(node, 1));
  }
  // Sorted or in any order: sorted is one of them.
  const bool largest = Lowering::int_attr(node, "largest", 1) != 0;
  INFERD_ASSIGN_OR_RETURN(const auto found,
                          l.builder().ops(OpKind::kTopK, std::array{x, k}, TopKAttrs{axis, largest},
                                          node.name, std::array{named(node, 0), named(node, 1)}));
  INFERD_RETURN_IF_ERROR(l.set_output(node, 0, found[0]));
  return l.set_output(node, 1, found[1]);
}

Status trilu(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  std::vector<ValueId> inputs = {x};
  if (l.has(node, 1)) {
    INFERD_ASSIGN_OR_RETURN(const ValueId diagonal, l.input(node, 1));
    inputs.push_back(diagonal);
  }
  const bool upper = Lowering::int_attr(node, "upper", 1) != 0;
  return emit(l, node, OpKind::kTrilu, inputs, TriluAttrs{upper});
}

Status unique(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId input, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto along, along_axis(l, node, input));
  const auto [x, axis] = along;
  const bool sorted = Lowering::int_attr(node, "sorted", 1) != 0;
  const std::vector<OutputSpec> unnamed(5);
  INFERD_ASSIGN_OR_RETURN(const auto found,
                          l.builder().ops(OpKind::kUnique, std::array{x}, UniqueAttrs{axis, sorted},
                                          node.name, unnamed));
  const ValueId count = found[4];
  INFERD_RETURN_IF_ERROR(set_trimmed(l, node, 0, found[0], count, axis));
  INFERD_RETURN_IF_ERROR(set_trimmed(l, node, 1, found[1], count, 0));
  INFERD_RETURN_IF_ERROR(l.set_output(node, 2, found[2]));
  return set_trimmed(l, node, 3, found[3], count, 0);
}

}  // namespace inferd::import::onnx_lower

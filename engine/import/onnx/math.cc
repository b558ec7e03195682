// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {
namespace {

Status reduce(Lowering& l, const ForeignNode& node, ReduceKind kind) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto wanted, ints_from(l, node, "axes", 1));
  const int rank = l.info(x).shape.rank();
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  if (wanted.empty() && Lowering::int_attr(node, "noop_with_empty_axes", 0) != 0) {
    return l.set_output(node, 0, x);
  }
  ReduceAttrs attrs{kind, {}, Lowering::int_attr(node, "keepdims", 1) != 0};
  for (int d = 0; wanted.empty() && d < rank; ++d) attrs.axes.push_back(d);
  for (int64_t axis : wanted) {
    INFERD_ASSIGN_OR_RETURN(const int a, normalize_axis(axis, rank));
    attrs.axes.push_back(a);
  }
  std::sort(attrs.axes.begin(), attrs.axes.end());
  attrs.axes.erase(std::unique(attrs.axes.begin(), attrs.axes.end()), attrs.axes.end());
  return emit(l, node, OpKind::kReduce, std::array{x}, attrs);
}

Result<ValueId> scaled(Lowering& l, const ForeignNode& node, ValueId x, float factor) {
  if (factor == 1.F) return x;
  const ValueId c = l.builder().constant_floats(node.name + "/factor", {1}, std::span(&factor, 1));
  return l.builder().op(OpKind::kBinary, {x, c}, BinaryAttrs{BinaryKind::kMul, {}}, node.name);
}

}  // namespace

Status reduce_max(Lowering& l, const ForeignNode& n) { return reduce(l, n, ReduceKind::kMax); }
Status reduce_mean(Lowering& l, const ForeignNode& n) { return reduce(l, n, ReduceKind::kMean); }
Status reduce_min(Lowering& l, const ForeignNode& n) { return reduce(l, n, ReduceKind::kMin); }
Status reduce_prod(Lowering& l, const ForeignNode& n) { return reduce(l, n, ReduceKind::kProd); }
Status reduce_sum(Lowering& l, const ForeignNode& n) { return reduce(l, n, ReduceKind::kSum); }

// alpha * A' * B' + beta * C; the optimiser makes a fully connected layer of it when B is constant.
Status gemm(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId a, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId b, l.input(node, 1));
  const MatMulAttrs attrs{
      Lowering::int_attr(node, "transA", 0) != 0, Lowering::int_attr(node, "transB", 0) != 0, {}};
  const bool bias = l.has(node, 2);
  const float alpha = Lowering::float_attr(node, "alpha", 1.F);
  const bool last = !bias && alpha == 1.F;
  INFERD_ASSIGN_OR_RETURN(ValueId y, l.builder().op(OpKind::kMatMul, {a, b}, attrs, node.name,
                                                    last ? named(node) : OutputSpec{}));
  INFERD_ASSIGN_OR_RETURN(y, scaled(l, node, y, alpha));
  if (!bias) return l.set_output(node, 0, y);
  INFERD_ASSIGN_OR_RETURN(ValueId c, l.input(node, 2));
  INFERD_ASSIGN_OR_RETURN(c, scaled(l, node, c, Lowering::float_attr(node, "beta", 1.F)));
  return emit(l, node, OpKind::kBinary, std::array{y, c}, BinaryAttrs{BinaryKind::kAdd, {}});
}

Status matmul(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId a, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId b, l.input(node, 1));
  INFERD_RETURN_IF_ERROR(l.known_rank(a));
  INFERD_RETURN_IF_ERROR(l.known_rank(b));
  if (l.info(a).shape.rank() < 2 || l.info(b).shape.rank() < 2)
    return unimplemented("operands of rank 1");
  return emit(l, node, OpKind::kMatMul, std::array{a, b}, MatMulAttrs{});
}

// Before opset 13 everything from `axis` on is one dimension.
Status softmax(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const Shape s = l.info(x).shape;
  const bool flattens = node.version < 13;
  INFERD_ASSIGN_OR_RETURN(const int axis,
                          l.axis(Lowering::int_attr(node, "axis", flattens ? 1 : -1), x));
  if (!flattens || axis == s.rank() - 1) {
    return emit(l, node, OpKind::kSoftmax, std::array{x}, SoftmaxAttrs{axis, 1.F});
  }
  if (!s.is_static()) return failed_precondition("softmax over several dimensions of unknown size");
  INFERD_ASSIGN_OR_RETURN(
      const ValueId flat,
      l.builder().reshape(x, {s.elements(0, axis), s.elements(axis, s.rank())}, node.name));
  INFERD_ASSIGN_OR_RETURN(
      const ValueId y, l.builder().op(OpKind::kSoftmax, {flat}, SoftmaxAttrs{1, 1.F}, node.name));
  return emit(l, node, OpKind::kReshape, std::array{y}, ReshapeAttrs{{s.begin(), s.end()}, true});
}

Status arg_max(Lowering& l, const ForeignNode& node) {
  if (Lowering::int_attr(node, "select_last_index", 0) != 0)
    return unimplemented("select_last_index");
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(Lowering::int_attr(node, "axis", 0), x));
  return emit(l, node, OpKind::kArgMax, std::array{x},
              ArgMaxAttrs{axis, Lowering::int_attr(node, "keepdims", 1) != 0},
              OutputSpec::typed(named(node).name, DType::kInt64));
}

}  // namespace inferd::import::onnx_lower

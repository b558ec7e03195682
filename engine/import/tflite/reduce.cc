// SPDX-License-Identifier: Apache-2.0
//
// What looks along axes: reductions, normalisations, softmax.
#include <algorithm>
#include <array>

#include "engine/import/tflite/lower.h"

namespace inferd::import::tflite_lower {
namespace {

// The constant scalar at input `i` as an axis of `x`.
Result<int> axis_input(Lowering& l, const ForeignNode& node, size_t i, ValueId x) {
  INFERD_ASSIGN_OR_RETURN(const auto axis, l.ints(node, i));
  if (axis.size() != 1) return invalid_argument("axis is not a scalar");
  return l.axis(axis[0], x);
}

Result<ReduceAttrs> reduce_attrs(Lowering& l, const ForeignNode& node, ReduceKind kind, ValueId x) {
  INFERD_ASSIGN_OR_RETURN(const auto wanted, l.ints(node, 1));
  ReduceAttrs attrs{kind, {}, Lowering::int_attr(node, "keep_dims", 0) != 0};
  for (int64_t axis : wanted) {
    INFERD_ASSIGN_OR_RETURN(const int a, l.axis(axis, x));
    attrs.axes.push_back(a);
  }
  std::sort(attrs.axes.begin(), attrs.axes.end());
  attrs.axes.erase(std::unique(attrs.axes.begin(), attrs.axes.end()), attrs.axes.end());
  return attrs;
}

template <ReduceKind kKind>
Status reduce(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ReduceAttrs attrs, reduce_attrs(l, node, kKind, x));
  return emit(l, node, OpKind::kReduce, std::array{x}, attrs);
}

// Products of quantized numbers are computed in float32.
Status reduce_prod(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  if (l.info(x).quantization.empty()) return reduce<ReduceKind::kProd>(l, node);
  return in_float32(l, node, reduce<ReduceKind::kProd>);
}

template <bool kSmallest>
Status arg_max(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const int axis, axis_input(l, node, 1, x));
  return emit(l, node, OpKind::kArgMax, std::array{x},
              ArgMaxAttrs{.axis = axis, .smallest = kSmallest});
}

Status cumsum(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const int axis, axis_input(l, node, 1, x));
  return emit(l, node, OpKind::kCumSum, std::array{x},
              CumSumAttrs{.axis = axis,
                          .exclusive = Lowering::int_attr(node, "exclusive", 0) != 0,
                          .reverse = Lowering::int_attr(node, "reverse", 0) != 0});
}

Status softmax(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const float beta = Lowering::float_attr(node, "beta", 1.F);
  return emit(l, node, OpKind::kSoftmax, std::array{x}, SoftmaxAttrs{-1, beta == 0.F ? 1.F : beta});
}

Status log_softmax(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  return emit(l, node, OpKind::kSoftmax, std::array{x},
              SoftmaxAttrs{-1, 1.F, SoftmaxKind::kLogSoftmax});
}

Status l2_normalization(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const Activation act, activation(node));
  if (!act.none()) return unimplemented("a fused activation");
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(-1, x));
  constexpr float kEpsilon = 1e-6F;
  return emit(l, node, OpKind::kNormalize, std::array{x},
              NormalizeAttrs{NormalizeKind::kL2, axis, kEpsilon});
}

// x / (bias + alpha * sum of squares of `radius` channels on either side) ^ beta
Status local_response_normalization(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(-1, x));
  const int64_t radius = Lowering::int_attr(node, "radius", 0);
  return emit(l, node, OpKind::kLocalResponseNorm, std::array{x},
              LocalResponseNormAttrs{.axis = axis,
                                     .before = radius,
                                     .after = radius,
                                     .alpha = Lowering::float_attr(node, "alpha", 0.F),
                                     .beta = Lowering::float_attr(node, "beta", 0.F),
                                     .bias = Lowering::float_attr(node, "bias", 0.F)});
}

const Row kRows[] = {
    {"", "ARG_MAX", arg_max<false>},
    {"", "ARG_MIN", arg_max<true>},
    {"", "CUMSUM", cumsum},
    {"", "L2_NORMALIZATION", wide_in_float32<l2_normalization>},
    {"", "LOCAL_RESPONSE_NORMALIZATION", local_response_normalization},
    {"", "LOG_SOFTMAX", wide_in_float32<log_softmax>},
    {"", "MEAN", wide_in_float32<reduce<ReduceKind::kMean>>},
    {"", "REDUCE_ALL", reduce<ReduceKind::kMin>},
    {"", "REDUCE_ANY", reduce<ReduceKind::kMax>},
    {"", "REDUCE_MAX", wide_in_float32<reduce<ReduceKind::kMax>>},
    {"", "REDUCE_MIN", wide_in_float32<reduce<ReduceKind::kMin>>},
    {"", "REDUCE_PROD", reduce_prod},
    {"", "SOFTMAX", wide_in_float32<softmax>},
    {"", "SUM", wide_in_float32<reduce<ReduceKind::kSum>>},
};

}  // namespace

std::span<const Row> reduce_rows() { return kRows; }

}  // namespace inferd::import::tflite_lower

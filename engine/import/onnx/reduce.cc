// SPDX-License-Identifier: Apache-2.0
//
// What looks along axes: reductions, running sums, positions of extremes, softmax.
#include <algorithm>
#include <array>

#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {
namespace {

template <ReduceKind kKind>
Status reduce(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  INFERD_ASSIGN_OR_RETURN(const auto wanted, ints_from(l, node, "axes", 1));
  const int rank = l.info(x).shape.rank();
  if (wanted.empty() && Lowering::int_attr(node, "noop_with_empty_axes", 0) != 0) {
    return l.set_output(node, 0, x);
  }
  ReduceAttrs attrs{kKind, {}, Lowering::int_attr(node, "keepdims", 1) != 0};
  for (int d = 0; wanted.empty() && d < rank; ++d) attrs.axes.push_back(d);
  for (int64_t axis : wanted) {
    INFERD_ASSIGN_OR_RETURN(const int a, normalize_axis(axis, rank));
    attrs.axes.push_back(a);
  }
  std::sort(attrs.axes.begin(), attrs.axes.end());
  attrs.axes.erase(std::unique(attrs.axes.begin(), attrs.axes.end()), attrs.axes.end());
  return emit(l, node, OpKind::kReduce, std::array{x}, attrs);
}

template <bool kSmallest>
Status arg_max(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const int axis, l.axis(Lowering::int_attr(node, "axis", 0), x));
  const ArgMaxAttrs attrs{.axis = axis,
                          .keep_dims = Lowering::int_attr(node, "keepdims", 1) != 0,
                          .smallest = kSmallest,
                          .last = Lowering::int_attr(node, "select_last_index", 0) != 0};
  return emit(l, node, OpKind::kArgMax, std::array{x}, attrs,
              OutputSpec::typed(named(node).name, DType::kInt64));
}

Status cum_sum(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto axis, l.ints(node, 1));
  if (axis.size() != 1) return invalid_argument("axis is not a scalar");
  INFERD_ASSIGN_OR_RETURN(const int a, l.axis(axis[0], x));
  return emit(l, node, OpKind::kCumSum, std::array{x},
              CumSumAttrs{.axis = a,
                          .exclusive = Lowering::int_attr(node, "exclusive", 0) != 0,
                          .reverse = Lowering::int_attr(node, "reverse", 0) != 0});
}

// Before opset 13 everything from `axis` on is one dimension.
template <SoftmaxKind kKind>
Status softmax(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const Shape s = l.info(x).shape;
  const bool flattens = node.version < 13;
  INFERD_ASSIGN_OR_RETURN(const int axis,
                          l.axis(Lowering::int_attr(node, "axis", flattens ? 1 : -1), x));
  if (!flattens || axis == s.rank() - 1) {
    return emit(l, node, OpKind::kSoftmax, std::array{x}, SoftmaxAttrs{axis, 1.F, kKind});
  }
  if (!s.is_static()) return failed_precondition("softmax over several dimensions of unknown size");
  INFERD_ASSIGN_OR_RETURN(
      const ValueId flat,
      l.builder().reshape(x, {s.elements(0, axis), s.elements(axis, s.rank())}, node.name));
  INFERD_ASSIGN_OR_RETURN(const ValueId y, l.builder().op(OpKind::kSoftmax, {flat},
                                                          SoftmaxAttrs{1, 1.F, kKind}, node.name));
  return emit(l, node, OpKind::kReshape, std::array{y}, ReshapeAttrs{{s.begin(), s.end()}, true});
}

struct ReductionRow {
  const char* op;
  Lowering::LowerNode lower;
};
const ReductionRow kReductions[] = {
    {"ArgMax", arg_max<false>},
    {"ArgMin", arg_max<true>},
    {"CumSum", cum_sum},
    {"Hardmax", softmax<SoftmaxKind::kHardmax>},
    {"LogSoftmax", softmax<SoftmaxKind::kLogSoftmax>},
    {"ReduceL1", reduce<ReduceKind::kL1>},
    {"ReduceL2", reduce<ReduceKind::kL2>},
    {"ReduceLogSum", reduce<ReduceKind::kLogSum>},
    {"ReduceLogSumExp", reduce<ReduceKind::kLogSumExp>},
    {"ReduceMax", reduce<ReduceKind::kMax>},
    {"ReduceMean", reduce<ReduceKind::kMean>},
    {"ReduceMin", reduce<ReduceKind::kMin>},
    {"ReduceProd", reduce<ReduceKind::kProd>},
    {"ReduceSum", reduce<ReduceKind::kSum>},
    {"ReduceSumSquare", reduce<ReduceKind::kSumSquare>},
    {"Softmax", softmax<SoftmaxKind::kSoftmax>},
};

}  // namespace

Lowering::LowerNode find_reduction(const ForeignNode& node) {
  if (!node.domain.empty()) return nullptr;
  const auto row = std::find_if(std::begin(kReductions), std::end(kReductions),
                                [&](const ReductionRow& r) { return node.op == r.op; });
  return row == std::end(kReductions) ? nullptr : row->lower;
}

}  // namespace inferd::import::onnx_lower

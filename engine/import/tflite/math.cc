// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "engine/import/tflite/lower.h"

namespace inferd::import::tflite_lower {
namespace {

Status fully_connected(Lowering& l, const ForeignNode& node) {
  if (Lowering::int_attr(node, "weights_format", 0) != 0) return unimplemented("shuffled weights");
  INFERD_ASSIGN_OR_RETURN(auto inputs, weighted_inputs(l, node));
  INFERD_RETURN_IF_ERROR(l.known_rank(inputs[0]));
  const Shape& x = l.info(inputs[0]).shape;
  const Shape& w = l.info(inputs[1]).shape;
  if (w.rank() != 2) return invalid_argument("weights " + w.to_string() + " are not 2-D");
  const bool keep = Lowering::int_attr(node, "keep_num_dims", 0) != 0;
  if (!keep && x.rank() != 2) {
    // [N,...] with as many elements per row as weights: keep the batch where it shows.
    const bool batched =
        x.rank() > 2 && x.is_static() && x[0] == 1 && x.elements(1, x.rank()) == w[1];
    INFERD_ASSIGN_OR_RETURN(
        inputs[0], l.builder().reshape(inputs[0], {batched ? 1 : -1, w[1]}, node.name + "/flat"));
  }
  INFERD_ASSIGN_OR_RETURN(const Activation act, activation(node));
  return emit(l, node, OpKind::kFullyConnected, inputs, FullyConnectedAttrs{act});
}

Status softmax(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const float beta = Lowering::float_attr(node, "beta", 1.F);
  return emit(l, node, OpKind::kSoftmax, std::array{x}, SoftmaxAttrs{-1, beta == 0.F ? 1.F : beta});
}

template <ReduceKind kKind>
Status reduce(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto wanted, l.ints(node, 1));
  ReduceAttrs attrs;
  attrs.kind = kKind;
  attrs.keep_dims = Lowering::int_attr(node, "keep_dims", 0) != 0;
  for (int64_t axis : wanted) {
    INFERD_ASSIGN_OR_RETURN(const int a, l.axis(axis, x));
    attrs.axes.push_back(a);
  }
  std::sort(attrs.axes.begin(), attrs.axes.end());
  attrs.axes.erase(std::unique(attrs.axes.begin(), attrs.axes.end()), attrs.axes.end());
  return emit(l, node, OpKind::kReduce, std::array{x}, attrs);
}

Status arg_max(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const auto axis, l.ints(node, 1));
  if (axis.size() != 1) return invalid_argument("axis is not a scalar");
  INFERD_ASSIGN_OR_RETURN(const int a, l.axis(axis[0], x));
  return emit(l, node, OpKind::kArgMax, std::array{x}, ArgMaxAttrs{a, false});
}

const Row kRows[] = {
    {"", "ARG_MAX", arg_max},
    {"", "FULLY_CONNECTED", fully_connected},
    {"", "MEAN", reduce<ReduceKind::kMean>},
    {"", "REDUCE_MAX", reduce<ReduceKind::kMax>},
    {"", "REDUCE_MIN", reduce<ReduceKind::kMin>},
    {"", "REDUCE_PROD", reduce<ReduceKind::kProd>},
    {"", "SOFTMAX", softmax},
    {"", "SUM", reduce<ReduceKind::kSum>},
};

}  // namespace

std::span<const Row> math_rows() { return kRows; }

}  // namespace inferd::import::tflite_lower

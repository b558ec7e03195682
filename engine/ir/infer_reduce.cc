// SPDX-License-Identifier: Apache-2.0
//
// Shape rules of what looks along an axis: reductions, normalisations, running sums.
#include <algorithm>

#include "engine/ir/infer.h"

namespace inferd::ir {
namespace {

Status check_axis(const InferContext& c, int axis) {
  const Shape& x = c.input(0).shape;
  if (axis >= 0 && axis < x.rank()) return ok_status();
  return c.error("axis " + std::to_string(axis) + " is out of range for " + x.to_string());
}

// As x, for operators with an axis of their own.
Status same_with_axis(const InferContext& c, int axis) {
  INFERD_RETURN_IF_ERROR(check_axis(c, axis));
  return c.set(c.input(0).shape);
}

}  // namespace

Status infer_softmax(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const int axis = c.attrs<SoftmaxAttrs>().axis;
  const int rank = c.input(0).shape.rank();
  if (axis < -rank || axis >= rank) {
    return c.error("axis " + std::to_string(axis) + " is out of range for " +
                   c.input(0).shape.to_string());
  }
  return c.set(c.input(0).shape);
}

Status infer_batch_norm(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const int axis = c.attrs<BatchNormAttrs>().axis;
  const Shape& x = c.input(0).shape;
  INFERD_RETURN_IF_ERROR(check_axis(c, axis));
  for (size_t i = 1; i <= 2; ++i) {
    const Shape& p = c.input(i).shape;
    if (p.rank() != 1 || p[0] != x[axis]) {
      return c.error("parameters " + p.to_string() + " do not fit the channels of " +
                     x.to_string());
    }
  }
  return c.set(x);
}

Status infer_reduce(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<ReduceAttrs>();
  const Shape& x = c.input(0).shape;
  int previous = -1;
  for (int axis : attrs.axes) {
    if (axis <= previous || axis >= x.rank()) {
      return c.error("axes must be ascending and below the rank of " + x.to_string());
    }
    previous = axis;
  }
  Shape y;
  for (int i = 0; i < x.rank(); ++i) {
    const bool reduced = std::find(attrs.axes.begin(), attrs.axes.end(), i) != attrs.axes.end();
    if (!reduced) {
      y.push_back(x[i]);
    } else if (attrs.keep_dims) {
      y.push_back(1);
    }
  }
  return c.set(y);
}

Status infer_arg_max(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<ArgMaxAttrs>();
  const Shape& x = c.input(0).shape;
  if (attrs.axis < 0 || attrs.axis >= x.rank() || x[attrs.axis] == 0) {
    return c.error("axis " + std::to_string(attrs.axis) + " is out of range for " + x.to_string());
  }
  if (c.output().dtype != DType::kInt32 && c.output().dtype != DType::kInt64) {
    return c.error("output must be INT32 or INT64");
  }
  Shape y;
  for (int i = 0; i < x.rank(); ++i) {
    if (i != attrs.axis) {
      y.push_back(x[i]);
    } else if (attrs.keep_dims) {
      y.push_back(1);
    }
  }
  return c.set(y);
}

Status infer_cum_sum(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  return same_with_axis(c, c.attrs<CumSumAttrs>().axis);
}

Status infer_normalize(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<NormalizeAttrs>();
  const Shape& x = c.input(0).shape;
  if (!(attrs.epsilon >= 0.F)) return c.error("epsilon is negative or no number");
  for (size_t i = 1; i < c.inputs(); ++i) {
    Shape y;
    const Shape& p = c.input(i).shape;
    if (p.rank() > x.rank() || !broadcast(x, p, &y) || !(y == x)) {
      return c.error("scale or shift " + p.to_string() + " does not broadcast to " + x.to_string());
    }
  }
  return same_with_axis(c, attrs.axis);
}

Status infer_local_response_norm(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<LocalResponseNormAttrs>();
  if (attrs.before < 0 || attrs.after < 0) return c.error("counts a negative number of neighbours");
  return same_with_axis(c, attrs.axis);
}

}  // namespace inferd::ir

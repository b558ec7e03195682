// SPDX-License-Identifier: Apache-2.0
#include "engine/ir/infer.h"

namespace inferd::ir {

Status infer_fully_connected(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const Shape& x = c.input(0).shape;
  const Shape& w = c.input(1).shape;
  if (x.rank() < 1 || w.rank() != 2 || !w.is_static()) {
    return c.error("needs an input of rank 1 or more and static 2-D weights, got " + x.to_string() +
                   " and " + w.to_string());
  }
  if (x.back() != kDynamicDim && x.back() != w[1]) {
    return c.error("weights " + w.to_string() + " do not fit the input " + x.to_string());
  }
  if (c.inputs() > 2) {
    const Shape& bias = c.input(2).shape;
    if (bias.rank() != 1 || bias[0] != w[0]) {
      return c.error("bias has shape " + bias.to_string() + ", not [" + std::to_string(w[0]) + "]");
    }
  }
  Shape y = x;
  y[y.rank() - 1] = w[0];
  return c.set(y);
}

Status infer_matmul(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const auto& attrs = c.attrs<MatMulAttrs>();
  const Shape& a = c.input(0).shape;
  const Shape& b = c.input(1).shape;
  const std::string shapes = a.to_string() + " and " + b.to_string();
  if (a.rank() < 2 || b.rank() < 2) return c.error("needs matrices, got " + shapes);
  const int64_t m = a[a.rank() - (attrs.transpose_a ? 1 : 2)];
  const int64_t ka = a[a.rank() - (attrs.transpose_a ? 2 : 1)];
  const int64_t kb = b[b.rank() - (attrs.transpose_b ? 1 : 2)];
  const int64_t n = b[b.rank() - (attrs.transpose_b ? 2 : 1)];
  if (ka != kb && ka != kDynamicDim && kb != kDynamicDim) {
    return c.error("inner dimensions of " + shapes + " differ");
  }
  Shape y;
  if (!broadcast(Shape(a.dims().first(static_cast<size_t>(a.rank() - 2))),
                 Shape(b.dims().first(static_cast<size_t>(b.rank() - 2))), &y)) {
    return c.error("leading dimensions of " + shapes + " do not broadcast");
  }
  y.push_back(m);
  y.push_back(n);
  return c.set(y);
}

Status infer_determinant(Graph& graph, const Node& node) {
  const InferContext c(graph, node);
  const Shape& x = c.input(0).shape;
  const int rank = x.rank();
  const bool square = rank >= 2 && (x[rank - 2] == x[rank - 1] || x[rank - 2] == kDynamicDim ||
                                    x[rank - 1] == kDynamicDim);
  if (!square) return c.error("needs square matrices, got " + x.to_string());
  return c.set(Shape(x.dims().first(static_cast<size_t>(rank - 2))));
}

int64_t macs_fully_connected(const Graph& graph, const Node& node) {
  const Shape& y = graph.value(node.outputs[0]).shape;
  return y.elements() * graph.value(node.inputs[1]).shape[1];
}

int64_t macs_matmul(const Graph& graph, const Node& node) {
  const Shape& a = graph.value(node.inputs[0]).shape;
  const bool transposed = std::get<MatMulAttrs>(node.attrs).transpose_a;
  return graph.value(node.outputs[0]).shape.elements() * a[a.rank() - (transposed ? 2 : 1)];
}

}  // namespace inferd::ir

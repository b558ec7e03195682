// SPDX-License-Identifier: Apache-2.0
//
// Products of matrices, and what is computed of one.
#include <array>

#include "engine/import/onnx/formula.h"

namespace inferd::import::onnx_lower {

// alpha * A' * B' + beta * C; the optimiser makes a fully connected layer of it when B is constant.
Status gemm(Lowering& l, const ForeignNode& node) {
  Formula f(l, node);
  const MatMulAttrs attrs{
      Lowering::int_attr(node, "transA", 0) != 0, Lowering::int_attr(node, "transB", 0) != 0, {}};
  const ValueId product =
      f.scale(f.matmul(f.input(0), f.input(1), attrs), Lowering::float_attr(node, "alpha", 1.F));
  if (!f.has(2)) return f.finish(product);
  return f.finish(f.add(product, f.scale(f.input(2), Lowering::float_attr(node, "beta", 1.F))));
}

// numpy.matmul: a vector is a row on the left and a column on the right.
Status matmul(Lowering& l, const ForeignNode& node) {
  Formula f(l, node);
  ValueId a = f.input(0);
  ValueId b = f.input(1);
  INFERD_RETURN_IF_ERROR(f.status());
  const bool row = f.rank(a) == 1;
  const bool column = f.rank(b) == 1;
  if (f.rank(a) == 0 || f.rank(b) == 0) return invalid_argument("a scalar is no matrix");
  if (row) a = f.op(OpKind::kReshape, {a}, ReshapeAttrs{{1, -1}, false});
  if (column) b = f.op(OpKind::kReshape, {b}, ReshapeAttrs{{-1, 1}, false});
  ValueId y = f.matmul(a, b);
  INFERD_RETURN_IF_ERROR(f.status());
  if (row || column) {
    // Drops the dimensions of size 1 that the vectors brought along.
    const Shape full = f.static_shape(y, "the product with a vector");
    std::vector<int64_t> dims(full.begin(), full.end());
    if (column && !dims.empty()) dims.pop_back();
    if (row && !dims.empty()) dims.erase(dims.end() - (column ? 1 : 2));
    y = f.reshape(y, std::move(dims));
  }
  return f.finish(y);
}

// com.microsoft: alpha * A' * B'.
Status fused_matmul(Lowering& l, const ForeignNode& node) {
  if (Lowering::int_attr(node, "transBatchA", 0) != 0 ||
      Lowering::int_attr(node, "transBatchB", 0) != 0) {
    return unimplemented("transposed batches");
  }
  Formula f(l, node);
  const MatMulAttrs attrs{
      Lowering::int_attr(node, "transA", 0) != 0, Lowering::int_attr(node, "transB", 0) != 0, {}};
  const ValueId y = f.matmul(f.input(0), f.input(1), attrs);
  return f.finish(f.scale(y, Lowering::float_attr(node, "alpha", 1.F)));
}

Status determinant(Lowering& l, const ForeignNode& node) {
  Formula f(l, node);
  return f.finish(f.op(OpKind::kDeterminant, {f.input(0)}, {}));
}

}  // namespace inferd::import::onnx_lower

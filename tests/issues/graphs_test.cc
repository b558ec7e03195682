// SPDX-License-Identifier: Apache-2.0
//
// Graphs that once read or wrote outside of a tensor, or had no kernel where one was promised.
#include <gtest/gtest.h>

#include "engine/ir/builder.h"
#include "engine/ir/ops.h"
#include "tests/fuzz/run_graph.h"

namespace inferd {
namespace {

ir::ValueId zeros(ir::Builder& b, DType dtype, const Shape& shape) {
  const auto bytes = static_cast<size_t>(shape.elements()) * dtype_size(dtype);
  return b.constant_bytes("c", dtype, shape, std::vector<std::byte>(bytes));
}

void expect_runs(const ir::Graph& graph) {
  ASSERT_TRUE(ir::verify(graph).ok());
  const Status status = run_graph(graph);
  EXPECT_TRUE(status.ok()) << status.to_string();
}

// A view of two bytes was read as four.
TEST(Graphs, MovedDataKeepsItsType) {
  ir::Graph graph;
  ir::Builder b(graph);
  b.input("x", DType::kFloat32, {1});
  const auto y = b.op(OpKind::kReshape, {zeros(b, DType::kFloat16, {1})}, ReshapeAttrs{}, "reshape",
                      ir::OutputSpec::typed("y", DType::kFloat32, {}));
  ASSERT_TRUE(y.ok()) << y.status().to_string();
  b.output(*y);
  EXPECT_EQ(graph.value(*y).dtype, DType::kFloat16);
  expect_runs(graph);
}

// A shape without numbers makes a scalar, whose one element an empty tensor does not have.
TEST(Graphs, NothingIsNoScalar) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId x = b.input("x", DType::kFloat32, {});
  const auto none = b.op(OpKind::kShape, {x}, {}, "shape");
  ASSERT_TRUE(none.ok()) << none.status().to_string();
  const auto y = b.op(OpKind::kReshape, {*none, *none}, ReshapeAttrs{}, "reshape");
  EXPECT_EQ(y.status().code(), StatusCode::kInvalidArgument) << y.status().to_string();
}

// Packing weights took the constant data away with them.
TEST(Graphs, DataMayBeConstant) {
  ir::Graph graph;
  ir::Builder b(graph);
  b.input("x", DType::kFloat32, {1});
  const auto y = b.op(OpKind::kMatMul,
                      {zeros(b, DType::kFloat32, {5, 4, 2, 3}), zeros(b, DType::kFloat32, {3, 7})},
                      MatMulAttrs{}, "matmul");
  ASSERT_TRUE(y.ok()) << y.status().to_string();
  b.output(*y);
  expect_runs(graph);
}

// A table was to be made of a function that quantized numbers do not have.
TEST(Graphs, QuantizedNumbersHaveNoNot) {
  ir::Graph graph;
  ir::Builder b(graph);
  const Quantization q{{0.5F}, {3}, 0};
  const ir::ValueId x = b.input("x", DType::kInt8, {4}, q);
  const auto y = b.op(OpKind::kUnary, {x}, UnaryAttrs{.kind = UnaryKind::kNot}, "not",
                      ir::OutputSpec::typed("y", DType::kInt8, q));
  ASSERT_TRUE(y.ok()) << y.status().to_string();
  b.output(*y);
  expect_runs(graph);
}

// The one element that was to be repeated was not there.
TEST(Graphs, NothingMayBeRepeated) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId many = b.input("many", DType::kFloat32, {0, 3});
  const ir::ValueId one = b.input("one", DType::kFloat32, {0, 1});
  const auto y = b.op(OpKind::kBinary, {many, one}, BinaryAttrs{}, "add");
  ASSERT_TRUE(y.ok()) << y.status().to_string();
  b.output(*y);
  expect_runs(graph);
}

// Slopes that are more or fewer than the numbers were read all the same.
TEST(Graphs, SlopesBelongToNumbers) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId x = b.input("x", DType::kFloat32, {1});
  for (const int64_t slopes : {0, 3}) {
    const auto y = b.op(OpKind::kPRelu, {x, zeros(b, DType::kFloat32, {slopes})}, {}, "prelu");
    EXPECT_EQ(y.status().code(), StatusCode::kInvalidArgument) << slopes;
  }
}

}  // namespace
}  // namespace inferd

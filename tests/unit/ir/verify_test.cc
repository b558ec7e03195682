// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/ir/builder.h"

namespace inferd::ir {
namespace {

using ::testing::HasSubstr;

// x -> dequantize -> y
Graph with_input_quantization(DType dtype, Quantization quantization) {
  Graph graph;
  Builder b(graph);
  const ValueId x = b.input("x", dtype, {2, 3}, std::move(quantization));
  const Result<ValueId> y = b.op(OpKind::kDequantize, {x}, {}, "real");
  if (y.ok()) b.output(*y);
  return graph;
}

TEST(Verify, AcceptsZeroPointsInsideTheType) {
  EXPECT_TRUE(verify(with_input_quantization(DType::kUInt8, {{0.5F}, {255}, 0})).ok());
  EXPECT_TRUE(verify(with_input_quantization(DType::kInt8, {{0.5F}, {-128}, 0})).ok());
}

TEST(Verify, RefusesZeroPointsOutsideTheType) {
  const Status status = verify(with_input_quantization(DType::kInt8, {{0.5F}, {956301440}, 0}));
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(),
              HasSubstr("tensor 'x': zero point 956301440 is out of range for INT8"));
  EXPECT_FALSE(verify(with_input_quantization(DType::kUInt8, {{0.5F}, {-1}, 0})).ok());
}

TEST(Verify, RefusesScalesThatAreNotPositiveNumbers) {
  for (float scale : {0.F, -1.F, std::numeric_limits<float>::quiet_NaN(), kInf}) {
    EXPECT_FALSE(verify(with_input_quantization(DType::kInt8, {{scale}, {0}, 0})).ok()) << scale;
  }
}

TEST(Verify, RefusesQuantizationThatDoesNotFitItsAxis) {
  EXPECT_TRUE(verify(with_input_quantization(DType::kInt8, {{1, 2, 3}, {0, 0, 0}, 1})).ok());
  EXPECT_FALSE(verify(with_input_quantization(DType::kInt8, {{1, 2, 3}, {0, 0, 0}, 0})).ok());
  EXPECT_FALSE(verify(with_input_quantization(DType::kInt8, {{1, 2, 3}, {0, 0, 0}, 7})).ok());
  EXPECT_FALSE(verify(with_input_quantization(DType::kInt8, {{1, 2, 3}, {0, 0}, 1})).ok());
}

TEST(Verify, RefusesAValueThatIsUsedBeforeItIsMade) {
  Graph graph;
  const ValueId a = graph.add_value({"a", DType::kFloat32, {1}, true, {}, nullptr});
  const ValueId b = graph.add_value({"b", DType::kFloat32, {1}, true, {}, nullptr});
  graph.add_node({OpKind::kUnary, "first", UnaryAttrs{}, {b}, {a}});
  graph.add_node({OpKind::kUnary, "second", UnaryAttrs{}, {a}, {b}});
  graph.outputs().push_back(b);
  EXPECT_THAT(verify(graph).message(), HasSubstr("'b' is used before it is made"));
}

}  // namespace
}  // namespace inferd::ir

// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/opt/pass_testing.h"

namespace inferd::opt {
namespace {

using ir::ValueId;

constexpr float kEpsilon = 0.25F;

class FuseNormalize : public ::testing::Test {
 protected:
  ValueId binary(BinaryKind kind, ValueId a, ValueId c) {
    return ok(b.op(OpKind::kBinary, {a, c}, BinaryAttrs{kind, {}}, "binary"));
  }
  ValueId unary(UnaryKind kind, ValueId of) {
    return ok(b.op(OpKind::kUnary, {of}, UnaryAttrs{kind, 0.F, 0.F}, "unary"));
  }
  ValueId mean(ValueId of, std::vector<int> axes) {
    return ok(
        b.op(OpKind::kReduce, {of}, ReduceAttrs{ReduceKind::kMean, std::move(axes), true}, "mean"));
  }
  ValueId number(float value) { return b.constant_floats("number", {}, std::span(&value, 1)); }

  // sqrt(mean(d * d) + epsilon), the square as Pow.
  ValueId deviation(ValueId d, std::vector<int> axes, float epsilon = kEpsilon) {
    const ValueId square = binary(BinaryKind::kPow, d, number(2.F));
    return unary(UnaryKind::kSqrt,
                 binary(BinaryKind::kAdd, mean(square, std::move(axes)), number(epsilon)));
  }
  ValueId centred(std::vector<int> axes) {
    return binary(BinaryKind::kSub, x, mean(x, std::move(axes)));
  }

  ir::Graph graph;
  ir::Builder b{graph};
  ValueId x = b.input("x", DType::kFloat32, {2, 3, 8});
};

TEST_F(FuseNormalize, AsPyTorchExportsIt) {
  const ValueId d = centred({2});
  ValueId y = binary(BinaryKind::kDiv, d, deviation(d, {2}));
  y = binary(BinaryKind::kMul, y, random_floats(b, {8}));
  b.output(binary(BinaryKind::kAdd, random_floats(b, {8}, 2), y));
  optimize_checked(graph);
  ASSERT_EQ(graph.nodes().size(), 1U) << ir::to_text(graph);
  EXPECT_EQ(graph.nodes()[0].inputs.size(), 3U);
  EXPECT_EQ(std::get<NormalizeAttrs>(graph.nodes()[0].attrs),
            (NormalizeAttrs{NormalizeKind::kMeanVariance, 2, kEpsilon}));
}

TEST_F(FuseNormalize, WithAReciprocalRootOverSeveralDimensions) {
  const ValueId d = centred({1, 2});
  const ValueId variance = mean(binary(BinaryKind::kMul, d, d), {1, 2});
  const ValueId root =
      unary(UnaryKind::kRsqrt, binary(BinaryKind::kAdd, number(kEpsilon), variance));
  b.output(binary(BinaryKind::kMul, root, d));
  optimize_checked(graph);
  ASSERT_EQ(graph.nodes().size(), 1U) << ir::to_text(graph);
  EXPECT_EQ(graph.nodes()[0].kind, OpKind::kNormalize);
}

TEST_F(FuseNormalize, NotOverOtherDimensionsThanTheMean) {
  const ValueId d = centred({2});
  b.output(binary(BinaryKind::kDiv, d, deviation(d, {1, 2})));
  EXPECT_FALSE(run_checked(graph, fuse_normalize));
}

TEST_F(FuseNormalize, NotOverDimensionsThatAreNotLast) {
  const ValueId d = centred({1});
  b.output(binary(BinaryKind::kDiv, d, deviation(d, {1})));
  EXPECT_FALSE(run_checked(graph, fuse_normalize));
}

TEST_F(FuseNormalize, NotOfAnotherValue) {
  const ValueId other = b.input("z", DType::kFloat32, {2, 3, 8});
  const ValueId d = centred({2});
  b.output(binary(BinaryKind::kDiv, d, deviation(other, {2})));
  EXPECT_FALSE(run_checked(graph, fuse_normalize));
}

TEST_F(FuseNormalize, KeepsWhatAnotherReaderWants) {
  const ValueId d = centred({2});
  const ValueId y = binary(BinaryKind::kDiv, d, deviation(d, {2}));
  b.output(y);
  b.output(binary(BinaryKind::kMul, y, random_floats(b, {8})));
  optimize_checked(graph);
  EXPECT_EQ(count(graph, OpKind::kNormalize), 1);
  EXPECT_EQ(graph.nodes().size(), 2U) << ir::to_text(graph);
}

TEST_F(FuseNormalize, KeepsAConstantThatMakesTheResultLarger) {
  const ValueId row = b.input("row", DType::kFloat32, {1, 8});
  const ValueId y =
      ok(b.op(OpKind::kNormalize, {row}, NormalizeAttrs{.axis = 1, .epsilon = 1.F}, "normalize"));
  b.output(binary(BinaryKind::kMul, y, random_floats(b, {3, 8})));
  b.output(x);
  EXPECT_FALSE(run_checked(graph, fuse_normalize));
}

}  // namespace
}  // namespace inferd::opt

// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/opt/pass_testing.h"

namespace inferd::opt {
namespace {

using ir::OutputSpec;
using ir::ValueId;

const Quantization kX{{0.05F}, {3}, 0};
const Quantization kGate{{1.F / 256}, {-128}, 0};
const Quantization kY{{0.04F}, {-90}, 0};

class FuseLookup : public ::testing::Test {
 protected:
  ValueId input(const Shape& shape) {
    const ValueId x = b.input("x", DType::kInt8, shape);
    graph.value(x).quantization = kX;
    return x;
  }
  ValueId sigmoid(ValueId x) {
    return ok(b.op(OpKind::kUnary, {x}, UnaryAttrs{}, "sigmoid", quantized(kGate)));
  }
  ValueId multiply(ValueId a, ValueId c) {
    return ok(
        b.op(OpKind::kBinary, {a, c}, BinaryAttrs{BinaryKind::kMul, {}}, "mul", quantized(kY)));
  }
  static OutputSpec quantized(const Quantization& q) {
    return OutputSpec::typed("", DType::kInt8, q);
  }

  ir::Graph graph;
  ir::Builder b{graph};
};

TEST_F(FuseLookup, AGatedValueIsOneTable) {
  const ValueId x = input({2, 3, 50});
  b.output(multiply(x, sigmoid(x)));
  EXPECT_TRUE(run_checked(graph, fuse_lookup));
  graph.remove_dead();
  ASSERT_EQ(graph.nodes().size(), 1U) << ir::to_text(graph);
  EXPECT_EQ(graph.nodes()[0].kind, OpKind::kLookup);
  EXPECT_FALSE(run_checked(graph, fuse_lookup));
}

TEST_F(FuseLookup, ChainsGrowWhileOthersReadTheirMiddle) {
  const ValueId x = input({4, 64});
  const ValueId gate = sigmoid(x);
  b.output(gate);
  const ValueId clamped = ok(b.op(OpKind::kClamp, {gate}, ClampAttrs{{.min = 0.2F, .max = 0.7F}},
                                  "clamp", quantized(kGate)));
  b.output(ok(b.op(OpKind::kRequantize, {clamped}, RequantizeAttrs{}, "scale", quantized(kY))));
  EXPECT_TRUE(run_checked(graph, fuse_lookup));
  graph.remove_dead();
  EXPECT_EQ(count(graph, OpKind::kUnary), 1);
  EXPECT_EQ(count(graph, OpKind::kLookup), 1);
  EXPECT_EQ(graph.nodes().size(), 2U) << ir::to_text(graph);
}

TEST_F(FuseLookup, TwoSourcesStayTwo) {
  const ValueId x = input({4, 4});
  const ValueId z = b.input("z", DType::kInt8, {4, 4});
  graph.value(z).quantization = kX;
  b.output(multiply(x, sigmoid(z)));
  EXPECT_FALSE(run_checked(graph, fuse_lookup));
}

TEST_F(FuseLookup, ABroadcastOperandIsNotElementByElement) {
  const ValueId x = input({4, 4});
  const ValueId row = b.input("row", DType::kInt8, {1, 4});
  graph.value(row).quantization = kX;
  b.output(multiply(x, sigmoid(row)));
  EXPECT_FALSE(run_checked(graph, fuse_lookup));
}

TEST_F(FuseLookup, AConstantNumberIsPartOfTheTable) {
  const ValueId x = input({4, 16});
  const ValueId three = b.constant_bytes("three", DType::kInt8, {1}, {std::byte{63}}, kX);
  b.output(multiply(sigmoid(x), three));
  EXPECT_TRUE(run_checked(graph, fuse_lookup));
  graph.remove_dead();
  EXPECT_EQ(graph.nodes().size(), 1U) << ir::to_text(graph);
}

}  // namespace
}  // namespace inferd::opt

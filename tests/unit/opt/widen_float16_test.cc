// SPDX-License-Identifier: Apache-2.0
//
// Float16 models compute in float32. No kernel takes the graphs as they were, so what they must
// give is written here.
#include <cstring>

#include "engine/base/float16.h"
#include "tests/unit/opt/pass_testing.h"

namespace inferd::opt {
namespace {

using ir::ValueId;

class WidenFloat16 : public ::testing::Test {
 protected:
  ValueId half_input(const Shape& shape) { return b.input("x", DType::kFloat16, shape); }
  ValueId halves(const Shape& shape, const std::vector<float>& values) {
    std::vector<std::byte> bytes(2 * values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      const uint16_t bits = float_to_half(values[i]);
      std::memcpy(bytes.data() + 2 * i, &bits, sizeof bits);
    }
    return b.constant_bytes("c", DType::kFloat16, shape, bytes);
  }
  ValueId binary(BinaryKind kind, ValueId x, ValueId y) {
    return ok(b.op(OpKind::kBinary, {x, y}, BinaryAttrs{kind, {}}, "binary"));
  }
  ValueId cast(ValueId x, DType to) {
    return ok(b.op(OpKind::kCast, {x}, {}, "cast", ir::OutputSpec::typed("", to)));
  }
  void optimize_all() {
    const Status status = optimize(graph, context());
    ASSERT_TRUE(status.ok()) << status.to_string();
  }

  ir::Graph graph;
  ir::Builder b{graph};
};

TEST_F(WidenFloat16, ComputesInFloat32BetweenTheModelsInputsAndOutputs) {
  // 2048 + 1 is no float16: rounded in between, the difference would be 0.
  const ValueId x = half_input({2});
  const ValueId sum = binary(BinaryKind::kAdd, x, halves({2}, {1, 1}));
  b.output(binary(BinaryKind::kSub, sum, halves({2}, {2048, 0.5F})));
  optimize_all();
  EXPECT_EQ(count(graph, OpKind::kCast), 2) << ir::to_text(graph);
  EXPECT_EQ(graph.value(graph.outputs()[0]).dtype, DType::kFloat16);
  // Made of an input that is known, the whole graph is.
  graph.value(graph.inputs()[0]).constant = graph.value(halves({2}, {2048, 0.25F})).constant;
  optimize_all();
  ASSERT_TRUE(graph.nodes().empty()) << ir::to_text(graph);
  const auto bytes = graph.value(graph.outputs()[0]).constant->bytes();
  const auto* y = reinterpret_cast<const uint16_t*>(bytes.data());
  EXPECT_EQ(half_to_float(y[0]), 1.F);
  EXPECT_EQ(half_to_float(y[1]), 0.75F);
}

TEST_F(WidenFloat16, RoundsWhereTheModelCasts) {
  const ValueId x = half_input({2});
  const ValueId sum = binary(BinaryKind::kAdd, x, x);
  const ValueId rounded = cast(sum, DType::kFloat32);
  b.output(ok(b.op(OpKind::kUnary, {rounded}, UnaryAttrs{UnaryKind::kExp}, "exp")));
  optimize_all();
  EXPECT_EQ(count(graph, OpKind::kCast), 3) << ir::to_text(graph);
}

TEST_F(WidenFloat16, LeavesWhatOnlyMoves) {
  const ValueId x = half_input({2, 3});
  b.output(ok(b.transpose(x, {1, 0}, "transpose")));
  EXPECT_FALSE(ok(widen_float16(graph, context())));
}

TEST_F(WidenFloat16, MovesInFloat32WhatWasComputed) {
  const ValueId x = half_input({2, 3});
  const ValueId turned = ok(b.transpose(binary(BinaryKind::kAdd, x, x), {1, 0}, "transpose"));
  b.output(binary(BinaryKind::kMul, turned, turned));
  optimize_all();
  EXPECT_EQ(count(graph, OpKind::kCast), 2) << ir::to_text(graph);
}

TEST_F(WidenFloat16, KeepsWeightsInFloat16) {
  const ValueId x = half_input({1, 2, 2, 1});
  b.output(ok(b.op(OpKind::kConv2d, {x, halves({1, 1, 1, 1}, {3}), halves({1}, {0.5F})},
                   Conv2dAttrs{}, "conv")));
  optimize_all();
  ASSERT_EQ(count(graph, OpKind::kConv2d), 1);
  EXPECT_EQ(count(graph, OpKind::kCast), 2) << ir::to_text(graph);
  for (const ir::Node& node : graph.nodes()) {
    if (node.kind != OpKind::kConv2d) continue;
    EXPECT_EQ(graph.value(node.inputs[0]).dtype, DType::kFloat32);
    EXPECT_EQ(graph.value(node.inputs[1]).dtype, DType::kFloat16);
    EXPECT_EQ(graph.value(node.inputs[2]).dtype, DType::kFloat32);
  }
}

TEST_F(WidenFloat16, LeavesOutputsOfAnotherTypeAlone) {
  const ValueId x = half_input({2});
  b.output(ok(b.op(OpKind::kCompare, {x, halves({1}, {0})}, CompareAttrs{}, "compare")));
  optimize_all();
  EXPECT_EQ(count(graph, OpKind::kCast), 1) << ir::to_text(graph);
  EXPECT_EQ(graph.value(graph.outputs()[0]).dtype, DType::kBool);
}

}  // namespace
}  // namespace inferd::opt

// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tests/unit/opt/pass_testing.h"

namespace inferd::opt {
namespace {

using ir::OutputSpec;
using ir::ValueId;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Quantization kX{{0.01F}, {3}};
const Quantization kY{{0.04F}, {-5}};

ValueId dequantize(ir::Builder& b, ValueId x, const std::string& name) {
  return ok(b.op(OpKind::kDequantize, {x}, {}, name, OutputSpec::typed("", DType::kFloat32)));
}
ValueId quantize(ir::Builder& b, ValueId x, const std::string& name) {
  return ok(b.op(OpKind::kQuantize, {x}, {}, name, OutputSpec::typed("", DType::kInt8, kY)));
}

// "op node: reason" of each after all passes.
std::vector<std::string> left_after_optimisation(ir::Graph& graph) {
  Declined declined;
  PassContext passes = context();
  passes.declined = &declined;
  const ir::Graph before = graph;
  const Status status = optimize(graph, passes);
  EXPECT_TRUE(status.ok()) << status.to_string();
  expect_same_results(before, graph);
  std::vector<std::string> lines;
  for (const LeftConversion& c : left_conversions(graph, declined)) {
    lines.push_back(c.op + " " + c.node + ": " + c.reason);
  }
  return lines;
}

TEST(LeftConversions, NoneAtTheEdgesOfAQuantizedModel) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ValueId x = quantize(b, b.input("x", DType::kFloat32, {1, 4, 4, 2}), "q0");
  const ValueId s = ok(b.op(OpKind::kUnary, {dequantize(b, x, "dq0")}, UnaryAttrs{}, "sigmoid"));
  b.output(dequantize(b, quantize(b, s, "q1"), "dq1"));
  EXPECT_THAT(left_after_optimisation(graph), IsEmpty());
  EXPECT_EQ(count(graph, OpKind::kQuantize), 1);
  EXPECT_EQ(count(graph, OpKind::kDequantize), 1);
}

TEST(LeftConversions, NearestResizeMovesStoredValues) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ValueId x = b.input("x", DType::kInt8, {1, 4, 4, 2}, kX);
  ResizeAttrs attrs;
  attrs.out_h = attrs.out_w = 8;
  const ValueId y = ok(b.op(OpKind::kResize, {dequantize(b, x, "dq")}, attrs, "resize"));
  b.output(quantize(b, y, "q"));
  EXPECT_THAT(left_after_optimisation(graph), IsEmpty());
  EXPECT_EQ(count(graph, OpKind::kDequantize), 0) << ir::to_text(graph);
}

TEST(LeftConversions, NamesTheOperatorWithoutAnIntegerForm) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ValueId x = b.input("x", DType::kInt8, {1, 8}, kX);
  const ValueId z = b.input("z", DType::kInt8, {1, 8}, kX);
  const ValueId y = ok(b.op(OpKind::kBinary, {dequantize(b, x, "dqx"), dequantize(b, z, "dqz")},
                            BinaryAttrs{BinaryKind::kDiv, {}}, "ratio"));
  b.output(quantize(b, y, "q"));
  EXPECT_THAT(left_after_optimisation(graph),
              ElementsAre("dequantize dqx: binary div 'ratio' has no 8-bit form",
                          "dequantize dqz: binary div 'ratio' has no 8-bit form",
                          "quantize q: binary div 'ratio' has no 8-bit form"));
}

TEST(LeftConversions, NamesTheOtherReader) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ValueId x = b.input("x", DType::kInt8, {1, 8}, kX);
  const ValueId s = ok(b.op(OpKind::kUnary, {dequantize(b, x, "dq")}, UnaryAttrs{}, "sigmoid"));
  b.output(quantize(b, s, "q"));
  b.output(ok(b.op(OpKind::kUnary, {s}, UnaryAttrs{UnaryKind::kExp}, "exp")));
  const std::string reason =
      "the result of unary sigmoid 'sigmoid' is also read as float32 by unary exp 'exp'";
  EXPECT_THAT(left_after_optimisation(graph),
              ElementsAre("dequantize dq: " + reason, "quantize q: " + reason));
}

TEST(LeftConversions, NamesTheOperandThatIsNotQuantized) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ValueId x = b.input("x", DType::kInt8, {1, 8}, kX);
  const ValueId f = b.input("f", DType::kFloat32, {1, 8});
  const ValueId sum = ok(
      b.op(OpKind::kBinary, {dequantize(b, x, "dq"), f}, BinaryAttrs{BinaryKind::kAdd, {}}, "add"));
  b.output(quantize(b, sum, "q"));
  EXPECT_THAT(left_after_optimisation(graph),
              ElementsAre("dequantize dq: input 1 of binary add 'add' is not quantized",
                          "quantize q: input 1 of binary add 'add' is not quantized"));
}

TEST(LeftConversions, SaysThatAResultIsNotQuantized) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ValueId x = b.input("x", DType::kInt8, {1, 8}, kX);
  b.output(ok(b.op(OpKind::kSoftmax, {dequantize(b, x, "dq")}, SoftmaxAttrs{}, "softmax")));
  EXPECT_THAT(left_after_optimisation(graph),
              ElementsAre("dequantize dq: nothing quantizes the result of softmax 'softmax'"));
}

TEST(LeftConversions, NamesABiasThatIsComputed) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ValueId x = b.input("x", DType::kInt8, {1, 8}, kX);
  const ValueId w = random_int8s(b, {4, 8}, {{0.02F}, {0}});
  const ValueId bias = b.input("bias", DType::kFloat32, {4});
  const ValueId y =
      ok(b.op(OpKind::kFullyConnected, {dequantize(b, x, "dq"), dequantize(b, w, "dqw"), bias},
              FullyConnectedAttrs{}, "fc"));
  b.output(quantize(b, y, "q"));
  const std::string reason =
      "the bias of fully_connected 'fc' is not constant or does not fit into 32 bits";
  EXPECT_THAT(left_after_optimisation(graph),
              ElementsAre("dequantize dq: " + reason, "quantize q: " + reason));
}

}  // namespace
}  // namespace inferd::opt

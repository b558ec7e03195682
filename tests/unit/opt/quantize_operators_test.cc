// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/opt/pass_testing.h"

namespace inferd::opt {
namespace {

using ir::OutputSpec;
using ir::ValueId;

const Quantization kX{{0.01F}, {3}};
const Quantization kY{{0.04F}, {-5}};

ValueId dequantize(ir::Builder& b, ValueId x) {
  return ok(b.op(OpKind::kDequantize, {x}, {}, "dq", OutputSpec::typed("", DType::kFloat32)));
}
ValueId quantize(ir::Builder& b, ValueId x, const Quantization& q) {
  return ok(b.op(OpKind::kQuantize, {x}, {}, "q", OutputSpec::typed("y", DType::kInt8, q)));
}

TEST(QuantizeOperators, ConvolutionWithLayoutChangesAndClamp) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ValueId x = b.input("x", DType::kInt8, {1, 3, 6, 6}, kX);
  const ValueId w = random_int8s(b, {4, 3, 3, 3}, {{0.01F, 0.02F, 0.03F, 0.01F}, {0, 0, 0, 0}, 0});
  const ValueId bias = random_floats(b, {4});
  const ValueId nhwc = ok(b.transpose(dequantize(b, x), {0, 2, 3, 1}, "nhwc"));
  const ValueId ohwi = ok(b.transpose(dequantize(b, w), {0, 2, 3, 1}, "ohwi"));
  Conv2dAttrs attrs;
  attrs.window = {.kernel_h = 3, .kernel_w = 3, .pad_top = 1};
  const ValueId conv = ok(b.op(OpKind::kConv2d, {nhwc, ohwi, bias}, attrs, "conv"));
  const ValueId nchw = ok(b.transpose(conv, {0, 3, 1, 2}, "nchw"));
  const ValueId relu = ok(b.op(OpKind::kClamp, {nchw}, ClampAttrs{{0.F, kInf}}, "relu"));
  b.output(quantize(b, relu, kY));
  EXPECT_TRUE(run_checked(graph, quantize_operators));
  EXPECT_EQ(count(graph, OpKind::kDequantize), 0);
  EXPECT_EQ(count(graph, OpKind::kQuantize), 0);
  optimize_checked(graph);
  EXPECT_EQ(count(graph, OpKind::kConv2d), 1);
  EXPECT_EQ(count(graph, OpKind::kClamp), 0);
  EXPECT_LE(graph.nodes().size(), 3U) << ir::to_text(graph);
}

TEST(QuantizeOperators, AdditionAndConcat) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ValueId x = b.input("x", DType::kInt8, {1, 4, 4, 2}, kX);
  const ValueId z = b.input("z", DType::kInt8, {1, 4, 4, 2}, kY);
  const ValueId sum = ok(b.op(OpKind::kBinary, {dequantize(b, x), dequantize(b, z)},
                              BinaryAttrs{BinaryKind::kAdd, {}}, "add"));
  const ValueId joined =
      ok(b.op(OpKind::kConcat, {dequantize(b, quantize(b, sum, kY)), dequantize(b, x)},
              ConcatAttrs{3}, "concat"));
  b.output(quantize(b, joined, kY));
  optimize_checked(graph);
  EXPECT_EQ(count(graph, OpKind::kDequantize), 0) << ir::to_text(graph);
  EXPECT_EQ(count(graph, OpKind::kQuantize), 0) << ir::to_text(graph);
  EXPECT_EQ(count(graph, OpKind::kRequantize), 1) << ir::to_text(graph);
}

TEST(QuantizeOperators, LeavesWhatIsReadAsFloatToo) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ValueId x = b.input("x", DType::kInt8, {1, 8}, kX);
  const ValueId s = ok(b.op(OpKind::kUnary, {dequantize(b, x)}, UnaryAttrs{}, "sigmoid"));
  b.output(quantize(b, s, kY));
  b.output(s);
  EXPECT_FALSE(run_checked(graph, quantize_operators));
}

TEST(QuantizeOperators, LeavesFloatOperands) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ValueId x = b.input("x", DType::kInt8, {1, 8}, kX);
  const ValueId sum = ok(b.op(OpKind::kBinary, {dequantize(b, x), random_floats(b, {8})},
                              BinaryAttrs{BinaryKind::kAdd, {}}, "add"));
  b.output(quantize(b, sum, kY));
  EXPECT_FALSE(run_checked(graph, quantize_operators));
}

// The end of a detector: what follows the last convolution is float. quantize_operators and
// sink_transposes once moved its dequantize and its transpose past each other again and again, so
// that nothing was ever settled and the channel shuffle before it stayed as it was.
TEST(QuantizeOperators, SettlesBeforeAFloatEnd) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ValueId x = b.input("x", DType::kInt8, {1, 4, 3, 3}, kX);
  const ValueId split = ok(b.reshape(dequantize(b, x), {1, 2, 2, 9}, "split"));
  const ValueId shuffled = ok(b.transpose(split, {0, 2, 1, 3}, "shuffle"));
  const ValueId joined = ok(b.reshape(shuffled, {1, 4, 3, 3}, "join"));
  const ValueId nhwc = ok(b.transpose(joined, {0, 2, 3, 1}, "nhwc"));
  const ValueId w = dequantize(b, random_int8s(b, {5, 1, 1, 4}, {{0.01F}, {0}}));
  const ValueId conv = ok(b.op(OpKind::kConv2d, {nhwc, w}, Conv2dAttrs{}, "conv"));
  const ValueId nchw = ok(b.transpose(conv, {0, 3, 1, 2}, "nchw"));
  const ValueId real = dequantize(b, quantize(b, nchw, kY));
  b.output(ok(b.op(OpKind::kUnary, {real}, UnaryAttrs{UnaryKind::kExp}, "exp")));
  optimize_checked(graph);
  EXPECT_EQ(count(graph, OpKind::kStridedCopy), 1) << ir::to_text(graph);
  EXPECT_EQ(count(graph, OpKind::kDequantize), 1) << ir::to_text(graph);
  for (const Pass& pass : passes()) {
    EXPECT_FALSE(ok(pass.run(graph, context()))) << pass.name << "\n" << ir::to_text(graph);
  }
}

}  // namespace
}  // namespace inferd::opt

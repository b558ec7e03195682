// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstring>
#include <vector>

#include "engine/base/float16.h"
#include "tests/unit/opt/pass_testing.h"

namespace inferd::opt {
namespace {

using ir::ValueId;

class Passes : public ::testing::Test {
 protected:
  ValueId clamp(ValueId x, float low, float high) {
    return ok(b.op(OpKind::kClamp, {x}, ClampAttrs{{low, high}}, "clamp"));
  }
  ValueId conv(ValueId x, ValueId w, Window2d window = {}) {
    return ok(b.op(OpKind::kConv2d, {x, w}, Conv2dAttrs{window, 1, {}}, "conv"));
  }
  ValueId image() { return b.input("x", DType::kFloat32, {1, 5, 6, 3}); }

  ir::Graph graph;
  ir::Builder b{graph};
};

TEST_F(Passes, RemovesIdentities) {
  ValueId x = image();
  x = ok(b.reshape(x, {1, 5, 6, 3}, "same"));
  x = ok(b.transpose(x, {0, 1, 2, 3}, "same"));
  x = clamp(x, -kInf, kInf);
  x = ok(b.transpose(x, {0, 3, 1, 2}, "there"));
  x = ok(b.transpose(x, {0, 2, 3, 1}, "back"));
  b.output(clamp(x, 0, 1));
  optimize_checked(graph);
  EXPECT_EQ(graph.nodes().size(), 1U) << ir::to_text(graph);
}

TEST_F(Passes, KeepsAReversingSlice) {
  const ValueId x = image();
  b.output(clamp(ok(b.op(OpKind::kSlice, {x},
                         SliceAttrs{{0, 4, 0, 0}, {1, kSliceEnd, 6, 3}, {1, -1, 1, 1}}, "flip")),
                 0, 1));
  optimize_checked(graph);
  EXPECT_EQ(count(graph, OpKind::kSlice), 1);
}

TEST_F(Passes, FoldsConstants) {
  const ValueId c = random_floats(b, {3});
  const ValueId scaled = ok(b.op(OpKind::kUnary, {c}, UnaryAttrs{UnaryKind::kAbs}, "abs"));
  b.output(ok(b.op(OpKind::kBinary, {image(), scaled}, BinaryAttrs{}, "add")));
  EXPECT_TRUE(run_checked(graph, fold_constants));
  EXPECT_EQ(graph.nodes().size(), 1U);
}

TEST_F(Passes, DoesNotMakeLargeConstants) {
  b.output(ok(b.op(OpKind::kUnary, {random_floats(b, {100})}, UnaryAttrs{UnaryKind::kAbs}, "abs")));
  PassContext small = context();
  small.max_folded_bytes = 399;
  EXPECT_FALSE(ok(fold_constants(graph, small)));
}

TEST_F(Passes, FusesPadAndActivation) {
  const ValueId padded =
      ok(b.op(OpKind::kPad, {image()}, PadAttrs{{0, 1, 2, 0}, {0, 0, 1, 0}, 0.F}, "pad"));
  const ValueId y = conv(padded, random_floats(b, {4, 3, 3, 3}), {.kernel_h = 3, .kernel_w = 3});
  b.output(clamp(clamp(y, -0.5F, 2.F), 0.F, 6.F));
  optimize_checked(graph);
  ASSERT_EQ(graph.nodes().size(), 1U) << ir::to_text(graph);
  const auto& attrs = std::get<Conv2dAttrs>(graph.nodes()[0].attrs);
  EXPECT_EQ(attrs.activation, (Activation{0.F, 2.F}));
  EXPECT_EQ(attrs.window.pad_left, 2);
}

TEST_F(Passes, ClampsByMaximumAndMinimum) {
  const auto number = [&](float value) {
    return b.constant_floats("c", {1}, std::span(&value, 1));
  };
  ValueId y = conv(image(), random_floats(b, {4, 1, 1, 3}), {});
  y = ok(b.op(OpKind::kBinary, {number(-0.5F), y}, BinaryAttrs{BinaryKind::kMax, {}}, "max"));
  b.output(ok(b.op(OpKind::kBinary, {y, number(2)}, BinaryAttrs{BinaryKind::kMin, {}}, "min")));
  optimize_checked(graph);
  ASSERT_EQ(graph.nodes().size(), 1U) << ir::to_text(graph);
  EXPECT_EQ(std::get<Conv2dAttrs>(graph.nodes()[0].attrs).activation, (Activation{-0.5F, 2.F}));
}

TEST_F(Passes, KeepsAMaximumThatIsNoClamp) {
  const ValueId x = b.input("x", DType::kFloat32, {3});
  const ValueId several = random_floats(b, {3});
  const ValueId deeper = random_floats(b, {1, 1});
  const auto max = [&](ValueId c) {
    return ok(b.op(OpKind::kBinary, {x, c}, BinaryAttrs{BinaryKind::kMax, {}}, "max"));
  };
  b.output(max(several));
  b.output(max(deeper));
  EXPECT_FALSE(run_checked(graph, binary_to_clamp));
}

TEST_F(Passes, KeepsPadWithAnotherValue) {
  const ValueId padded =
      ok(b.op(OpKind::kPad, {image()}, PadAttrs{{0, 1, 1, 0}, {0, 1, 1, 0}, 1.F}, "pad"));
  b.output(conv(padded, random_floats(b, {4, 3, 3, 3}), {.kernel_h = 3, .kernel_w = 3}));
  EXPECT_FALSE(run_checked(graph, fuse_pad));
}

TEST_F(Passes, KeepsPadWithItsInputOrAComputedValue) {
  const Window2d window{.kernel_h = 3, .kernel_w = 3};
  const ValueId x = image();
  const PadAttrs mirror{{0, 1, 1, 0}, {0, 1, 1, 0}, 0.F, PadMode::kReflect};
  b.output(
      conv(ok(b.op(OpKind::kPad, {x}, mirror, "mirror")), random_floats(b, {4, 3, 3, 3}), window));
  const PadAttrs constant{{0, 1, 1, 0}, {0, 1, 1, 0}};
  const ValueId value = b.input("value", DType::kFloat32, {});
  b.output(conv(ok(b.op(OpKind::kPad, {x, value}, constant, "value")),
                random_floats(b, {4, 3, 3, 3}), window));
  EXPECT_FALSE(run_checked(graph, fuse_pad));
}

TEST_F(Passes, KeepsAClampWhoseInputIsUsedElsewhere) {
  const ValueId y = conv(image(), random_floats(b, {4, 1, 1, 3}));
  b.output(y);
  b.output(clamp(y, 0, 1));
  EXPECT_FALSE(run_checked(graph, fuse_activation));
}

TEST_F(Passes, FoldsBatchNorm) {
  const ValueId y = conv(image(), random_floats(b, {4, 1, 1, 3}));
  b.output(ok(b.op(OpKind::kBatchNorm, {y, random_floats(b, {4}, 2), random_floats(b, {4}, 3)},
                   BatchNormAttrs{3}, "bn")));
  EXPECT_TRUE(run_checked(graph, fold_batch_norm));
  EXPECT_EQ(graph.nodes().size(), 1U);
}

TEST_F(Passes, FoldsBatchNormIntoWeightsAndBias) {
  const ValueId x = image();
  const ValueId y =
      ok(b.op(OpKind::kDepthwiseConv2d, {x, random_floats(b, {1, 1, 3}), random_floats(b, {3}, 4)},
              Conv2dAttrs{}, "conv"));
  b.output(ok(b.op(OpKind::kBatchNorm, {y, random_floats(b, {3}, 2), random_floats(b, {3}, 3)},
                   BatchNormAttrs{3}, "bn")));
  EXPECT_TRUE(run_checked(graph, fold_batch_norm));
  EXPECT_EQ(graph.nodes().size(), 1U);
}

TEST_F(Passes, KeepsBatchNormBehindAnActivation) {
  Conv2dAttrs attrs;
  attrs.activation = {0.F, kInf};
  const ValueId y =
      ok(b.op(OpKind::kConv2d, {image(), random_floats(b, {4, 1, 1, 3})}, attrs, "conv"));
  b.output(ok(b.op(OpKind::kBatchNorm, {y, random_floats(b, {4}, 2), random_floats(b, {4}, 3)},
                   BatchNormAttrs{3}, "bn")));
  EXPECT_FALSE(run_checked(graph, fold_batch_norm));
}

TEST_F(Passes, DepthwiseWithSeveralOutputsPerChannelBecomesConv2d) {
  Conv2dAttrs attrs;
  attrs.window = {.kernel_h = 3, .kernel_w = 2, .stride_h = 2, .pad_top = 1};
  b.output(
      ok(b.op(OpKind::kDepthwiseConv2d,
              {image(), random_floats(b, {3, 2, 12}), random_floats(b, {12}, 4)}, attrs, "conv")));
  EXPECT_TRUE(run_checked(graph, depthwise_to_conv2d));
  ASSERT_EQ(graph.nodes().size(), 1U);
  EXPECT_EQ(graph.nodes()[0].kind, OpKind::kConv2d);
  EXPECT_EQ(std::get<Conv2dAttrs>(graph.nodes()[0].attrs).groups, 3);
}

TEST_F(Passes, DepthwiseWithSeveralOutputsPerChannelKeepsTheirScales) {
  Quantization q{{0.01F, 0.02F, 0.03F, 0.04F}, {0, 0, 0, 0}, 2};
  const Quantization one{{0.02F}, {-3}, 0};
  const ValueId x = b.input("x", DType::kInt8, {1, 5, 6, 1}, one);
  const ValueId w = random_int8s(b, {3, 3, 4}, std::move(q));
  Conv2dAttrs attrs;
  attrs.window = {.kernel_h = 3, .kernel_w = 3};
  b.output(ok(b.op(OpKind::kDepthwiseConv2d, {x, w}, attrs, "conv",
                   ir::OutputSpec::typed("y", DType::kInt8, {{0.5F}, {1}, 0}))));
  EXPECT_TRUE(run_checked(graph, depthwise_to_conv2d));
  EXPECT_EQ(graph.nodes()[0].kind, OpKind::kConv2d);
}

// Strides, kernels, dilations, what is cut off and added: the same numbers as the definition.
TEST_F(Passes, TransposedConvolutionsBecomeConvolutions) {
  struct Case {
    Window2d window;
    int extra_h = 0, extra_w = 0, groups = 1;
  };
  const Case cases[] = {
      {{.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2}},
      {{.kernel_h = 3, .kernel_w = 4, .stride_h = 2, .stride_w = 3, .pad_top = 1, .pad_right = 2}},
      {{.kernel_h = 3, .kernel_w = 3, .pad_top = 1, .pad_bottom = 1}, 0, 0, 3},
      {{.kernel_h = 3, .kernel_w = 2, .stride_h = 2, .stride_w = 4, .dilation_h = 3, .pad_left = 3},
       2,
       1,
       3},
      {{.kernel_h = 5, .kernel_w = 5, .stride_h = 3, .stride_w = 2, .pad_top = 4, .pad_left = 3},
       1},
      {{.kernel_h = 1, .kernel_w = 1, .stride_h = 2, .stride_w = 2, .pad_bottom = 3}, 4, 0},
  };
  for (const Case& c : cases) {
    ir::Graph conv;
    ir::Builder builder(conv);
    const ir::ValueId x = builder.input("x", DType::kFloat32, {2, 4, 5, 6});
    const ir::ValueId w =
        random_floats(builder, {3, c.window.kernel_h, c.window.kernel_w, 6 / c.groups}, 3);
    const ConvTranspose2dAttrs attrs{c.window, c.extra_h, c.extra_w, c.groups,
                                     Activation{-1.F, 2.F}};
    builder.output(ok(builder.op(OpKind::kConvTranspose2d, {x, w, random_floats(builder, {3}, 4)},
                                 attrs, "conv", ir::OutputSpec::named("y"))));
    SCOPED_TRACE(ir::to_text(conv));
    EXPECT_TRUE(run_checked(conv, conv_transpose_to_conv2d));
    EXPECT_EQ(count(conv, OpKind::kConvTranspose2d), 0);
  }
}

TEST_F(Passes, TransposedConvolutionsKeepTheirScales) {
  const ir::ValueId x = b.input("x", DType::kInt8, {1, 3, 4, 2}, {{0.5F}, {3}, 0});
  const ir::ValueId w = random_int8s(b, {2, 3, 3, 2}, {{0.01F, 0.02F}, {0, 0}, 0});
  const ir::ValueId bias =
      b.constant_int32s("bias", {2}, std::array{100, -700}, {{0.005F, 0.01F}, {0, 0}, 0});
  ConvTranspose2dAttrs attrs;
  attrs.window = {.kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2, .pad_top = 1};
  b.output(ok(b.op(OpKind::kConvTranspose2d, {x, w, bias}, attrs, "conv",
                   ir::OutputSpec::typed("y", DType::kInt8, {{0.25F}, {-7}, 0}))));
  EXPECT_TRUE(run_checked(graph, conv_transpose_to_conv2d));
  EXPECT_EQ(count(graph, OpKind::kConv2d), 1);
}

TEST_F(Passes, KeepsATransposedConvolutionThatSkipsPixels) {
  const ir::ValueId x = b.input("x", DType::kFloat32, {1, 4, 4, 1});
  ConvTranspose2dAttrs attrs;
  attrs.window = {.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2, .pad_top = 2};
  b.output(ok(b.op(OpKind::kConvTranspose2d, {x, random_floats(b, {1, 2, 2, 1})}, attrs, "conv")));
  EXPECT_FALSE(run_checked(graph, conv_transpose_to_conv2d));
}

TEST_F(Passes, KeepsDepthwiseWithOneOutputPerChannel) {
  Conv2dAttrs attrs;
  attrs.window = {.kernel_h = 3, .kernel_w = 3};
  b.output(
      ok(b.op(OpKind::kDepthwiseConv2d, {image(), random_floats(b, {3, 3, 3})}, attrs, "conv")));
  EXPECT_FALSE(run_checked(graph, depthwise_to_conv2d));
}

// Weights as a file with float16 constants has them: widened, then moved to the engine's layout.
class Float16Weights : public Passes {
 protected:
  ValueId halves(const Shape& shape) {
    std::vector<std::byte> bytes(static_cast<size_t>(shape.elements()) * 2);
    for (size_t i = 0; i < bytes.size() / 2; ++i) {
      const uint16_t half = float_to_half(static_cast<float>(i * 37 % 101) / 50.F - 1.F);
      std::memcpy(bytes.data() + 2 * i, &half, 2);
    }
    return b.constant_bytes("w", DType::kFloat16, shape, std::move(bytes));
  }
  ValueId dequantized(const Shape& shape) {
    return ok(b.op(OpKind::kDequantize, {halves(shape)}, {}, "widen"));
  }
  ValueId cast(const Shape& shape) {
    return ok(b.op(OpKind::kCast, {halves(shape)}, {}, "cast",
                   ir::OutputSpec::typed("", DType::kFloat32)));
  }
  DType weights_type(OpKind kind) const {
    const auto node = std::ranges::find(graph.nodes(), kind, &ir::Node::kind);
    return node == graph.nodes().end() ? DType::kBool : graph.value(node->inputs[1]).dtype;
  }
};

TEST_F(Float16Weights, StayFloat16BehindATranspose) {
  const ValueId w = ok(b.transpose(cast({5, 3, 3, 2}), {0, 2, 3, 1}, "ohwi"));
  const SliceAttrs four{{0, 0, 0, 0}, {4, 3, 2, 3}, {1, 1, 1, 1}};
  b.output(
      conv(image(), ok(b.op(OpKind::kSlice, {w}, four, "slice")), {.kernel_h = 3, .kernel_w = 2}));
  optimize_checked(graph);
  EXPECT_EQ(graph.nodes().size(), 1U) << ir::to_text(graph);
  EXPECT_EQ(weights_type(OpKind::kConv2d), DType::kFloat16);
}

TEST_F(Float16Weights, OfAMatrixProductStayFloat16) {
  for (const bool is_cast : {false, true}) {
    graph = ir::Graph();
    const ValueId x = b.input("x", DType::kFloat32, {2, 5});
    const ValueId w = is_cast ? cast({5, 3}) : dequantized({5, 3});
    b.output(ok(b.op(OpKind::kMatMul, {x, w}, MatMulAttrs{}, "matmul")));
    optimize_checked(graph);
    EXPECT_EQ(graph.nodes().size(), 1U) << ir::to_text(graph);
    EXPECT_EQ(weights_type(OpKind::kFullyConnected), DType::kFloat16);
  }
}

TEST_F(Float16Weights, AreWidenedForOtherOperatorsAndOtherUses) {
  const ValueId w = dequantized({4, 1, 1, 3});
  b.output(conv(image(), w));
  b.output(ok(b.op(OpKind::kUnary, {w}, UnaryAttrs{UnaryKind::kAbs}, "abs")));
  optimize_checked(graph);
  EXPECT_EQ(graph.nodes().size(), 1U) << ir::to_text(graph);
  EXPECT_EQ(weights_type(OpKind::kConv2d), DType::kFloat16);
}

TEST_F(Float16Weights, BecomeFloat32WithABatchNorm) {
  const ValueId y = conv(image(), dequantized({4, 1, 1, 3}));
  b.output(ok(b.op(OpKind::kBatchNorm, {y, random_floats(b, {4}, 2), random_floats(b, {4}, 3)},
                   BatchNormAttrs{3}, "bn")));
  optimize_checked(graph);
  EXPECT_EQ(graph.nodes().size(), 1U) << ir::to_text(graph);
  EXPECT_EQ(weights_type(OpKind::kConv2d), DType::kFloat32);
}

TEST_F(Passes, MatMulBecomesFullyConnectedWithBias) {
  const ValueId x = b.input("x", DType::kFloat32, {2, 5});
  const ValueId y = ok(b.op(OpKind::kMatMul, {x, random_floats(b, {5, 7})}, MatMulAttrs{}, "mm"));
  b.output(ok(b.op(OpKind::kBinary, {y, random_floats(b, {7})}, BinaryAttrs{}, "add")));
  EXPECT_TRUE(run_checked(graph, matmul_to_fully_connected));
  ASSERT_EQ(graph.nodes().size(), 2U);  // its weights are still to be turned
  EXPECT_EQ(graph.nodes()[1].kind, OpKind::kFullyConnected);
  EXPECT_TRUE(run_checked(graph, fold_constants));
  EXPECT_EQ(graph.nodes().size(), 1U);
}

TEST_F(Passes, FoldsChannelConstantsIntoAConvolution) {
  const ValueId y = conv(image(), random_floats(b, {4, 1, 1, 3}));
  const ValueId scaled = ok(b.op(OpKind::kBinary, {random_floats(b, {1, 1, 1, 4}, 2), y},
                                 BinaryAttrs{BinaryKind::kMul, {}}, "mul"));
  b.output(ok(b.op(OpKind::kBinary, {scaled, random_floats(b, {1}, 3)}, BinaryAttrs{}, "add")));
  optimize_checked(graph);
  EXPECT_EQ(graph.nodes().size(), 1U) << ir::to_text(graph);
}

TEST_F(Passes, KeepsConstantsThatAreNotPerChannel) {
  const ValueId y =
      conv(b.input("x", DType::kFloat32, {1, 4, 4, 3}), random_floats(b, {4, 1, 1, 3}));
  const ValueId rows = random_floats(b, {1, 4, 1, 1}, 2);
  b.output(ok(b.op(OpKind::kBinary, {y, rows}, BinaryAttrs{}, "add")));
  EXPECT_FALSE(run_checked(graph, binary_to_batch_norm));
}

TEST_F(Passes, FusesSilu) {
  const ValueId x = image();
  const ValueId gate = ok(b.op(OpKind::kUnary, {x}, UnaryAttrs{}, "sigmoid"));
  b.output(ok(b.op(OpKind::kBinary, {gate, x}, BinaryAttrs{BinaryKind::kMul, {}}, "mul")));
  optimize_checked(graph);
  ASSERT_EQ(graph.nodes().size(), 1U) << ir::to_text(graph);
}

TEST_F(Passes, KeepsAGateOfAnotherValue) {
  const ValueId x = image();
  const ValueId other = b.input("z", DType::kFloat32, {1, 5, 6, 3});
  const ValueId gate = ok(b.op(OpKind::kUnary, {other}, UnaryAttrs{}, "sigmoid"));
  b.output(ok(b.op(OpKind::kBinary, {gate, x}, BinaryAttrs{BinaryKind::kMul, {}}, "mul")));
  EXPECT_FALSE(run_checked(graph, fuse_silu));
}

TEST_F(Passes, MergesCommonNodes) {
  const ValueId x = image();
  const ValueId a = ok(b.op(OpKind::kUnary, {x}, UnaryAttrs{}, "a"));
  const ValueId c = ok(b.op(OpKind::kUnary, {x}, UnaryAttrs{}, "b"));
  const ValueId d = ok(b.op(OpKind::kUnary, {x}, UnaryAttrs{UnaryKind::kTanh}, "c"));
  const ValueId sum = ok(b.op(OpKind::kBinary, {a, c}, BinaryAttrs{}, "add"));
  b.output(ok(b.op(OpKind::kBinary, {sum, d}, BinaryAttrs{}, "add")));
  EXPECT_TRUE(run_checked(graph, merge_common));
  EXPECT_EQ(count(graph, OpKind::kUnary), 2);
}

// What a lowering from NCHW makes of conv, per-channel add, concat, mean over height and width.
TEST_F(Passes, TransposesBetweenImageOperatorsGo) {
  const ValueId x = b.input("x", DType::kFloat32, {1, 3, 5, 6});
  const ValueId nhwc = ok(b.transpose(x, {0, 2, 3, 1}, "in"));
  const ValueId y = ok(b.transpose(conv(nhwc, random_floats(b, {4, 1, 1, 3})), {0, 3, 1, 2}, "t"));
  const ValueId z =
      ok(b.transpose(conv(nhwc, random_floats(b, {4, 1, 1, 3}, 2)), {0, 3, 1, 2}, "t"));
  const ValueId biased =
      ok(b.op(OpKind::kBinary, {y, random_floats(b, {4, 1, 1}, 3)}, BinaryAttrs{}, "add"));
  const ValueId joined = ok(b.op(OpKind::kConcat, {biased, z}, ConcatAttrs{1}, "concat"));
  const ValueId part = ok(b.op(OpKind::kSlice, {joined},
                               SliceAttrs{{0, 2, 0, 0}, {1, 8, 5, 6}, {1, 2, 1, 1}}, "slice"));
  const ValueId soft = ok(b.op(OpKind::kSoftmax, {part}, SoftmaxAttrs{1}, "softmax"));
  b.output(
      ok(b.op(OpKind::kReduce, {soft}, ReduceAttrs{ReduceKind::kMean, {2, 3}, false}, "mean")));
  optimize_checked(graph);
  EXPECT_EQ(count(graph, OpKind::kTranspose), 1) << ir::to_text(graph);  // of the input
}

TEST_F(Passes, ChannelShuffleKeepsItsMeaning) {
  const ValueId x = b.input("x", DType::kFloat32, {1, 4, 3, 2});
  ValueId y = ok(b.reshape(x, {1, 2, 2, 3, 2}, "split"));
  y = ok(b.transpose(y, {0, 2, 1, 3, 4}, "swap"));
  b.output(ok(b.reshape(y, {1, 4, 3, 2}, "join")));
  optimize_checked(graph);
  EXPECT_EQ(count(graph, OpKind::kTranspose), 1);
}

TEST_F(Passes, ShuffledAndSplitChannelsAreCopiedOnce) {
  const auto nchw_conv = [&](ValueId x, unsigned seed) {
    const ValueId y = conv(ok(b.transpose(x, {0, 2, 3, 1}, "nhwc")),
                           random_floats(b, {4, 1, 1, graph.value(x).shape[1]}, seed));
    return ok(b.transpose(y, {0, 3, 1, 2}, "nchw"));
  };
  ValueId x = b.input("x", DType::kFloat32, {1, 3, 5, 6});
  ValueId y = ok(b.op(OpKind::kConcat, {nchw_conv(x, 1), nchw_conv(x, 2)}, ConcatAttrs{1}, "cat"));
  y = ok(b.reshape(y, {1, 2, 4, 5, 6}, "groups"));
  y = ok(b.transpose(y, {0, 2, 1, 3, 4}, "swap"));
  y = ok(b.reshape(y, {1, 8, 5, 6}, "join"));
  const auto part = [&](int64_t begin) {
    return ok(b.op(OpKind::kSlice, {y},
                   SliceAttrs{{0, begin, 0, 0}, {1, begin + 4, 5, 6}, {1, 1, 1, 1}}, "split"));
  };
  const ValueId z =
      ok(b.op(OpKind::kConcat, {part(0), nchw_conv(part(4), 3)}, ConcatAttrs{1}, "c"));
  b.output(ok(b.transpose(z, {0, 2, 3, 1}, "nhwc")));
  optimize_checked(graph);
  EXPECT_EQ(count(graph, OpKind::kTranspose), 1) << ir::to_text(graph);  // of the input
  EXPECT_EQ(count(graph, OpKind::kStridedCopy), 2);
  EXPECT_EQ(count(graph, OpKind::kSlice), 0);
  EXPECT_TRUE(ok(open_batch_dimension(graph)));
  EXPECT_EQ(graph.value(graph.outputs()[0]).shape, (Shape{kDynamicDim, 5, 6, 8}));
}

TEST_F(Passes, ViewsOfViewsBecomeOne) {
  ValueId y = b.input("x", DType::kFloat32, {2, 6, 4});
  y = ok(b.op(OpKind::kSlice, {y}, SliceAttrs{{0, 5, 0}, {2, kSliceEnd, 4}, {1, -2, 1}}, "back"));
  y = ok(b.transpose(y, {2, 0, 1}, "turn"));
  const int64_t indices[] = {-1, 1};
  y = ok(b.op(OpKind::kGather, {y, b.constant_int64s("i", indices)}, GatherAttrs{0}, "some"));
  y = ok(b.op(OpKind::kGather, {y, b.constant_int32s("j", {}, std::array{-1})}, GatherAttrs{2},
              "last"));
  y = ok(b.reshape(y, {2, 1, 2}, "apart"));
  const int64_t shape[] = {2, 3, 2};
  b.output(ok(b.op(OpKind::kExpand, {y, b.constant_int64s("s", shape)}, {}, "again")));
  optimize_checked(graph);
  ASSERT_EQ(graph.nodes().size(), 1U) << ir::to_text(graph);
  EXPECT_EQ(std::get<StridedCopyAttrs>(graph.nodes()[0].attrs),
            (StridedCopyAttrs{{2, 3, 2}, {-2, 0, 24}, 7, false}));
}

TEST_F(Passes, AStridedCopyTakesTheTransposeBehindIt) {
  const ValueId x = b.input("x", DType::kFloat32, {3, 4, 5});
  const StridedCopyAttrs shuffle{{2, 5, 2}, {2, -1, 1}, 4, true};
  // Runs of 5 that cross the rows of a transpose are no equal steps.
  const StridedCopyAttrs cross{{2, 5}, {2, 1}, 0, true};
  const ValueId turned = ok(b.transpose(x, {0, 2, 1}, "t"));
  b.output(ok(b.transpose(ok(b.op(OpKind::kStridedCopy, {x}, shuffle, "s")), {0, 3, 1, 2}, "t")));
  b.output(ok(b.op(OpKind::kStridedCopy, {turned}, cross, "cross")));
  optimize_checked(graph);
  EXPECT_EQ(count(graph, OpKind::kStridedCopy), 2) << ir::to_text(graph);
  EXPECT_EQ(count(graph, OpKind::kTranspose), 1);
}

TEST_F(Passes, ChainsBeginAtAValueThatIsReadElsewhere) {
  const ValueId x = b.input("x", DType::kFloat32, {4, 5});
  const ValueId t = ok(b.transpose(x, {1, 0}, "t"));
  b.output(t);
  b.output(ok(b.op(OpKind::kSlice, {t}, SliceAttrs{{1, 0}, {3, 4}, {1, 1}}, "slice")));
  EXPECT_FALSE(run_checked(graph, merge_views));
}

TEST_F(Passes, ViewsKeepAnOpenBatch) {
  const ValueId x = b.input("x", DType::kFloat32, {kDynamicDim, 2, 3});
  const ValueId t = ok(b.transpose(x, {0, 2, 1}, "t"));
  const ValueId y =
      ok(b.op(OpKind::kSlice, {t}, SliceAttrs{{0, 1, 0}, {kSliceEnd, 3, 2}, {1, 1, 1}}, "slice"));
  b.output(ok(b.reshape(y, {0, 4}, "flat")));
  // A batch that moves cannot be walked without its size.
  const ValueId moved = ok(b.transpose(x, {1, 0, 2}, "t"));
  b.output(ok(
      b.op(OpKind::kSlice, {moved}, SliceAttrs{{1, 0, 0}, {2, kSliceEnd, 3}, {1, 1, 1}}, "slice")));
  ASSERT_TRUE(optimize(graph, context()).ok());
  ASSERT_TRUE(ir::verify(graph).ok());
  EXPECT_EQ(count(graph, OpKind::kStridedCopy), 1) << ir::to_text(graph);
  EXPECT_EQ(graph.value(graph.outputs()[0]).shape, (Shape{kDynamicDim, 4}));
}

TEST_F(Passes, OpensTheBatchOfAClassifier) {
  const ValueId y = conv(image(), random_floats(b, {4, 1, 1, 3}));
  const ValueId flat = ok(b.reshape(y, {1, 120}, "flat"));
  b.output(ok(b.op(OpKind::kSoftmax, {flat}, SoftmaxAttrs{}, "softmax")));
  EXPECT_TRUE(ok(open_batch_dimension(graph)));
  EXPECT_EQ(graph.value(graph.inputs()[0]).shape[0], kDynamicDim);
  EXPECT_EQ(graph.value(graph.outputs()[0]).shape, (Shape{kDynamicDim, 120}));
  graph.value(graph.inputs()[0]).shape[0] = 3;
  ASSERT_TRUE(ir::infer_shapes(graph).ok());
  EXPECT_EQ(graph.value(graph.outputs()[0]).shape, (Shape{3, 120}));
}

TEST_F(Passes, OpensABatchThatHasIndicesOfItsOwn) {
  const ValueId x = b.input("x", DType::kFloat32, {1, 6, 2});
  const std::array<int64_t, 3> once = {1, 2, 1};
  const ValueId tiled = ok(b.op(OpKind::kTile, {x, b.constant_int64s("n", once)}, {}, "tile"));
  const std::array<int64_t, 1> three = {3};
  const std::vector<ir::OutputSpec> specs(2);
  const auto top = ok(b.ops(OpKind::kTopK, std::array{tiled, b.constant_int64s("k", three)},
                            TopKAttrs{1, true}, "top", specs));
  b.output(ok(b.op(OpKind::kGatherElements, {tiled, top[1]}, GatherAttrs{1, 0}, "elements")));
  const ValueId flat = ok(b.reshape(top[1], {1, 6}, "flat"));
  b.output(ok(b.op(OpKind::kGather, {tiled, flat}, GatherAttrs{1, 1}, "slices")));
  EXPECT_TRUE(ok(open_batch_dimension(graph)));
  EXPECT_EQ(graph.value(graph.outputs()[0]).shape, (Shape{kDynamicDim, 3, 2}));
  EXPECT_EQ(graph.value(graph.outputs()[1]).shape, (Shape{kDynamicDim, 6, 2}));
}

// The indices lead into one x for all of the batch: for two there would be none for the second.
TEST_F(Passes, LeavesABatchOfIndicesIntoAConstant) {
  const ValueId indices = b.input("i", DType::kInt64, {1, 2});
  b.output(ok(b.op(OpKind::kGather, {random_floats(b, {1, 5}), indices}, GatherAttrs{1, 1}, "g")));
  EXPECT_FALSE(ok(open_batch_dimension(graph)));
}

TEST_F(Passes, LeavesABatchThatIsMixed) {
  b.output(ok(b.op(OpKind::kReduce, {image()}, ReduceAttrs{ReduceKind::kMean, {0}, true}, "mean")));
  EXPECT_FALSE(ok(open_batch_dimension(graph)));
  EXPECT_EQ(graph.value(graph.inputs()[0]).shape[0], 1);
}

TEST_F(Passes, LeavesABatchThatMovesToAnotherDimension) {
  b.output(ok(b.transpose(b.input("x", DType::kFloat32, {1, 1, 4}), {1, 0, 2}, "t")));
  EXPECT_FALSE(ok(open_batch_dimension(graph)));
}

}  // namespace
}  // namespace inferd::opt

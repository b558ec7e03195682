// SPDX-License-Identifier: Apache-2.0
//
// What each TensorFlow Lite operator becomes, and what is refused and why.
#include <gmock/gmock.h>

#include <functional>
#include <numeric>

#include "tests/unit/import/import_testing.h"
#include "tests/unit/import/tflite_builder.h"

namespace inferd::import {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::HasSubstr;

using Dims = std::vector<int32_t>;

// An operand: a float input of the graph, or a constant.
struct Operand {
  TfliteTensor tensor;
  bool absent = false;
};
Operand X(const Dims& shape) { return {{.name = "", .shape = shape}}; }
Operand dynamic(const Dims& signature) {
  Dims shape = signature;
  std::replace(shape.begin(), shape.end(), -1, 2);
  return {{.name = "", .shape = shape, .signature = signature}};
}
Operand I(const Dims& values) {
  return {{.name = "",
           .shape = {static_cast<int32_t>(values.size())},
           .type = kTfliteInt32,
           .data = bytes_of(values)}};
}
Operand F(const Dims& shape) {
  const auto count = std::accumulate(shape.begin(), shape.end(), 1, std::multiplies<>());
  std::vector<float> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), 1.F);
  return {{.name = "", .shape = shape, .data = bytes_of(values)}};
}
// An input or, with `size` bytes, a constant of 8-bit numbers.
Operand Q(const Dims& shape, float scale, int64_t zero_point, size_t size = 0) {
  Operand o{{.name = "",
             .shape = shape,
             .type = kTfliteInt8,
             .scales = {scale},
             .zero_points = {zero_point}}};
  if (size > 0) o.tensor.data = std::string(size, '\1');
  return o;
}
Operand typed(const Dims& shape, int8_t type) {
  return {{.name = "", .shape = shape, .type = type}};
}
Operand none() { return {{}, true}; }

using Options = std::function<TfliteBuilder::Options(flatbuffers::FlatBufferBuilder&)>;

// A file of one operator.
std::string file(const std::string& op, std::vector<Operand> inputs, std::vector<Operand> outputs,
                 const Options& options = nullptr) {
  TfliteBuilder b;
  std::vector<int32_t> ins;
  std::vector<int32_t> graph_inputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].absent) {
      ins.push_back(-1);
      continue;
    }
    inputs[i].tensor.name = "x" + std::to_string(i);
    ins.push_back(b.tensor(inputs[i].tensor));
    if (!inputs[i].tensor.data) graph_inputs.push_back(ins.back());
  }
  std::vector<int32_t> outs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    outputs[i].tensor.name = "y" + std::to_string(i);
    outs.push_back(b.tensor(outputs[i].tensor));
  }
  b.op(op, ins, outs, options ? options(b.fbb()) : TfliteBuilder::Options(0));
  return b.finish(graph_inputs, outs);
}
// What becomes of it.
std::string lowered(const std::string& op, const std::vector<Operand>& inputs,
                    const std::vector<Operand>& outputs, const Options& options = nullptr) {
  return outcome(file(op, inputs, outputs, options));
}

// Options tables by their fields in order.
#define OPTIONS(table, ...)                                 \
  [&](flatbuffers::FlatBufferBuilder& fbb) {                \
    return tflite::Create##table(fbb, __VA_ARGS__).Union(); \
  }

constexpr int8_t kSame = 0;
constexpr int8_t kValid = 1;

TEST(TfliteLowering, Convolutions) {
  const Operand x = X({1, 5, 5, 2});
  const Operand w = F({3, 3, 3, 2});
  // padding, stride_w, stride_h, activation, dilation_w, dilation_h
  EXPECT_EQ(
      lowered("CONV_2D", {x, w, F({3})}, {X({1, 3, 3, 3})}, OPTIONS(Conv2DOptions, kSame, 2, 2, 1)),
      "%3:FP32[1,3,3,3] = conv2d kernel=3x3 stride=2x2 pad=1,1,1,1 clamp=0..inf (%0, const "
      "%1, const %2)  # y0\n");
  EXPECT_THAT(
      lowered("CONV_2D", {x, w}, {X({1, 1, 1, 3})}, OPTIONS(Conv2DOptions, kValid, 1, 1, 3, 2, 2)),
      HasSubstr("conv2d kernel=3x3 stride=1x1 dilation=2x2 clamp=0..6 (%0, const %1)"));
  EXPECT_THAT(lowered("CONV_2D", {X({1, 4, 5, 2}), w}, {X({1, 2, 3, 3})},
                      OPTIONS(Conv2DOptions, kSame, 2, 2, 2)),
              HasSubstr("pad=0,1,1,1 clamp=-1..1"))
      << "the odd pixel is at the end";
  EXPECT_THAT(lowered("CONV_2D", {X({1, 5, 5, 4}), w}, {X({1, 3, 3, 3})},
                      OPTIONS(Conv2DOptions, kValid, 1, 1)),
              HasSubstr("3 output channels cannot be split into 2 groups"));
  EXPECT_THAT(lowered("CONV_2D", {X({1, 5, 5, 4}), F({4, 3, 3, 2})}, {X({1, 3, 3, 4})},
                      OPTIONS(Conv2DOptions, kValid, 1, 1)),
              HasSubstr("groups=2"));
  EXPECT_THAT(lowered("CONV_2D", {X({1, 5, 5, 3}), w}, {X({1, 3, 3, 3})},
                      OPTIONS(Conv2DOptions, kValid, 1, 1)),
              HasSubstr("weights [3,3,3,2] do not fit the input [1,5,5,3]"));
  EXPECT_THAT(lowered("CONV_2D", {X({5, 5, 2}), w}, {X({1, 3, 3, 3})}),
              HasSubstr("needs 4-D input and weights"));
  EXPECT_THAT(lowered("CONV_2D", {x, F({3, 2})}, {X({1, 3, 3, 3})}),
              HasSubstr("needs 4-D input and weights"));
  EXPECT_THAT(lowered("CONV_2D", {dynamic({1, 5, 5, -1}), w}, {X({1, 3, 3, 3})},
                      OPTIONS(Conv2DOptions, kValid, 1, 1)),
              HasSubstr("late CONV_2D ("));
  EXPECT_THAT(lowered("CONV_2D", {dynamic({1, -1, 5, 2}), w}, {dynamic({1, -1, 3, 3})},
                      OPTIONS(Conv2DOptions, kSame, 2, 2)),
              HasSubstr("late CONV_2D ("));
  EXPECT_THAT(lowered("CONV_2D", {x, w}, {X({1, 3, 3, 3})}, OPTIONS(Conv2DOptions, kSame, 0, 2)),
              HasSubstr("kernel, stride or dilation is out of range"));
  EXPECT_THAT(lowered("CONV_2D", {x, w}, {X({1, 3, 3, 3})},
                      OPTIONS(Conv2DOptions, kSame, 1, 1, 0, 1 << 20, 1 << 20)),
              HasSubstr("SAME padding is out of range"));
  EXPECT_THAT(lowered("CONV_2D", {x, w}, {X({1, 3, 3, 3})}, OPTIONS(Conv2DOptions, kSame, 2, 2, 5)),
              HasSubstr("unsupported CONV_2D 'y0': fused activation other than"));
  EXPECT_THAT(
      lowered("CONV_2D", {x, w, F({4})}, {X({1, 3, 3, 3})}, OPTIONS(Conv2DOptions, kSame, 2, 2)),
      HasSubstr("bias has shape [4], not [3]"));
  EXPECT_THAT(lowered("CONV_2D", {x, w}, {X({1, 3, 3, 5})}, OPTIONS(Conv2DOptions, kSame, 2, 2)),
              HasSubstr("the file declares output 'y0' as [1,3,3,5]"));
  EXPECT_THAT(lowered("CONV_2D", {x}, {X({1, 3, 3, 3})}), HasSubstr("input 1 is missing"));
  // 8-bit weights under float activations.
  EXPECT_THAT(lowered("CONV_2D", {x, Q({3, 3, 3, 2}, 0.5F, 0, 54)}, {X({1, 3, 3, 3})},
                      OPTIONS(Conv2DOptions, kValid, 1, 1)),
              AllOf(HasSubstr("dequantize"), HasSubstr("conv2d")));
}

TEST(TfliteLowering, QuantizedConvolutionsCheckTheirBias) {
  const auto convolve = [](float bias_scale) {
    Operand bias = I({1, 2, 3});
    bias.tensor.scales = {bias_scale};
    bias.tensor.zero_points = {0};
    return lowered("CONV_2D", {Q({1, 3, 3, 2}, 0.5F, 1), Q({3, 1, 1, 2}, 0.25F, 0, 6), bias},
                   {Q({1, 3, 3, 3}, 1.F, 2)}, OPTIONS(Conv2DOptions, kValid, 1, 1));
  };
  EXPECT_THAT(convolve(0.125F), HasSubstr("INT8[1,3,3,3] q(1,2) = conv2d"));
  EXPECT_THAT(convolve(0.5F), HasSubstr("bias 'x2' has scale 0.500000, input scale times weight "
                                        "scale is 0.125000"));
}

TEST(TfliteLowering, DepthwiseConvolutions) {
  // padding, stride_w, stride_h, depth_multiplier, activation
  const auto options = OPTIONS(DepthwiseConv2DOptions, kValid, 1, 1, 1);
  EXPECT_EQ(
      lowered("DEPTHWISE_CONV_2D", {X({1, 5, 5, 2}), F({1, 3, 3, 2})}, {X({1, 3, 3, 2})}, options),
      "%3:FP32[1,3,3,2] = depthwise_conv2d kernel=3x3 stride=1x1 (%0, const %2)  # y0\n");
  EXPECT_THAT(
      lowered("DEPTHWISE_CONV_2D", {X({1, 5, 5, 2}), X({1, 3, 3, 2})}, {X({1, 3, 3, 2})}, options),
      AllOf(HasSubstr("reshape dims=[3,3,2]"), HasSubstr("depthwise_conv2d")))
      << "computed weights";
  EXPECT_THAT(
      lowered("DEPTHWISE_CONV_2D", {X({1, 5, 5, 2}), F({2, 3, 3, 2})}, {X({1, 3, 3, 2})}, options),
      HasSubstr("weights [2,3,3,2] are not [1,H,W,C]"));
  EXPECT_THAT(
      lowered("DEPTHWISE_CONV_2D", {X({1, 5, 5, 3}), F({1, 3, 3, 2})}, {X({1, 3, 3, 2})}, options),
      HasSubstr("2 output channels are not a multiple of the input's 3"));
  const auto quantized = [&](int32_t axis, bool constant) {
    Operand w = Q({1, 3, 3, 2}, 0.5F, 0, constant ? 18 : 0);
    w.tensor.scales = {0.5F, 0.25F};
    w.tensor.zero_points = {0, 0};
    w.tensor.axis = axis;
    return lowered("DEPTHWISE_CONV_2D", {Q({1, 5, 5, 2}, 1.F, 0), w}, {Q({1, 3, 3, 2}, 1.F, 0)},
                   options);
  };
  EXPECT_THAT(quantized(3, true), HasSubstr("depthwise_conv2d"));
  EXPECT_THAT(quantized(0, true), HasSubstr("weights are quantized along axis 0"));
  EXPECT_THAT(quantized(3, false), HasSubstr("unsupported DEPTHWISE_CONV_2D 'y0': computed weights "
                                             "with per-channel quantization"));
}

TEST(TfliteLowering, FullyConnected) {
  // activation, weights_format, keep_num_dims
  EXPECT_EQ(lowered("FULLY_CONNECTED", {X({2, 3}), F({4, 3}), F({4})}, {X({2, 4})},
                    OPTIONS(FullyConnectedOptions, 1)),
            "%3:FP32[2,4] = fully_connected clamp=0..inf (%0, const %1, const %2)  # y0\n");
  EXPECT_THAT(lowered("FULLY_CONNECTED", {X({1, 4, 8}), F({5, 8})}, {X({1, 4, 5})},
                      OPTIONS(FullyConnectedOptions, 0, 0, true)),
              HasSubstr("FP32[1,4,5] = fully_connected (%0, const %1)"));
  EXPECT_THAT(lowered("FULLY_CONNECTED", {X({1, 2, 4}), F({5, 8}), none()}, {X({1, 5})}),
              HasSubstr("FP32[1,8] = reshape dims=[1,8]"));
  EXPECT_THAT(lowered("FULLY_CONNECTED", {X({2, 3}), F({4, 3})}, {X({2, 4})},
                      OPTIONS(FullyConnectedOptions, 0, 1)),
              HasSubstr("unsupported FULLY_CONNECTED 'y0': shuffled weights"));
  EXPECT_THAT(lowered("FULLY_CONNECTED", {X({2, 3}), F({4, 3, 1})}, {X({2, 4})}),
              HasSubstr("weights [4,3,1] are not 2-D"));
  EXPECT_THAT(lowered("FULLY_CONNECTED", {X({2, 3}), F({4, 2})}, {X({2, 4})}),
              HasSubstr("weights [4,2] do not fit the input [2,3]"));
}

// Without keep_num_dims [1,4,8] is four rows of eight.
TEST(TfliteLowering, FullyConnectedTakesTheRowsOfAnyShape) {
  const std::string bytes = file("FULLY_CONNECTED", {X({1, 4, 8}), F({1, 8})}, {X({4, 1})});
  EXPECT_THAT(outcome(bytes), AllOf(HasSubstr("FP32[4,8] = reshape dims=[-1,8]"),
                                    HasSubstr("FP32[4,1] = fully_connected")));
  std::vector<float> x(32, 0.F);
  x[0] = 1;   // row 0 times weight 1
  x[15] = 1;  // row 1 times weight 8
  x[17] = 2;  // row 2 times weight 2
  EXPECT_THAT(run_floats(bytes, {x}), ElementsAre(1, 8, 4, 0));
}

TEST(TfliteLowering, Pools) {
  // padding, stride_w, stride_h, filter_w, filter_h, activation
  EXPECT_EQ(lowered("MAX_POOL_2D", {X({1, 5, 5, 2})}, {X({1, 3, 3, 2})},
                    OPTIONS(Pool2DOptions, kSame, 2, 2, 3, 3)),
            "%1:FP32[1,3,3,2] = max_pool2d kernel=3x3 stride=2x2 pad=1,1,1,1 (%0)  # y0\n");
  EXPECT_THAT(lowered("AVERAGE_POOL_2D", {X({1, 5, 4, 2})}, {X({1, 2, 2, 2})},
                      OPTIONS(Pool2DOptions, kValid, 2, 3, 2, 1, 3)),
              HasSubstr("average_pool2d kernel=1x2 stride=3x2 clamp=0..6"));
  EXPECT_THAT(lowered("MAX_POOL_2D", {X({5, 5})}, {X({1, 3, 3, 2})},
                      OPTIONS(Pool2DOptions, kSame, 2, 2, 3, 3)),
              HasSubstr("input [5,5] is not 4-D"));
  EXPECT_THAT(lowered("MAX_POOL_2D", {X({1, 5, 5, 2})}, {X({1, 3, 3, 2})},
                      OPTIONS(Pool2DOptions, kSame, 2, 2, -3, 3)),
              HasSubstr("is out of range"));
  EXPECT_THAT(lowered("MAX_POOL_2D", {X({1, 2, 2, 2})}, {X({1, 1, 1, 2})},
                      OPTIONS(Pool2DOptions, kValid, 1, 1, 3, 3)),
              HasSubstr("the window is larger than the padded input [1,2,2,2]"));
}

TEST(TfliteLowering, RootMeanSquarePools) {
  EXPECT_THAT(lowered("L2_POOL_2D", {X({1, 5, 4, 2})}, {X({1, 2, 2, 2})},
                      OPTIONS(Pool2DOptions, kValid, 2, 3, 2, 1, 1)),
              AllOf(HasSubstr("unary square"), HasSubstr("average_pool2d kernel=1x2 stride=3x2 ("),
                    HasSubstr("unary sqrt"), HasSubstr("clamp clamp=0..inf")));
}

TEST(TfliteLowering, TransposedConvolutions) {
  // padding, stride_w, stride_h, activation
  const Operand w = F({3, 3, 2, 2});
  const Operand x = X({1, 4, 5, 2});
  EXPECT_THAT(lowered("TRANSPOSE_CONV", {I({1, 8, 10, 3}), w, x, F({3})}, {X({1, 8, 10, 3})},
                      OPTIONS(TransposeConvOptions, kSame, 2, 2, 1)),
              HasSubstr("FP32[1,8,10,3] = conv_transpose2d kernel=3x2 stride=2x2 pad=0,0,1,0 "
                        "clamp=0..inf (%0, const %1, const %2)"));
  EXPECT_THAT(lowered("TRANSPOSE_CONV", {I({1, 10, 11, 3}), w, x}, {X({1, 10, 11, 3})},
                      OPTIONS(TransposeConvOptions, kValid, 2, 2)),
              HasSubstr("conv_transpose2d kernel=3x2 stride=2x2 extra_h=1 extra_w=1 ("));
  EXPECT_THAT(lowered("TRANSPOSE_CONV", {I({1, 8, 3}), w, x}, {X({1, 8, 10, 3})},
                      OPTIONS(TransposeConvOptions, kSame, 2, 2)),
              HasSubstr("the output shape has 3 entries, not 4"));
  EXPECT_THAT(lowered("TRANSPOSE_CONV", {typed({4}, kTfliteInt32), w, x}, {X({1, 8, 10, 3})},
                      OPTIONS(TransposeConvOptions, kSame, 2, 2)),
              HasSubstr("late TRANSPOSE_CONV ("));
  EXPECT_THAT(lowered("TRANSPOSE_CONV", {I({1, 1 << 30, 10, 3}), w, x}, {X({1, 8, 10, 3})},
                      OPTIONS(TransposeConvOptions, kSame, 2, 2)),
              HasSubstr("the output size is out of range"));
  EXPECT_THAT(lowered("TRANSPOSE_CONV", {I({1, 8, 10, 3}), F({3, 3}), x}, {X({1, 8, 10, 3})},
                      OPTIONS(TransposeConvOptions, kSame, 2, 2)),
              HasSubstr("are not both 4-D"));
}

TEST(TfliteLowering, ConvolutionsOfVolumes) {
  // padding, stride_d, stride_w, stride_h, activation; dilations
  EXPECT_THAT(lowered("CONV_3D", {X({1, 4, 5, 6, 2}), F({3, 2, 3, 2, 5})}, {X({1, 2, 5, 6, 5})},
                      OPTIONS(Conv3DOptions, kSame, 2, 1, 1)),
              AllOf(HasSubstr("FP32[2,5,6,6] = reshape"),
                    HasSubstr("conv2d kernel=2x3 stride=1x1 pad=0,1,1,1"),
                    HasSubstr("FP32[1,2,5,6,5] = reshape")));
  EXPECT_THAT(lowered("CONV_3D", {X({1, 2, 5, 6, 2}), F({3, 2, 3, 2, 5})}, {X({1, 2, 5, 6, 5})},
                      OPTIONS(Conv3DOptions, kValid, 1, 1, 1)),
              HasSubstr("the window is deeper than the volume"));
  // One layer of ones for each of two layers, and one between the second and the third.
  const std::string bytes = file(
      "CONV_3D_TRANSPOSE",
      {I({1, 5, 1, 1, 1}),
       {{.name = "", .shape = {3, 1, 1, 1, 1}, .data = bytes_of(std::vector<float>{1, 10, 100})}},
       X({1, 2, 1, 1, 1})},
      {X({1, 5, 1, 1, 1})}, OPTIONS(Conv3DOptions, kValid, 2, 1, 1));
  EXPECT_THAT(run_floats(bytes, {{3, 4}}), ElementsAre(3, 30, 304, 40, 400));
}

TEST(TfliteLowering, MatrixProducts) {
  EXPECT_THAT(lowered("BATCH_MATMUL", {X({2, 3, 4}), X({2, 5, 4})}, {X({2, 3, 5})},
                      OPTIONS(BatchMatMulOptions, false, true)),
              HasSubstr("FP32[2,3,5] = matmul transpose_b (%0, %1)"));
  EXPECT_THAT(lowered("BATCH_MATMUL", {X({2, 4}), Q({4, 5}, 0.5F, 0, 20)}, {X({2, 5})}),
              AllOf(HasSubstr("FP32[4,5] = dequantize"), HasSubstr("FP32[2,5] = matmul")));
}

TEST(TfliteLowering, WeightsOfFourBits) {
  constexpr int8_t kInt4 = 17;
  Operand w{{.name = "", .shape = {1, 3}, .type = kInt4, .data = "\x21\x0f"}};
  w.tensor.scales = {0.5F};
  w.tensor.zero_points = {0};
  EXPECT_THAT(run_floats(file("FULLY_CONNECTED", {X({1, 3}), w}, {X({1, 1})}), {{1, 10, 100}}),
              ElementsAre(0.5F + 10 - 50));
  w.tensor.shape = {1, 5};
  EXPECT_THAT(lowered("FULLY_CONNECTED", {X({1, 5}), w}, {X({1, 1})}),
              HasSubstr("has 2 bytes of data, [1,5] needs 3"));
  EXPECT_THAT(lowered("DEQUANTIZE", {typed({3}, kInt4)}, {X({3})}),
              HasSubstr("integers of 4 bits are supported as constants only"));
}

// The bytes of a C struct of integers.
std::vector<uint8_t> words(const std::vector<int32_t>& values) {
  const std::string bytes = bytes_of(values);
  return {bytes.begin(), bytes.end()};
}
std::string custom_file(const char* op, const std::vector<TfliteTensor>& inputs,
                        const std::vector<TfliteTensor>& outputs,
                        const std::vector<uint8_t>& options = {}) {
  TfliteBuilder b;
  std::vector<int32_t> in;
  std::vector<int32_t> graph_in;
  for (const TfliteTensor& t : inputs) {
    in.push_back(b.tensor(t));
    if (!t.data) graph_in.push_back(in.back());
  }
  std::vector<int32_t> out;
  for (const TfliteTensor& t : outputs) out.push_back(b.tensor(t));
  b.custom(op, in, out, options);
  return b.finish(graph_in, out);
}

TEST(TfliteLowering, TransposedConvolutionWithBias) {
  const auto run = [](const std::vector<int32_t>& options, const Dims& out) {
    return outcome(custom_file(
        "Convolution2DTransposeBias",
        {{.name = "x", .shape = {1, 3, 3, 1}},
         {.name = "w", .shape = {1, 3, 3, 1}, .data = bytes_of(std::vector<float>(9, 1.F))},
         {.name = "b", .shape = {1}, .data = bytes_of(std::vector<float>{1.F})}},
        {{.name = "y", .shape = out}}, words(options)));
  };
  EXPECT_THAT(run({1, 2, 2}, {1, 5, 5, 1}),
              HasSubstr("FP32[1,5,5,1] = conv_transpose2d kernel=3x3 stride=2x2 pad=1,1,1,1 ("));
  EXPECT_THAT(run({2, 3, 2}, {1, 7, 9, 1}),
              HasSubstr("FP32[1,7,9,1] = conv_transpose2d kernel=3x3 stride=2x3 ("));
  EXPECT_THAT(run({1, 0, 2}, {1, 5, 5, 1}), HasSubstr("is out of range"));
  EXPECT_THAT(run({1, 2}, {1, 5, 5, 1}), HasSubstr("has no options"));
}

TEST(TfliteLowering, PoolsThatRememberMaximaAndBack) {
  TfliteBuilder b;
  const int32_t x = b.floats("x", {1, 2, 4, 1});
  const int32_t most = b.floats("most", {1, 1, 2, 1});
  const int32_t where = b.floats("where", {1, 1, 2, 1});
  const int32_t y = b.floats("y", {1, 2, 4, 1});
  // padding, stride_w, stride_h, filter_w, filter_h, activation
  const auto options = words({1, 2, 2, 2, 2, 0});
  b.custom("MaxPoolingWithArgmax2D", {x}, {most, where}, options);
  b.custom("MaxUnpooling2D", {most, where}, {y}, options);
  const std::string bytes = b.finish({x}, {y, where});
  EXPECT_THAT(run_floats(bytes, {{1, 2, 3, 9, 7, 4, 5, 6}}), ElementsAre(0, 0, 0, 9, 7, 0, 0, 0));
  EXPECT_THAT(outcome(custom_file(
                  "MaxUnpooling2D",
                  {{.name = "x", .shape = {1, 2, 2, 1}}, {.name = "i", .shape = {1, 2, 2, 1}}},
                  {{.name = "y", .shape = {1, 4, 4, 1}}}, words({1, 1, 2, 2, 2, 0}))),
              HasSubstr("windows that overlap"));
}

TEST(TfliteLowering, LandmarksAndTheirMatrices) {
  const TfliteTensor matrix{
      .name = "m",
      .shape = {1, 4, 4},
      .data = bytes_of(std::vector<float>{2, 0, 5, 1, 0, 1, 5, -1, 0, 0, 1, 0, 0, 0, 0, 1})};
  EXPECT_THAT(
      run_floats(custom_file("TransformLandmarks", {{.name = "x", .shape = {1, 2, 3}}, matrix},
                             {{.name = "y", .shape = {1, 2, 3}}}),
                 {{1, 2, 3, 4, 5, 6}}),
      ElementsAre(3, 1, 3, 9, 4, 6));
  // Every second pixel of the row above, half a pixel further right; outside there is nothing.
  const TfliteTensor image{.name = "x", .shape = {1, 2, 4, 1}};
  EXPECT_THAT(run_floats(custom_file("TransformTensorBilinear", {image, matrix},
                                     {{.name = "y", .shape = {1, 3, 2, 1}}}),
                         {{0, 1, 2, 3, 10, 11, 12, 13}}),
              ElementsAre(0, 0, 1.5F, 0, 11.5F, 0));
}

TEST(TfliteLowering, Elementwise) {
  const std::pair<const char*, const char*> binaries[] = {
      {"ADD", "add"},
      {"SUB", "sub"},
      {"MUL", "mul"},
      {"DIV", "div"},
      {"POW", "pow"},
      {"MAXIMUM", "max"},
      {"MINIMUM", "min"},
      {"ATAN2", "atan2"},
      {"FLOOR_DIV", "floor_div"},
      {"FLOOR_MOD", "floor_mod"},
      {"SQUARED_DIFFERENCE", "squared_difference"},
  };
  for (const auto& [op, name] : binaries) {
    EXPECT_EQ(lowered(op, {X({1, 2, 3}), F({3})}, {X({1, 2, 3})}),
              std::string("%2:FP32[1,2,3] = binary ") + name + " (%0, const %1)  # y0\n");
    EXPECT_THAT(lowered(op, {X({2, 3}), F({4})}, {X({2, 3})}), HasSubstr("do not broadcast"));
  }
  EXPECT_THAT(lowered("ADD", {X({2}), X({2})}, {X({2})}, OPTIONS(ActivationOptions, 1)),
              HasSubstr("binary add clamp=0..inf (%0, %1)"));
  EXPECT_THAT(lowered("ADD", {X({2}), X({2})}, {X({2})}, OPTIONS(ActivationOptions, 4)),
              HasSubstr("unsupported ADD"));
  const std::pair<const char*, const char*> unaries[] = {
      {"ABS", "unary abs"},
      {"CEIL", "unary ceil"},
      {"COS", "unary cos"},
      {"ELU", "unary elu alpha=1"},
      {"EXP", "unary exp"},
      {"FLOOR", "unary floor"},
      {"GELU", "unary gelu"},
      {"HARD_SWISH", "unary hard_swish"},
      {"LOG", "unary log"},
      {"LOGISTIC", "unary sigmoid"},
      {"NEG", "unary neg"},
      {"ROUND", "unary round"},
      {"RSQRT", "unary rsqrt"},
      {"SIGN", "unary sign"},
      {"SIN", "unary sin"},
      {"SQRT", "unary sqrt"},
      {"SQUARE", "unary square"},
      {"TANH", "unary tanh"},
      {"RELU", "clamp clamp=0..inf"},
      {"RELU6", "clamp clamp=0..6"},
      {"RELU_0_TO_1", "clamp clamp=0..1"},
      {"RELU_N1_TO_1", "clamp clamp=-1..1"},
  };
  for (const auto& [op, name] : unaries) {
    EXPECT_EQ(lowered(op, {X({2, 3})}, {X({2, 3})}),
              std::string("%1:FP32[2,3] = ") + name + " (%0)  # y0\n");
  }
  EXPECT_THAT(lowered("LEAKY_RELU", {X({2})}, {X({2})}, OPTIONS(LeakyReluOptions, 0.25F)),
              HasSubstr("unary leaky_relu alpha=0.25"));
  EXPECT_THAT(lowered("PRELU", {X({1, 2, 3}), F({3})}, {X({1, 2, 3})}),
              HasSubstr("prelu (%0, const %1)"));
  EXPECT_THAT(lowered("PRELU", {X({3}), F({2, 3})}, {X({3})}),
              HasSubstr("slope [2,3] does not broadcast to [3]"));
  EXPECT_THAT(lowered("SOFTMAX", {X({2, 3})}, {X({2, 3})}, OPTIONS(SoftmaxOptions, 2.F)),
              HasSubstr("softmax axis=-1 beta=2"));
  EXPECT_THAT(lowered("SOFTMAX", {X({2, 3})}, {X({2, 3})}), HasSubstr("softmax axis=-1 softmax ("));
}

TEST(TfliteLowering, ElementwiseOfOtherTypes) {
  EXPECT_THAT(lowered("GELU", {X({2})}, {X({2})}, OPTIONS(GeluOptions, true)),
              HasSubstr("unary gelu_tanh"));
  EXPECT_THAT(lowered("ADD_N", {X({2}), X({2}), X({2})}, {X({2})}),
              AllOf(HasSubstr("%3:FP32[2] = binary add (%0, %1)"),
                    HasSubstr("%4:FP32[2] = binary add (%3, %2)")));
  const Operand flags = typed({2}, kTfliteBool);
  EXPECT_THAT(lowered("LOGICAL_AND", {flags, flags}, {flags}), HasSubstr("binary and"));
  EXPECT_THAT(lowered("LOGICAL_OR", {flags, flags}, {flags}), HasSubstr("binary or"));
  EXPECT_THAT(lowered("LOGICAL_NOT", {flags}, {flags}), HasSubstr("unary not"));
  const Operand ints = typed({2}, kTfliteInt32);
  EXPECT_THAT(lowered("BITWISE_XOR", {ints, ints}, {ints}), HasSubstr("binary xor"));
  EXPECT_THAT(lowered("RIGHT_SHIFT", {ints, ints}, {ints}), HasSubstr("binary shift_right"));
  EXPECT_THAT(lowered("ZEROS_LIKE", {ints}, {ints}),
              AllOf(HasSubstr("shape (%0)"), HasSubstr("expand (const")));
}

TEST(TfliteLowering, RandomNumbers) {
  EXPECT_THAT(lowered("RANDOM_UNIFORM", {I({2, 3})}, {X({2, 3})}, OPTIONS(RandomOptions, 5)),
              HasSubstr("FP32[2,3] = random uniform seed=5 ("));
  const std::string named = lowered("RANDOM_STANDARD_NORMAL", {I({4})}, {X({4})});
  EXPECT_THAT(named, HasSubstr("FP32[4] = random normal seed="));
}

TEST(TfliteLowering, ComparisonsAndSelection) {
  const Operand flags = typed({2}, kTfliteBool);
  const std::pair<const char*, const char*> comparisons[] = {
      {"EQUAL", "equal (%0, %1)"},  {"NOT_EQUAL", "not_equal (%0, %1)"},
      {"LESS", "less (%0, %1)"},    {"LESS_EQUAL", "less_equal (%0, %1)"},
      {"GREATER", "less (%1, %0)"}, {"GREATER_EQUAL", "less_equal (%1, %0)"},
  };
  for (const auto& [op, text] : comparisons) {
    EXPECT_EQ(lowered(op, {X({2}), X({2})}, {flags}),
              std::string("%2:BOOL[2] = compare ") + text + "  # y0\n");
  }
  EXPECT_THAT(lowered("SELECT_V2", {flags, X({3, 2}), X({1})}, {X({3, 2})}),
              HasSubstr("FP32[3,2] = select (%1, %2, %0)"));
  EXPECT_THAT(lowered("SELECT", {flags, X({2, 3}), X({2, 3})}, {X({2, 3})}),
              AllOf(HasSubstr("BOOL[2,1] = reshape"), HasSubstr("select (%1, %2, %3)")));
  EXPECT_THAT(lowered("SELECT", {flags, X({2}), X({2})}, {X({2})}),
              HasSubstr("select (%1, %2, %0)"));
}

TEST(TfliteLowering, Reductions) {
  const std::pair<const char*, const char*> reductions[] = {
      {"MEAN", "mean"},      {"SUM", "sum"},          {"REDUCE_MAX", "max"},
      {"REDUCE_MIN", "min"}, {"REDUCE_PROD", "prod"},
  };
  for (const auto& [op, name] : reductions) {
    EXPECT_EQ(lowered(op, {X({1, 2, 3}), I({-1, 1, 2})}, {X({1})}),
              std::string("%2:FP32[1] = reduce ") + name + " axes=[1,2] (%0)  # y0\n");
    EXPECT_THAT(lowered(op, {X({1, 2, 3}), I({1})}, {X({1, 1, 3})}, OPTIONS(ReducerOptions, true)),
                HasSubstr("axes=[1] keep"));
    EXPECT_THAT(lowered(op, {X({1, 2, 3}), I({3})}, {X({1})}),
                HasSubstr("axis 3 is out of range for rank 3"));
    EXPECT_THAT(lowered(op, {X({1, 2, 3}), typed({1}, kTfliteInt32)}, {X({1})}),
                HasSubstr("late "));
    EXPECT_THAT(lowered(op, {X({1, 2, 3}), F({1})}, {X({1})}),
                HasSubstr("has type FP32, not INT32 or INT64"));
  }
  EXPECT_THAT(lowered("ARG_MAX", {X({2, 3}), I({-1})}, {typed({2}, kTfliteInt64)}),
              HasSubstr("INT64[2] = arg_max axis=1 (%0)"));
  EXPECT_THAT(lowered("ARG_MIN", {X({2, 3}), I({0})}, {typed({3}, kTfliteInt32)}),
              HasSubstr("INT32[3] = arg_max axis=0 smallest (%0)"));
  EXPECT_THAT(lowered("ARG_MAX", {X({2, 3}), I({0, 1})}, {typed({2}, kTfliteInt64)}),
              HasSubstr("axis is not a scalar"));
  EXPECT_THAT(lowered("ARG_MAX", {X({2, 3}), I({0})}, {X({3})}),
              HasSubstr("output must be INT32 or INT64"));
}

TEST(TfliteLowering, LogicalReductions) {
  const Operand x = typed({2, 3}, kTfliteBool);
  const Operand y = typed({2}, kTfliteBool);
  EXPECT_THAT(lowered("REDUCE_ANY", {x, I({1})}, {y}), HasSubstr("BOOL[2] = reduce max axes=[1]"));
  EXPECT_THAT(lowered("REDUCE_ALL", {x, I({1})}, {y}), HasSubstr("BOOL[2] = reduce min axes=[1]"));
}

TEST(TfliteLowering, ProductsOfQuantizedNumbersAreReal) {
  EXPECT_THAT(lowered("REDUCE_PROD", {Q({2, 3}, 0.5F, 1), I({1})}, {Q({2}, 0.25F, 2)}),
              AllOf(HasSubstr("= dequantize (%0)"), HasSubstr("reduce prod axes=[1]"),
                    HasSubstr("= quantize (")));
}

TEST(TfliteLowering, SumsAlongAnAxis) {
  EXPECT_THAT(lowered("CUMSUM", {X({2, 3}), I({-1})}, {X({2, 3})}, OPTIONS(CumsumOptions, true)),
              HasSubstr("cum_sum axis=1 exclusive (%0)"));
  EXPECT_THAT(lowered("CUMSUM", {X({2, 3}), I({2})}, {X({2, 3})}),
              HasSubstr("axis 2 is out of range"));
}

TEST(TfliteLowering, Normalisations) {
  EXPECT_THAT(lowered("L2_NORMALIZATION", {X({2, 3})}, {X({2, 3})}),
              HasSubstr("normalize l2 axis=1 epsilon=1e-06 (%0)"));
  EXPECT_THAT(lowered("L2_NORMALIZATION", {X({2, 3})}, {X({2, 3})}, OPTIONS(ActivationOptions, 1)),
              HasSubstr("unsupported L2_NORMALIZATION 'y0': a fused activation"));
  // radius, bias, alpha, beta
  EXPECT_THAT(lowered("LOCAL_RESPONSE_NORMALIZATION", {X({1, 2, 3})}, {X({1, 2, 3})},
                      OPTIONS(LocalResponseNormalizationOptions, 2, 3.F, 0.25F, 0.75F)),
              HasSubstr("axis=2 before=2 after=2 alpha=0.25 beta=0.75 bias=3 (%0)"));
  EXPECT_THAT(lowered("LOCAL_RESPONSE_NORMALIZATION", {X({3})}, {X({3})},
                      OPTIONS(LocalResponseNormalizationOptions, -1, 3.F, 0.25F, 0.75F)),
              HasSubstr("negative number of neighbours"));
  EXPECT_THAT(lowered("LOG_SOFTMAX", {X({2, 3})}, {X({2, 3})}),
              HasSubstr("softmax axis=-1 log_softmax (%0)"));
}

TEST(TfliteLowering, Shapes) {
  EXPECT_EQ(lowered("RESHAPE", {X({2, 6}), I({3, -1})}, {X({3, 4})}),
            "%2:FP32[3,4] = reshape dims=[3,-1] zero_is_literal (%0)  # y0\n");
  EXPECT_THAT(lowered("RESHAPE", {X({2, 6})}, {X({3, 4})},
                      [](flatbuffers::FlatBufferBuilder& fbb) {
                        const Dims shape = {3, 4};
                        return tflite::CreateReshapeOptionsDirect(fbb, &shape).Union();
                      }),
              HasSubstr("reshape dims=[3,4]"));
  EXPECT_THAT(lowered("RESHAPE", {X({2, 6}), typed({2}, kTfliteInt32)}, {dynamic({-1, -1})}),
              HasSubstr("FP32[?,?] = reshape dims=[] zero_is_literal (%0, %1)"));
  EXPECT_THAT(lowered("RESHAPE", {X({2, 6}), I({5, 2})}, {X({5, 2})}),
              HasSubstr("cannot make [5,2] of [2,6]"));
  EXPECT_THAT(lowered("RESHAPE", {X({2, 6}), I({-1, -1})}, {X({5, 2})}),
              HasSubstr("more than one dimension is -1"));
  EXPECT_THAT(lowered("RESHAPE", {X({2, 6}), I({-2})}, {X({5, 2})}), HasSubstr("is negative"));

  const auto squeeze = [](const Operand& x, const Operand& y, const Dims& axes) {
    return lowered("SQUEEZE", {x}, {y}, [&](flatbuffers::FlatBufferBuilder& fbb) {
      return tflite::CreateSqueezeOptionsDirect(fbb, &axes).Union();
    });
  };
  EXPECT_THAT(squeeze(X({1, 2, 1}), X({2}), {}), HasSubstr("reshape dims=[2]"));
  EXPECT_THAT(squeeze(X({1, 2, 1}), X({1, 2}), {-1}), HasSubstr("reshape dims=[1,2]"));
  EXPECT_THAT(squeeze(X({1, 2, 1}), X({1, 2}), {3}), HasSubstr("axis 3 is out of range"));
  EXPECT_THAT(squeeze(X({1, 2, 1}), X({1, 1}), {1}), HasSubstr("cannot make [1,1] of [1,2,1]"));
  EXPECT_THAT(squeeze(dynamic({-1, -1, 1}), dynamic({-1, -1}), {2}), HasSubstr("late SQUEEZE ("));

  EXPECT_THAT(lowered("EXPAND_DIMS", {X({2, 3}), I({-1})}, {X({2, 3, 1})}),
              HasSubstr("reshape dims=[2,3,1]"));
  EXPECT_THAT(lowered("EXPAND_DIMS", {X({2, 3}), I({4})}, {X({2, 3, 1})}),
              HasSubstr("axis 4 is out of range for rank 3"));
  EXPECT_THAT(lowered("EXPAND_DIMS", {X({2, 3}), I({0, 1})}, {X({2, 3, 1})}),
              HasSubstr("axis is not a scalar"));
  EXPECT_THAT(lowered("EXPAND_DIMS", {dynamic({-1, -1}), I({0})}, {dynamic({1, -1, -1})}),
              HasSubstr("late EXPAND_DIMS"));

  EXPECT_THAT(lowered("SHAPE", {X({2, 3})}, {typed({2}, kTfliteInt32)}),
              AllOf(HasSubstr("INT64[2] = shape (%0)"), HasSubstr("INT32[2] = cast")));
  EXPECT_THAT(lowered("SHAPE", {X({2, 3})}, {typed({2}, kTfliteInt64)}),
              Eq("%1:INT64[2] = shape (%0)  # y0\n"
                 "%2:INT64[2] = reshape dims=[0] (%1)  # y0\n"));
  EXPECT_THAT(lowered("BROADCAST_TO", {X({3}), I({2, 3})}, {X({2, 3})}),
              HasSubstr("FP32[2,3] = expand (%0, const %1)"));
  EXPECT_THAT(lowered("BROADCAST_TO", {X({3}), I({2, 4})}, {X({2, 4})}),
              HasSubstr("[3] does not broadcast to the target shape"));
  EXPECT_THAT(lowered("CAST", {X({3})}, {typed({3}, kTfliteInt32)}), HasSubstr("INT32[3] = cast"));
  EXPECT_THAT(lowered("TRANSPOSE", {X({2, 3}), I({1, 0})}, {X({3, 2})}),
              HasSubstr("transpose perm=[1,0]"));
  EXPECT_THAT(lowered("TRANSPOSE", {X({2, 3}), I({0, 0})}, {X({2, 2})}),
              HasSubstr("not a permutation"));
  EXPECT_THAT(lowered("TRANSPOSE", {X({2, 3}), I({0, 2})}, {X({2, 2})}),
              HasSubstr("axis 2 is out of range"));
}

TEST(TfliteLowering, ConcatenationAndPacking) {
  // axis, activation
  EXPECT_EQ(lowered("CONCATENATION", {X({1, 2}), X({1, 3})}, {X({1, 5})},
                    OPTIONS(ConcatenationOptions, -1)),
            "%2:FP32[1,5] = concat axis=1 (%0, %1)  # y0\n");
  EXPECT_THAT(lowered("CONCATENATION", {X({1, 2}), X({1, 3})}, {X({1, 5})},
                      OPTIONS(ConcatenationOptions, 1, 1)),
              AllOf(HasSubstr("concat axis=1"), HasSubstr("clamp clamp=0..inf")));
  EXPECT_THAT(lowered("CONCATENATION", {X({1, 2}), X({2, 3})}, {X({1, 5})},
                      OPTIONS(ConcatenationOptions, 1)),
              HasSubstr("differ outside axis 1"));
  EXPECT_THAT(lowered("CONCATENATION", {X({1, 2})}, {X({1, 2})}, OPTIONS(ConcatenationOptions, 2)),
              HasSubstr("axis 2 is out of range"));
  EXPECT_THAT(lowered("CONCATENATION", {}, {X({1, 2})}), HasSubstr("has no inputs"));
  EXPECT_THAT(lowered("CONCATENATION", {Q({1, 2}, 1.F, 0), Q({1, 2}, 0.5F, 3)}, {Q({1, 4}, 1.F, 0)},
                      OPTIONS(ConcatenationOptions, 1)),
              AllOf(HasSubstr("INT8[1,2] q(1,0) = requantize (%1)"), HasSubstr("concat axis=1")));

  // values_count, axis
  EXPECT_THAT(lowered("PACK", {X({2}), X({2})}, {X({2, 2})}, OPTIONS(PackOptions, 2, 1)),
              AllOf(HasSubstr("reshape dims=[2,1]"), HasSubstr("FP32[2,2] = concat axis=1")));
  EXPECT_THAT(lowered("PACK", {}, {X({2, 2})}), HasSubstr("has no inputs"));
  EXPECT_THAT(lowered("PACK", {X({2})}, {X({2, 2})}, OPTIONS(PackOptions, 1, 2)),
              HasSubstr("axis 2 is out of range"));
  EXPECT_THAT(lowered("UNPACK", {X({2, 3})}, {X({3}), X({3})}, OPTIONS(UnpackOptions, 2, 0)),
              AllOf(HasSubstr("slice begin=[0,0] end=[1,end]"),
                    HasSubstr("slice begin=[1,0] end=[2,end]"), HasSubstr("reshape dims=[3]")));
  EXPECT_THAT(lowered("UNPACK", {X({2, 3})}, {X({3}), X({3}), X({3})}, OPTIONS(UnpackOptions, 3)),
              HasSubstr("slice is outside [2,3]"));
}

TEST(TfliteLowering, Splits) {
  EXPECT_THAT(lowered("SPLIT", {I({1}), X({2, 4})}, {X({2, 2}), X({2, 2})}),
              AllOf(HasSubstr("slice begin=[0,0] end=[end,2]"),
                    HasSubstr("slice begin=[0,2] end=[end,4]")));
  EXPECT_THAT(lowered("SPLIT", {I({1}), X({2, 5})}, {X({2, 2}), X({2, 2})}),
              HasSubstr("cannot split [2,5] into 2"));
  EXPECT_THAT(lowered("SPLIT", {I({1}), X({2, 5})}, {}), HasSubstr("cannot split [2,5] into 0"));
  EXPECT_THAT(lowered("SPLIT", {I({1, 0}), X({2, 4})}, {X({2, 2}), X({2, 2})}),
              HasSubstr("axis is not a scalar"));
  EXPECT_THAT(lowered("SPLIT", {I({1}), dynamic({2, -1})}, {X({2, 2}), X({2, 2})}),
              HasSubstr("late SPLIT ("));
  EXPECT_THAT(lowered("SPLIT_V", {X({2, 5}), I({1, -1}), I({1})}, {X({2, 1}), X({2, 4})}),
              AllOf(HasSubstr("slice begin=[0,0] end=[end,1]"),
                    HasSubstr("slice begin=[0,1] end=[end,5]")));
  EXPECT_THAT(lowered("SPLIT_V", {X({2, 5}), I({3, 3}), I({1})}, {X({2, 3}), X({2, 3})}),
              HasSubstr("piece sizes do not fit [2,5]"));
  EXPECT_THAT(lowered("SPLIT_V", {X({2, 5}), I({-2, 3}), I({1})}, {X({2, 3}), X({2, 3})}),
              HasSubstr("piece sizes do not fit [2,5]"));
  EXPECT_THAT(lowered("SPLIT_V", {X({2, 5}), I({5}), I({1})}, {X({2, 3}), X({2, 3})}),
              HasSubstr("has 2 outputs for 1 pieces"));
  EXPECT_THAT(lowered("SPLIT_V", {X({2, 5}), I({5}), I({1, 1})}, {X({2, 5})}),
              HasSubstr("axis is not a scalar"));
  EXPECT_THAT(lowered("SPLIT_V", {dynamic({2, -1}), I({2, 3}), I({1})}, {X({2, 2}), X({2, 3})}),
              HasSubstr("late SPLIT_V ("));
}

TEST(TfliteLowering, Slices) {
  EXPECT_THAT(lowered("SLICE", {X({2, 5}), I({0, 1}), I({-1, 3})}, {X({2, 3})}),
              HasSubstr("slice begin=[0,1] end=[end,4] step=[1,1]"));
  EXPECT_THAT(lowered("SLICE", {X({2, 5}), I({0}), I({-1, 3})}, {X({2, 3})}),
              HasSubstr("begin and size do not fit [2,5]"));
  EXPECT_THAT(lowered("SLICE", {X({2, 5}), I({0, -1}), I({-1, 3})}, {X({2, 3})}),
              HasSubstr("begin or size is out of range"));
  EXPECT_THAT(lowered("SLICE", {X({2, 5}), I({0, 1}), I({-1, -3})}, {X({2, 3})}),
              HasSubstr("begin or size is out of range"));
  EXPECT_THAT(lowered("SLICE", {X({2, 5}), I({0, 4}), I({-1, 3})}, {X({2, 3})}),
              HasSubstr("slice is outside [2,5]"));

  // begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask, offset
  EXPECT_THAT(lowered("STRIDED_SLICE", {X({4, 6}), I({1, -3}), I({3, -1}), I({1, 2})}, {X({2, 1})},
                      OPTIONS(StridedSliceOptions, 0, 0)),
              HasSubstr("slice begin=[1,3] end=[3,5] step=[1,2]"));
  EXPECT_THAT(lowered("STRIDED_SLICE", {X({4, 6}), I({1}), I({1}), I({1})}, {X({4, 6})},
                      OPTIONS(StridedSliceOptions, 1, 1)),
              HasSubstr("slice begin=[0,0] end=[4,end]"));
  EXPECT_THAT(
      lowered("STRIDED_SLICE", {X({4, 6}), I({9, 9}), I({-9, -9}), I({-1, -2})}, {X({4, 3})}),
      HasSubstr("slice begin=[3,5] end=[-1,-1] step=[-1,-2]"));
  EXPECT_THAT(lowered("STRIDED_SLICE", {X({4, 6}), I({1, 2}), I({2, 4}), I({1, 1})}, {X({2})},
                      OPTIONS(StridedSliceOptions, 0, 0, 0, 0, 1)),
              AllOf(HasSubstr("slice begin=[1,2] end=[2,4]"), HasSubstr("reshape dims=[2]")));
  EXPECT_THAT(lowered("STRIDED_SLICE", {X({4, 6}), I({4}), I({5}), I({1})}, {X({6})},
                      OPTIONS(StridedSliceOptions, 0, 0, 0, 0, 1)),
              HasSubstr("index 4 is out of range for a dimension of 4"));
  // x[..., 1:2]
  EXPECT_THAT(lowered("STRIDED_SLICE", {X({4, 5, 6}), I({0, 1}), I({0, 2}), I({1, 1})},
                      {X({4, 5, 1})}, OPTIONS(StridedSliceOptions, 0, 0, 1)),
              HasSubstr("slice begin=[0,0,1] end=[end,end,2]"));
  // x[1, ..., newaxis, 2:]
  EXPECT_THAT(
      lowered("STRIDED_SLICE", {X({4, 5, 6}), I({1, 0, 0, 2}), I({0, 0, 0, 0}), I({1, 1, 1, 1})},
              {X({5, 1, 4})}, OPTIONS(StridedSliceOptions, 0, 8, 2, 4, 1)),
      AllOf(HasSubstr("slice begin=[1,0,2] end=[2,end,6]"), HasSubstr("reshape dims=[5,1,4]")));
  // x[newaxis]
  EXPECT_THAT(lowered("STRIDED_SLICE", {X({4}), I({0}), I({1}), I({1})}, {X({1, 4})},
                      OPTIONS(StridedSliceOptions, 0, 0, 0, 1)),
              HasSubstr("reshape dims=[1,4]"));
  EXPECT_THAT(lowered("STRIDED_SLICE", {X({4}), I({0}), I({1}), I({0})}, {X({1})}),
              HasSubstr("a stride is 0"));
  EXPECT_THAT(lowered("STRIDED_SLICE", {X({4}), I({0, 0}), I({1, 1}), I({1, 1})}, {X({1})}),
              HasSubstr("begin, end and strides do not fit [4]"));
  EXPECT_THAT(
      lowered("STRIDED_SLICE", {dynamic({1, -1}), I({0, 0}), I({1, 2}), I({1, 1})}, {X({1, 2})}),
      HasSubstr("late STRIDED_SLICE ("));
  EXPECT_THAT(lowered("STRIDED_SLICE", {dynamic({2, -1}), I({1, 0}), I({2, 0}), I({1, 1})},
                      {dynamic({1, -1})}, OPTIONS(StridedSliceOptions, 2, 2)),
              HasSubstr("slice begin=[1,0] end=[2,end]"));
}

// With `offset` the end counts from the beginning.
TEST(TfliteLowering, StridedSliceWithOffset) {
  const std::string bytes = file("STRIDED_SLICE", {X({6}), I({2}), I({3}), I({1})}, {X({3})},
                                 OPTIONS(StridedSliceOptions, 0, 0, 0, 0, 0, true));
  EXPECT_THAT(outcome(bytes), HasSubstr("slice begin=[2] end=[5] step=[1]"));
  EXPECT_THAT(run_floats(bytes, {{0, 1, 2, 3, 4, 5}}), ElementsAre(2, 3, 4));
}

TEST(TfliteLowering, PaddingAndGathering) {
  EXPECT_THAT(lowered("PAD", {X({1, 3}), I({0, 0, 1, 2})}, {X({1, 6})}),
              HasSubstr("pad before=[0,1] after=[0,2] (%0)"));
  EXPECT_THAT(lowered("PADV2", {X({1, 3}), I({0, 0, 1, 2}), F({1})}, {X({1, 6})}),
              HasSubstr("pad before=[0,1] after=[0,2] value=1"));
  EXPECT_THAT(lowered("PADV2", {X({1, 3}), I({0, 0, 1, 2}), F({2})}, {X({1, 6})}),
              HasSubstr("input 'x2' is not a scalar"));
  EXPECT_THAT(lowered("PADV2", {X({1, 3}), I({0, 0, 1, 2}), X({1})}, {X({1, 6})}),
              HasSubstr("pad before=[0,1] after=[0,2] (%0, %1)"));
  EXPECT_THAT(lowered("PADV2", {Q({1, 3}, 0.5F, -1), I({0, 0, 1, 2}), Q({1}, 0.5F, -1, 1)},
                      {Q({1, 6}, 0.5F, -1)}),
              HasSubstr("value=1 "))
      << "(1 - -1) * 0.5";
  EXPECT_THAT(lowered("PAD", {X({1, 3}), I({0, 0, 1})}, {X({1, 6})}),
              HasSubstr("needs padding for each dimension of [1,3]"));
  EXPECT_THAT(lowered("PAD", {X({1, 3}), I({0, 0, -1, 0})}, {X({1, 6})}),
              HasSubstr("padding is negative or too large"));

  // axis, batch_dims
  EXPECT_THAT(lowered("GATHER", {X({2, 3}), I({0, 2})}, {X({2, 2})}, OPTIONS(GatherOptions, 1)),
              HasSubstr("FP32[2,2] = gather axis=1 (%0, const %1)"));
  EXPECT_THAT(lowered("GATHER", {X({2, 3}), I({0, 2})}, {X({2})}, OPTIONS(GatherOptions, 1, 1)),
              HasSubstr("FP32[2] = gather axis=1 batch_dims=1"));
  EXPECT_THAT(lowered("GATHER", {X({4, 3}), I({0, 2})}, {X({2})}, OPTIONS(GatherOptions, 1, 1)),
              HasSubstr("do not share 1 batch dimensions"));
  EXPECT_THAT(lowered("GATHER", {X({2, 3}), I({0, 2})}, {X({2, 2})}, OPTIONS(GatherOptions, 0, 1)),
              HasSubstr("batch_dims 1 is out of range"));
  EXPECT_THAT(lowered("GATHER", {X({2, 3}), F({2})}, {X({2, 2})}, OPTIONS(GatherOptions, 1)),
              HasSubstr("indices must be INT32 or INT64"));
}

TEST(TfliteLowering, Resizing) {
  const Operand x = X({1, 2, 2, 3});
  const Operand size = I({4, 6});
  const Operand y = X({1, 4, 6, 3});
  // RESIZE_BILINEAR has two unused fields first
  EXPECT_THAT(lowered("RESIZE_BILINEAR", {x, size}, {y}), HasSubstr("resize linear asymmetric"));
  EXPECT_THAT(
      lowered("RESIZE_BILINEAR", {x, size}, {y}, OPTIONS(ResizeBilinearOptions, 0, 0, true)),
      HasSubstr("resize linear align_corners"));
  EXPECT_THAT(
      lowered("RESIZE_BILINEAR", {x, size}, {y}, OPTIONS(ResizeBilinearOptions, 0, 0, false, true)),
      HasSubstr("resize linear half_pixel"));
  EXPECT_THAT(lowered("RESIZE_NEAREST_NEIGHBOR", {x, size}, {y}),
              HasSubstr("resize nearest asymmetric floor"));
  EXPECT_THAT(
      lowered("RESIZE_NEAREST_NEIGHBOR", {x, size}, {y}, OPTIONS(ResizeNearestOptions, true)),
      HasSubstr("resize nearest align_corners round_prefer_ceil"));
  EXPECT_THAT(lowered("RESIZE_NEAREST_NEIGHBOR", {x, size}, {y},
                      OPTIONS(ResizeNearestOptions, false, true)),
              HasSubstr("resize nearest half_pixel round_prefer_ceil"));
  for (const Operand& bad : {I({4}), I({0, 6}), I({4, -6})}) {
    EXPECT_THAT(lowered("RESIZE_BILINEAR", {x, bad}, {y}),
                HasSubstr("size is not two positive numbers"));
  }
  EXPECT_THAT(lowered("RESIZE_BILINEAR", {x, I({1 << 30, 1})}, {y}),
              HasSubstr("output size must be from 1 to 1048576"));
  EXPECT_THAT(lowered("RESIZE_BILINEAR", {x, typed({2}, kTfliteInt32)}, {y}),
              HasSubstr("late RESIZE_BILINEAR ("));
}

TEST(TfliteLowering, Quantization) {
  EXPECT_THAT(lowered("QUANTIZE", {X({3})}, {Q({3}, 0.5F, 1)}),
              HasSubstr("INT8[3] q(0.5,1) = quantize (%0)"));
  EXPECT_THAT(lowered("QUANTIZE", {Q({3}, 1.F, 0)}, {Q({3}, 0.5F, 1)}),
              HasSubstr("requantize fixed_point"));
  EXPECT_THAT(lowered("QUANTIZE", {X({3})}, {typed({3}, kTfliteInt8)}),
              HasSubstr("output has no quantization"));
  EXPECT_THAT(lowered("DEQUANTIZE", {Q({3}, 1.F, 0)}, {X({3})}), HasSubstr("FP32[3] = dequantize"));
  EXPECT_THAT(lowered("DEQUANTIZE", {typed({3}, kTfliteFloat16)}, {X({3})}),
              HasSubstr("FP32[3] = dequantize"));
  EXPECT_THAT(lowered("DEQUANTIZE", {typed({3}, kTfliteInt8)}, {X({3})}),
              HasSubstr("input has no quantization"));
}

TEST(TfliteLowering, DetectionPostProcess) {
  const auto detect = [](const std::vector<uint8_t>& options, const Dims& boxes = {1, 6, 4}) {
    TfliteBuilder b;
    const std::vector<int32_t> in = {b.floats("boxes", boxes), b.floats("scores", {1, 6, 3}),
                                     b.floats("anchors", {6, 4}, std::vector<float>(24, 1.F))};
    const std::vector<int32_t> out = {b.floats("b", {1, 2, 4}), b.floats("c", {1, 2}),
                                      b.floats("s", {1, 2}), b.floats("n", {1})};
    b.custom("TFLite_Detection_PostProcess", in, out, options);
    return outcome(b.finish({in[0], in[1]}, out));
  };
  flexbuffers::Builder options;
  options.Map([&] {
    options.Int("max_detections", 2);
    options.Int("num_classes", 2);
    options.Bool("use_regular_nms", true);
    options.Float("nms_score_threshold", 0.5F);
    options.String("ignored", "text");
  });
  options.Finish();
  EXPECT_THAT(detect(options.GetBuffer()), HasSubstr("num_classes=2"));
  EXPECT_THAT(detect(options.GetBuffer(), {1, 5, 4}), HasSubstr("needs boxes [1,A,4]"));
  EXPECT_THAT(detect({}), HasSubstr("num_classes must be positive"));
  EXPECT_THAT(detect({1, 2, 3}), HasSubstr("num_classes must be positive"))
      << "options in another encoding count as none";
  flexbuffers::Builder number;
  number.Int(5);
  number.Finish();
  EXPECT_THAT(detect(number.GetBuffer()), HasSubstr("num_classes must be positive"));
  flexbuffers::Builder huge;
  huge.Map([&] {
    huge.Int("max_detections", int64_t{1} << 60);
    huge.Int("num_classes", 2);
  });
  huge.Finish();
  EXPECT_THAT(detect(huge.GetBuffer()), HasSubstr("max_detections"));
}

// A shape that is computed leaves a rank open; what needs it is listed as unsupported.
TEST(TfliteLowering, UnknownRanks) {
  const auto after_reshape = [](const char* op, const std::vector<Operand>& more) {
    TfliteBuilder b;
    const int32_t x = b.floats("x", {2, 3});
    const int32_t dims = b.tensor({.name = "dims", .shape = {-1}, .type = kTfliteInt32});
    const int32_t h = b.floats("h", {});
    const int32_t y = b.floats("y", {});
    b.op("RESHAPE", {x, dims}, {h});
    std::vector<int32_t> in = {h};
    for (const Operand& o : more) in.push_back(b.tensor(o.tensor));
    b.op(op, in, {y});
    return outcome(b.finish({x, dims}, {y}));
  };
  EXPECT_THAT(after_reshape("ABS", {}), HasSubstr("FP32[...] = unary abs"));
  const std::pair<const char*, std::vector<Operand>> cases[] = {
      {"CONV_2D", {F({1, 1, 1, 1})}},
      {"DEPTHWISE_CONV_2D", {F({1, 1, 1, 1})}},
      {"FULLY_CONNECTED", {F({3, 3})}},
      {"MAX_POOL_2D", {}},
      {"MEAN", {I({1})}},
      {"ARG_MAX", {I({1})}},
      {"SQUEEZE", {}},
      {"EXPAND_DIMS", {I({0})}},
      {"TRANSPOSE", {I({1, 0})}},
      {"CONCATENATION", {}},
      {"PACK", {}},
      {"UNPACK", {}},
      {"GATHER", {I({0})}},
      {"SPLIT_V", {I({1}), I({0})}},
      {"SLICE", {I({0, 0}), I({1, 1})}},
      {"STRIDED_SLICE", {I({0}), I({1}), I({1})}},
  };
  for (const auto& [op, more] : cases) {
    EXPECT_THAT(after_reshape(op, more), HasSubstr(std::string("late ") + op + " ("));
  }
}

}  // namespace
}  // namespace inferd::import

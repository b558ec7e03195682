// SPDX-License-Identifier: Apache-2.0
//
// A graph that was written and read again computes what it did.
#include <filesystem>

#include "engine/export/export.h"
#include "engine/import/import.h"
#include "tests/unit/opt/pass_testing.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::exporter {
namespace {

using ir::OutputSpec;
using ir::ValueId;
using opt::count;
using opt::ok;
using opt::random_floats;
using opt::random_int8s;

class OnnxExport : public ::testing::Test {
 protected:
  OnnxExport() : b_(graph_) {}

  ValueId image(int64_t channels = 4) {
    return b_.input("x", DType::kFloat32, {1, 6, 5, channels});
  }
  ValueId add(OpKind kind, std::initializer_list<ValueId> inputs, OpAttrs attrs = {},
              const OutputSpec& spec = {}) {
    return ok(b_.op(kind, inputs, std::move(attrs), "node", spec));
  }

  // What is read again, as it is in the file.
  ir::Graph written_and_read() {
    EXPECT_TRUE(ir::verify(graph_).ok()) << ir::verify(graph_).to_string();
    const std::string path = folder_.file("model.onnx");
    const Result<const Format*> format = format_for(path);
    EXPECT_TRUE(format.ok());
    const Status status = (*format)->write(graph_, path);
    EXPECT_TRUE(status.ok()) << status.to_string();
    return ok(import::import_file(path, {})).graph;
  }

  void expect_round_trip(ValueId y) {
    graph_.value(y).name = "y";
    b_.output(y);
    ir::Graph read = written_and_read();
    ASSERT_TRUE(opt::optimize(read, opt::context()).ok());
    opt::expect_same_results(graph_, read);
  }

  TemporaryFolder folder_;
  ir::Graph graph_;
  ir::Builder b_;
};

Conv2dAttrs window(int kernel, int stride, int pad, const Activation& activation = {}) {
  Conv2dAttrs attrs;
  attrs.window = {.kernel_h = kernel, .kernel_w = kernel, .stride_h = stride, .stride_w = stride};
  attrs.window.pad_top = attrs.window.pad_left = pad;
  attrs.activation = activation;
  return attrs;
}

TEST_F(OnnxExport, ConvolutionsWithClamps) {
  const ValueId a =
      add(OpKind::kConv2d, {image(), random_floats(b_, {8, 3, 3, 4}, 2), random_floats(b_, {8}, 3)},
          window(3, 2, 1, {0.F, 6.F}));
  const ValueId d = add(OpKind::kDepthwiseConv2d, {a, random_floats(b_, {2, 2, 16}, 4)},
                        window(2, 1, 0, {0.F, kInf}));
  Conv2dAttrs grouped = window(1, 1, 0, {-kInf, 0.5F});
  grouped.groups = 4;
  expect_round_trip(add(OpKind::kConv2d, {d, random_floats(b_, {8, 1, 1, 4}, 5)}, grouped));
}

TEST_F(OnnxExport, PoolsAndResizes) {
  Pool2dAttrs pool;
  pool.window = {.kernel_h = 3, .kernel_w = 2, .stride_h = 1, .stride_w = 2, .pad_top = 1};
  const ValueId a = add(OpKind::kMaxPool2d, {image()}, pool);
  pool.count_padding = true;
  const ValueId p = add(OpKind::kAveragePool2d, {a}, pool);
  ResizeAttrs nearest{.mode = ResizeMode::kNearest,
                      .coordinates = ResizeCoordinates::kAsymmetric,
                      .rounding = NearestRounding::kFloor};
  nearest.out_h = 9;
  nearest.out_w = 7;
  const ValueId n = add(OpKind::kResize, {p}, nearest);
  ResizeAttrs linear{.mode = ResizeMode::kLinear, .coordinates = ResizeCoordinates::kHalfPixel};
  linear.scale_h = linear.scale_w = 1.5F;
  expect_round_trip(add(OpKind::kResize, {n}, linear));
}

TEST_F(OnnxExport, ChannelsFirstInTheMiddle) {
  const ValueId a =
      add(OpKind::kConv2d, {image(), random_floats(b_, {4, 1, 1, 4}, 2)}, window(1, 1, 0));
  // A vector along the channels, a concatenation, padding and a slice in NHWC's numbering.
  const ValueId s = add(OpKind::kBinary, {a, random_floats(b_, {4}, 3)},
                        BinaryAttrs{BinaryKind::kMul, {0.F, kInf}});
  const ValueId c = add(OpKind::kConcat, {s, a}, ConcatAttrs{3});
  const ValueId p = add(OpKind::kPad, {c}, PadAttrs{{0, 1, 0, 2}, {0, 0, 3, 0}, 0.5F});
  const ValueId l =
      add(OpKind::kSlice, {p}, SliceAttrs{{0, 6, 0, 2}, {1, -1, kSliceEnd, 9}, {1, -2, 1, 3}});
  const ValueId m = add(OpKind::kReduce, {l}, ReduceAttrs{ReduceKind::kMax, {1}, true});
  const ValueId o = add(OpKind::kSoftmax, {m}, SoftmaxAttrs{-1, 0.5F});
  const ValueId q = add(OpKind::kPRelu, {o, random_floats(b_, {3}, 4)});
  b_.output(q);
  graph_.value(q).name = "image";
  const ir::Graph read = written_and_read();
  EXPECT_LE(count(read, OpKind::kTranspose), 5) << "in, out, and the weights\n"
                                                << ir::to_text(read);
  graph_.outputs().clear();
  expect_round_trip(ok(b_.transpose(q, {0, 3, 1, 2}, "nchw")));
}

TEST_F(OnnxExport, MatricesAndReductions) {
  const ValueId x = b_.input("x", DType::kFloat32, {2, 3, 8});
  const ValueId f =
      add(OpKind::kFullyConnected, {x, random_floats(b_, {5, 8}, 2), random_floats(b_, {5}, 3)},
          FullyConnectedAttrs{{-1.F, 1.F}});
  const ValueId m = add(OpKind::kMatMul, {f, f}, MatMulAttrs{false, true, {}});
  const ValueId r = add(OpKind::kReduce, {m}, ReduceAttrs{ReduceKind::kSum, {2}, false});
  const ValueId e = add(OpKind::kReshape, {r}, ReshapeAttrs{{6}, true});
  expect_round_trip(add(OpKind::kUnary, {e}, UnaryAttrs{UnaryKind::kSilu}));
}

TEST_F(OnnxExport, EveryFunction) {
  const UnaryKind kinds[] = {UnaryKind::kSigmoid,     UnaryKind::kTanh,      UnaryKind::kHardSwish,
                             UnaryKind::kHardSigmoid, UnaryKind::kLeakyRelu, UnaryKind::kElu,
                             UnaryKind::kSilu,        UnaryKind::kExp,       UnaryKind::kSquare,
                             UnaryKind::kNeg,         UnaryKind::kAbs,       UnaryKind::kFloor,
                             UnaryKind::kCeil,        UnaryKind::kRound};
  const ValueId x = b_.input("x", DType::kFloat32, {3, 7});
  ValueId sum = x;
  for (const UnaryKind kind : kinds) {
    const ValueId y = add(OpKind::kUnary, {x}, UnaryAttrs{kind, 0.3F, 0.4F});
    sum = add(OpKind::kBinary, {sum, y}, BinaryAttrs{BinaryKind::kAdd, {}});
  }
  const ValueId positive = add(OpKind::kUnary, {sum}, UnaryAttrs{UnaryKind::kExp});
  for (const UnaryKind kind : {UnaryKind::kLog, UnaryKind::kSqrt, UnaryKind::kRsqrt}) {
    const ValueId y = add(OpKind::kUnary, {positive}, UnaryAttrs{kind});
    sum = add(OpKind::kBinary, {sum, y}, BinaryAttrs{BinaryKind::kMax, {}});
  }
  expect_round_trip(sum);
}

TEST_F(OnnxExport, QuantizedLayersStayIntegers) {
  const Quantization q{{0.02F}, {3}};
  const auto rounded = [&](ValueId x) {
    const ValueId stored = add(OpKind::kQuantize, {x}, {}, OutputSpec::typed("", DType::kInt8, q));
    return add(OpKind::kDequantize, {stored}, {}, OutputSpec::typed("", DType::kFloat32));
  };
  const ValueId w = random_int8s(b_, {3, 3, 4}, {{0.01F, 0.02F, 0.03F, 0.01F}, {0, 0, 0, 0}, 2});
  const ValueId weights = add(OpKind::kDequantize, {w}, {}, OutputSpec::typed("", DType::kFloat32));
  const ValueId y =
      rounded(add(OpKind::kDepthwiseConv2d, {rounded(image()), weights}, window(3, 1, 1)));
  graph_.value(y).name = "y";
  b_.output(y);
  ir::Graph read = written_and_read();
  ASSERT_TRUE(opt::optimize(read, opt::context()).ok());
  EXPECT_EQ(count(read, OpKind::kQuantize), 1) << ir::to_text(read);
  EXPECT_EQ(count(read, OpKind::kDequantize), 1) << ir::to_text(read);
  ir::Graph direct = graph_;
  ASSERT_TRUE(opt::optimize(direct, opt::context()).ok());
  opt::expect_same_results(direct, read);
}

TEST_F(OnnxExport, NamesThatOccurTwice) {
  const ValueId x = b_.input("same", DType::kFloat32, {4});
  const ValueId y = ok(
      b_.op(OpKind::kUnary, {x}, UnaryAttrs{UnaryKind::kNeg}, "twice", OutputSpec::named("same")));
  expect_round_trip(ok(
      b_.op(OpKind::kUnary, {y}, UnaryAttrs{UnaryKind::kAbs}, "twice", OutputSpec::named("same"))));
}

TEST_F(OnnxExport, SaysWhatOnnxLacks) {
  const ValueId x = b_.input("x", DType::kFloat32, {4});
  b_.output(ok(b_.op(OpKind::kStridedCopy, {x}, StridedCopyAttrs{{2}, {2}, 0}, "copy")));
  const std::string path = folder_.file("model.onnx");
  const Status status = (*format_for(path))->write(graph_, path);
  EXPECT_EQ(status.code(), StatusCode::kUnimplemented);
  EXPECT_NE(status.message().find("'copy'"), std::string::npos) << status.message();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Export, KnowsFormatsByExtension) {
  EXPECT_EQ(format_for("model.xyz").status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(format_for("model").status().message().find(".onnx"), std::string::npos);
}

}  // namespace
}  // namespace inferd::exporter

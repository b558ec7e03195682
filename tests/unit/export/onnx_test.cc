// SPDX-License-Identifier: Apache-2.0
//
// A graph that was written and read again computes what it did, and ONNX Runtime computes the same
// with the file.
#include <filesystem>

#include "engine/export/export.h"
#include "engine/import/import.h"
#include "tests/unit/opt/pass_testing.h"
#include "tests/unit/temporary_folder.h"
#ifdef INFERD_TEST_CACHE
#include "tests/models/onnx_runtime.h"
#endif

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
#ifdef INFERD_TEST_CACHE
    constexpr double kFloat32 = 100;  // decibels that rounding leaves after some operators
    if (onnx_runtime_is_here()) {
      expect_onnx_runtime_agrees(folder_.file("model.onnx"), folder_.file("recorded"), kFloat32);
    }
#endif
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
  const ValueId x = b_.input("x", DType::kFloat32, {3, 7});
  ValueId sum = x;
  const auto join = [&](ValueId y) {
    sum = add(OpKind::kBinary, {sum, y}, BinaryAttrs{BinaryKind::kAdd, {}});
  };
  // What each is defined for: everything, [-1, 1] as the input is, or what is 1 and more.
  for (int k = 0; k <= static_cast<int>(UnaryKind::kShrink); ++k) {
    const auto kind = static_cast<UnaryKind>(k);
    const bool from_one = kind == UnaryKind::kLog || kind == UnaryKind::kSqrt ||
                          kind == UnaryKind::kRsqrt || kind == UnaryKind::kAcosh;
    if (kind == UnaryKind::kNot || kind == UnaryKind::kAtanh) continue;
    ValueId operand = x;
    if (from_one) {
      operand = add(OpKind::kBinary,
                    {add(OpKind::kUnary, {x}, UnaryAttrs{UnaryKind::kAbs}),
                     b_.constant_floats("one", {}, std::vector{1.F})},
                    BinaryAttrs{BinaryKind::kAdd, {}});
    }
    join(add(OpKind::kUnary, {operand}, UnaryAttrs{kind, 0.3F, 0.4F}));
  }
  const ValueId half = add(OpKind::kBinary, {x, b_.constant_floats("half", {}, std::vector{0.5F})},
                           BinaryAttrs{BinaryKind::kMul, {}});
  join(add(OpKind::kUnary, {half}, UnaryAttrs{UnaryKind::kAtanh}));
  expect_round_trip(sum);
}

TEST_F(OnnxExport, OperationsAndComparisons) {
  const ValueId x = b_.input("x", DType::kFloat32, {3, 7});
  const ValueId y = random_floats(b_, {7}, 3);
  ValueId sum = x;
  for (const BinaryKind kind :
       {BinaryKind::kSub, BinaryKind::kMul, BinaryKind::kDiv, BinaryKind::kMin, BinaryKind::kMax,
        BinaryKind::kMod, BinaryKind::kFloorDiv, BinaryKind::kSquaredDifference}) {
    const ValueId z = add(OpKind::kBinary, {x, y}, BinaryAttrs{kind, {-9.F, 9.F}});
    sum = add(OpKind::kBinary, {sum, z}, BinaryAttrs{BinaryKind::kAdd, {}});
  }
  for (const CompareKind kind :
       {CompareKind::kEqual, CompareKind::kNotEqual, CompareKind::kLess, CompareKind::kLessEqual}) {
    const ValueId which = add(OpKind::kCompare, {x, y}, CompareAttrs{kind});
    const ValueId other = add(OpKind::kUnary, {which}, UnaryAttrs{UnaryKind::kNot});
    const ValueId both = add(OpKind::kBinary, {which, other}, BinaryAttrs{BinaryKind::kXor, {}});
    sum = add(OpKind::kSelect, {sum, y, which});
    sum = add(OpKind::kSelect, {sum, x, both});
    sum = add(OpKind::kBinary, {sum, add(OpKind::kSelect, {x, y, other})},
              BinaryAttrs{BinaryKind::kAdd, {}});
  }
  expect_round_trip(sum);
}

TEST_F(OnnxExport, TransposedConvolutions) {
  ConvTranspose2dAttrs attrs;
  attrs.window = {.kernel_h = 3, .kernel_w = 2, .stride_h = 2, .stride_w = 2, .pad_top = 1};
  attrs.extra_w = 1;
  attrs.activation = {0.F, 6.F};
  const ValueId a =
      add(OpKind::kConvTranspose2d,
          {image(), random_floats(b_, {6, 3, 2, 4}, 2), random_floats(b_, {6}, 3)}, attrs);
  attrs.groups = 2;
  attrs.activation = {};
  expect_round_trip(add(OpKind::kConvTranspose2d, {a, random_floats(b_, {4, 3, 2, 3}, 4)}, attrs));
}

TEST_F(OnnxExport, ResizesAndSamples) {
  ResizeAxisAttrs cubic{.axis = 1, .mode = ResizeMode::kCubic, .out = 9};
  cubic.exclude_outside = true;
  const ValueId a = add(OpKind::kResizeAxis, {image()}, cubic);
  ResizeAxisAttrs linear{.axis = 2,
                         .mode = ResizeMode::kLinear,
                         .coordinates = ResizeCoordinates::kAlignCorners,
                         .out = 8};
  const ValueId b = add(OpKind::kResizeAxis, {a}, linear);
  GridSampleAttrs sample{.padding = GridPadding::kBorder,
                         .positions = GridPositions::kAlignCorners};
  const ValueId c = add(OpKind::kGridSample, {b, random_floats(b_, {1, 3, 5, 2}, 2)}, sample);
  expect_round_trip(add(OpKind::kLocalResponseNorm, {c},
                        LocalResponseNormAttrs{.axis = 3, .before = 1, .after = 1, .alpha = 0.3F}));
}

TEST_F(OnnxExport, Normalizations) {
  const ValueId x = b_.input("x", DType::kFloat32, {2, 4, 3, 5});
  const auto normal = [](NormalizeKind kind, int axis) {
    return NormalizeAttrs{.kind = kind, .axis = axis, .epsilon = 1e-3F};
  };
  ValueId y = add(OpKind::kNormalize, {x}, normal(NormalizeKind::kMeanVariance, 3));
  y = add(OpKind::kNormalize, {y, random_floats(b_, {3, 5}, 2), random_floats(b_, {3, 5}, 3)},
          normal(NormalizeKind::kMeanVariance, 2));
  y = add(OpKind::kNormalize, {y, random_floats(b_, {4, 1, 1}, 4), random_floats(b_, {4, 1, 1}, 5)},
          normal(NormalizeKind::kMeanVariance, 2));
  y = add(OpKind::kNormalize, {y, random_floats(b_, {5}, 6)}, normal(NormalizeKind::kRms, 3));
  y = add(OpKind::kNormalize, {y}, normal(NormalizeKind::kL2, 1));
  expect_round_trip(add(OpKind::kCumSum, {y}, CumSumAttrs{2, true, true}));
}

TEST_F(OnnxExport, Indices) {
  const ValueId x = b_.input("x", DType::kFloat32, {3, 6});
  const auto ints = [&](const Shape& shape, const std::vector<int64_t>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return b_.constant_bytes("i", DType::kInt64, shape, {bytes.begin(), bytes.end()});
  };
  const std::array<OutputSpec, 2> two = {};
  const std::array<ValueId, 2> from = {x, ints({}, {4})};
  const auto best = ok(b_.ops(OpKind::kTopK, from, TopKAttrs{1, false}, "best", two));
  ValueId y = add(OpKind::kGatherElements, {x, best[1]}, GatherAttrs{1});
  y = add(OpKind::kBinary, {y, best[0]}, BinaryAttrs{BinaryKind::kMul, {}});  // [3,4]
  y = add(OpKind::kGatherNd, {y, ints({2, 1}, {2, 0})}, GatherNdAttrs{});     // [2,4]
  y = add(OpKind::kScatterElements, {y, ints({1, 4}, {0, 1, 1, 0}), random_floats(b_, {1, 4}, 2)},
          ScatterAttrs{ScatterReduction::kAdd, 0});
  y = add(OpKind::kScatterNd, {y, ints({1, 2}, {1, 3}), random_floats(b_, {1}, 3)}, ScatterAttrs{});
  y = add(OpKind::kReverseSequence, {y, ints({2}, {3, 2})}, ReverseSequenceAttrs{});
  y = add(OpKind::kTile, {y, ints({2}, {2, 1})});
  y = add(OpKind::kTrilu, {y, ints({}, {1})}, TriluAttrs{true});
  const ValueId hot = add(OpKind::kOneHot, {best[1], ints({}, {6}), random_floats(b_, {2}, 4)},
                          OneHotAttrs{0});  // [6,3,4]
  const ValueId row = add(OpKind::kReduce, {hot}, ReduceAttrs{ReduceKind::kSum, {0, 1}, false});
  y = add(OpKind::kBinary, {y, row}, BinaryAttrs{BinaryKind::kAdd, {}});
  PadAttrs pad{{0, 1}, {2, 0}};
  pad.mode = PadMode::kReflect;
  y = add(OpKind::kPad, {y}, pad);
  pad.mode = PadMode::kEdge;
  expect_round_trip(add(OpKind::kPad, {y}, pad));
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
  const ValueId copy = ok(b_.op(OpKind::kStridedCopy, {x}, StridedCopyAttrs{{2}, {2}, 0}, "copy"));
  b_.output(ok(b_.op(OpKind::kBinary, {copy, copy}, BinaryAttrs{BinaryKind::kAtan2, {}}, "angle")));
  const std::string path = folder_.file("model.onnx");
  const Status status = (*format_for(path))->write(graph_, path);
  EXPECT_EQ(status.code(), StatusCode::kUnimplemented);
  EXPECT_NE(status.message().find("2 operators"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("'copy'"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("'angle'"), std::string::npos) << status.message();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Export, KnowsFormatsByExtension) {
  EXPECT_EQ(format_for("model.xyz").status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(format_for("model").status().message().find(".onnx"), std::string::npos);
}

}  // namespace
}  // namespace inferd::exporter

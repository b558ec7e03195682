// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <span>
#include <vector>

#include "engine/ir/builder.h"
#include "engine/ir/shape_inference.h"

namespace inferd::ir {
namespace {

class ShapeRules : public ::testing::Test {
 protected:
  ValueId floats(const Shape& shape) { return b.input("x", DType::kFloat32, shape); }
  Result<ValueId> op(OpKind kind, std::initializer_list<ValueId> inputs, OpAttrs attrs) {
    return b.op(kind, inputs, std::move(attrs), "node");
  }
  // The shape that inference finds, or the error's code name.
  std::string shape(OpKind kind, std::initializer_list<ValueId> inputs, OpAttrs attrs) {
    const Result<ValueId> y = op(kind, inputs, std::move(attrs));
    if (!y.ok()) return std::string(status_code_name(y.status().code()));
    const Value& v = graph.value(*y);
    return v.shape_known ? v.shape.to_string() : "unknown";
  }

  Graph graph;
  Builder b{graph};
};

constexpr const char* kInvalid = "INVALID_ARGUMENT";

TEST_F(ShapeRules, Convolution) {
  Conv2dAttrs attrs;
  attrs.window = {.kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2, .pad_top = 1};
  const ValueId x = floats({1, 9, 9, 4});
  const ValueId w = floats({8, 3, 3, 4});
  EXPECT_EQ(shape(OpKind::kConv2d, {x, w}, attrs), "[1,4,4,8]");
  EXPECT_EQ(shape(OpKind::kConv2d, {floats({kDynamicDim, 9, kDynamicDim, 4}), w}, attrs),
            "[?,4,?,8]");
  EXPECT_EQ(shape(OpKind::kConv2d, {floats({1, 9, 9, 5}), w}, attrs), kInvalid);
  EXPECT_EQ(shape(OpKind::kConv2d, {floats({9, 4}), w}, attrs), kInvalid);
}

TEST_F(ShapeRules, TransposedConvolution) {
  const ValueId x = floats({1, 4, 5, 4});
  const ValueId w = floats({6, 3, 2, 2});
  ConvTranspose2dAttrs attrs;
  attrs.window = {.kernel_h = 3, .kernel_w = 2, .stride_h = 2, .stride_w = 3, .pad_top = 1};
  attrs.groups = 2;
  const OpKind kind = OpKind::kConvTranspose2d;
  EXPECT_EQ(shape(kind, {x, w}, attrs), "[1,8,14,6]");
  EXPECT_EQ(shape(kind, {floats({kDynamicDim, 4, kDynamicDim, 4}), w}, attrs), "[?,8,?,6]");
  attrs.extra_h = 1;
  EXPECT_EQ(shape(kind, {x, w}, attrs), "[1,9,14,6]");
  EXPECT_EQ(shape(kind, {floats({1, 4, 5, 6}), w}, attrs), kInvalid);
  EXPECT_EQ(shape(kind, {x, w, floats({5})}, attrs), kInvalid);
  attrs.extra_h = -1;
  EXPECT_EQ(shape(kind, {x, w}, attrs), kInvalid);
  attrs.extra_h = 0;
  attrs.window.pad_bottom = 8;
  EXPECT_EQ(shape(kind, {x, w}, attrs), kInvalid);
  attrs.window.pad_bottom = 0;
  attrs.groups = 4;
  EXPECT_EQ(shape(kind, {x, w}, attrs), kInvalid);
}

TEST_F(ShapeRules, MaximumIndices) {
  const Result<ValueId> y = op(OpKind::kMaxPoolIndices, {floats({1, 4, kDynamicDim, 3})},
                               MaxPoolIndicesAttrs{{.kernel_h = 2}, PoolIndex::kTap});
  ASSERT_TRUE(y.ok());
  EXPECT_EQ(graph.value(*y).dtype, DType::kInt64);
  EXPECT_EQ(graph.value(*y).shape.to_string(), "[1,3,?,3]");
}

TEST_F(ShapeRules, ResizedAxis) {
  const ValueId x = floats({2, kDynamicDim, 5});
  ResizeAxisAttrs attrs;
  attrs.axis = 2;
  attrs.out = 7;
  EXPECT_EQ(shape(OpKind::kResizeAxis, {x}, attrs), "[2,?,7]");
  attrs.out = 0;
  attrs.scale = 1.5F;
  EXPECT_EQ(shape(OpKind::kResizeAxis, {x}, attrs), "[2,?,7]");
  attrs.scale = 0.1F;
  EXPECT_EQ(shape(OpKind::kResizeAxis, {x}, attrs), kInvalid);
  attrs.scale = 1e30F;
  EXPECT_EQ(shape(OpKind::kResizeAxis, {x}, attrs), kInvalid);
  attrs.scale = 2.F;
  attrs.axis = 1;
  EXPECT_EQ(shape(OpKind::kResizeAxis, {x}, attrs), "[2,?,5]");
  for (int bad : {-1, 3}) {
    attrs.axis = bad;
    EXPECT_EQ(shape(OpKind::kResizeAxis, {x}, attrs), kInvalid) << bad;
  }
  attrs.axis = 0;
  EXPECT_EQ(shape(OpKind::kResizeAxis, {floats({0, 3})}, attrs), kInvalid);
}

TEST_F(ShapeRules, GridSample) {
  const OpKind kind = OpKind::kGridSample;
  const GridSampleAttrs attrs;
  const ValueId x = floats({2, 5, 6, 3});
  EXPECT_EQ(shape(kind, {x, floats({2, kDynamicDim, 8, 2})}, attrs), "[2,?,8,3]");
  EXPECT_EQ(shape(kind, {floats({2, 4, 5, 6, 3}), floats({2, 1, 7, 8, 3})}, attrs), "[2,1,7,8,3]");
  EXPECT_EQ(shape(kind, {x, floats({2, 7, 8, 3})}, attrs), kInvalid);
  EXPECT_EQ(shape(kind, {x, floats({1, 7, 8, 2})}, attrs), kInvalid);
  EXPECT_EQ(shape(kind, {x, floats({2, 7, 2})}, attrs), kInvalid);
  EXPECT_EQ(shape(kind, {floats({2, 5, 3}), floats({2, 7, 1})}, attrs), kInvalid);
}

TEST_F(ShapeRules, RoiAlign) {
  const OpKind kind = OpKind::kRoiAlign;
  RoiAlignAttrs attrs;
  attrs.out_h = 2;
  attrs.out_w = 3;
  const ValueId x = floats({1, 5, 6, 7});
  const ValueId images = b.input("images", DType::kInt64, {4});
  EXPECT_EQ(shape(kind, {x, floats({4, 4}), images}, attrs), "[4,2,3,7]");
  EXPECT_EQ(shape(kind, {x, floats({kDynamicDim, 4}), images}, attrs), "[4,2,3,7]");
  EXPECT_EQ(shape(kind, {x, floats({5, 4}), images}, attrs), kInvalid);
  EXPECT_EQ(shape(kind, {x, floats({4, 5}), images}, attrs), kInvalid);
  attrs.out_h = 0;
  EXPECT_EQ(shape(kind, {x, floats({4, 4}), images}, attrs), kInvalid);
  attrs.out_h = 2;
  attrs.sampling_ratio = 1 << 20;
  EXPECT_EQ(shape(kind, {x, floats({4, 4}), images}, attrs), kInvalid);
}

TEST_F(ShapeRules, HostileWindows) {
  const ValueId x = floats({1, 9, 9, 4});
  const ValueId w = floats({8, 3, 3, 4});
  const Window2d good{.kernel_h = 3, .kernel_w = 3};
  for (int Window2d::*field : {&Window2d::kernel_h, &Window2d::kernel_w, &Window2d::stride_h,
                               &Window2d::stride_w, &Window2d::dilation_h, &Window2d::dilation_w}) {
    for (int bad : {0, -1, INT32_MIN}) {
      Window2d window = good;
      window.*field = bad;
      EXPECT_EQ(shape(OpKind::kConv2d, {x, w}, Conv2dAttrs{window, 1, {}}), kInvalid) << bad;
      EXPECT_EQ(shape(OpKind::kMaxPool2d, {x}, Pool2dAttrs{window, false, {}}), kInvalid) << bad;
    }
  }
  Window2d wide = good;
  wide.dilation_h = INT32_MAX;
  EXPECT_EQ(shape(OpKind::kConv2d, {x, w}, Conv2dAttrs{wide, 1, {}}), kInvalid);
  Window2d negative = good;
  negative.pad_left = -1;
  EXPECT_EQ(shape(OpKind::kConv2d, {x, w}, Conv2dAttrs{negative, 1, {}}), kInvalid);
  for (int groups : {0, -1, 3}) {
    EXPECT_EQ(shape(OpKind::kConv2d, {x, w}, Conv2dAttrs{good, groups, {}}), kInvalid) << groups;
  }
}

TEST_F(ShapeRules, Broadcasting) {
  EXPECT_EQ(shape(OpKind::kBinary, {floats({2, 1, 4}), floats({3, 1})}, BinaryAttrs{}), "[2,3,4]");
  EXPECT_EQ(shape(OpKind::kBinary, {floats({kDynamicDim, 4}), floats({4})}, BinaryAttrs{}),
            "[?,4]");
  EXPECT_EQ(shape(OpKind::kBinary, {floats({2, 3}), floats({2, 4})}, BinaryAttrs{}), kInvalid);
}

TEST_F(ShapeRules, CompareAndSelect) {
  const ValueId flags = b.input("flags", DType::kBool, {2, 1});
  const ValueId ints = b.input("ints", DType::kInt32, {3});
  EXPECT_EQ(shape(OpKind::kCompare, {floats({2, 1}), floats({3})}, CompareAttrs{}), "[2,3]");
  EXPECT_EQ(shape(OpKind::kCompare, {floats({2}), floats({3})}, CompareAttrs{}), kInvalid);
  EXPECT_EQ(shape(OpKind::kCompare, {floats({3}), ints}, CompareAttrs{}), kInvalid);
  EXPECT_EQ(shape(OpKind::kSelect, {floats({3}), floats({1, 3}), flags}, {}), "[2,3]");
  EXPECT_EQ(shape(OpKind::kSelect, {floats({kDynamicDim, 3}), floats({3}), flags}, {}), "[2,3]");
  EXPECT_EQ(shape(OpKind::kSelect, {floats({3}), ints, flags}, {}), kInvalid);
  EXPECT_EQ(shape(OpKind::kSelect, {ints, ints, ints}, {}), kInvalid);
}

TEST_F(ShapeRules, Reshape) {
  const auto reshape = [&](const Shape& from, std::vector<int64_t> dims) {
    return shape(OpKind::kReshape, {floats(from)}, ReshapeAttrs{std::move(dims), false});
  };
  EXPECT_EQ(reshape({2, 3, 4}, {0, -1}), "[2,12]");
  EXPECT_EQ(reshape({kDynamicDim, 3, 4}, {0, 12}), "[?,12]");
  EXPECT_EQ(reshape({2, 3, 4}, {5, -1}), kInvalid);
  EXPECT_EQ(reshape({2, 3, 4}, {-1, -1}), kInvalid);
  EXPECT_EQ(reshape({2, 3, 4}, {-2, 12}), kInvalid);
  EXPECT_EQ(reshape({2, 3}, {2, 3, 0}), kInvalid);
  EXPECT_EQ(reshape({2, 3}, {INT64_MAX, INT64_MAX, 4}), kInvalid);
  EXPECT_EQ(reshape({2, 3}, {1, 1, 1, 1, 1, 1, 1, 1, 6}), kInvalid);  // rank 9
  const int64_t target[] = {6, -1};
  EXPECT_EQ(
      shape(OpKind::kReshape, {floats({2, 3, 4}), b.constant_int64s("s", target)}, ReshapeAttrs{}),
      "[6,4]");
}

TEST_F(ShapeRules, AxesOutOfRange) {
  const ValueId x = floats({2, 3, 4});
  for (int axis : {3, -1, INT32_MAX, INT32_MIN}) {
    EXPECT_EQ(shape(OpKind::kConcat, {x, x}, ConcatAttrs{axis}), kInvalid) << axis;
    EXPECT_EQ(shape(OpKind::kReduce, {x}, ReduceAttrs{ReduceKind::kSum, {axis}, false}), kInvalid);
    EXPECT_EQ(shape(OpKind::kArgMax, {x}, ArgMaxAttrs{axis, false}), kInvalid) << axis;
    EXPECT_EQ(shape(OpKind::kTranspose, {x}, TransposeAttrs{{0, 1, axis}}), kInvalid) << axis;
    EXPECT_EQ(shape(OpKind::kCumSum, {x}, CumSumAttrs{axis}), kInvalid) << axis;
    EXPECT_EQ(shape(OpKind::kBatchNorm, {x, x, x}, BatchNormAttrs{axis}), kInvalid) << axis;
    EXPECT_EQ(shape(OpKind::kNormalize, {x}, NormalizeAttrs{.axis = axis}), kInvalid) << axis;
    EXPECT_EQ(shape(OpKind::kLocalResponseNorm, {x}, LocalResponseNormAttrs{.axis = axis}),
              kInvalid)
        << axis;
  }
  EXPECT_EQ(shape(OpKind::kTranspose, {x}, TransposeAttrs{{0, 1, 1}}), kInvalid);
  EXPECT_EQ(shape(OpKind::kSoftmax, {x}, SoftmaxAttrs{-4}), kInvalid);
  EXPECT_EQ(shape(OpKind::kSoftmax, {x}, SoftmaxAttrs{-3}), "[2,3,4]");
}

TEST_F(ShapeRules, Normalisation) {
  const ValueId x = floats({kDynamicDim, 3, 4});
  const NormalizeAttrs rows{.axis = 2};
  EXPECT_EQ(shape(OpKind::kNormalize, {x, floats({4})}, rows), "[?,3,4]");
  EXPECT_EQ(shape(OpKind::kNormalize, {x, floats({3, 1}), floats({})}, rows), "[?,3,4]");
  EXPECT_EQ(shape(OpKind::kNormalize, {x, floats({3})}, rows), kInvalid);
  EXPECT_EQ(shape(OpKind::kNormalize, {x, floats({4}), floats({1, 1, 1, 4})}, rows), kInvalid);
  EXPECT_EQ(shape(OpKind::kNormalize, {floats({1, 4}), floats({2, 4})}, NormalizeAttrs{.axis = 1}),
            kInvalid);
  for (float epsilon : {-1.F, std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_EQ(shape(OpKind::kNormalize, {x}, NormalizeAttrs{.axis = 2, .epsilon = epsilon}),
              kInvalid);
  }
  EXPECT_EQ(shape(OpKind::kLocalResponseNorm, {x}, LocalResponseNormAttrs{.axis = 1, .after = 2}),
            "[?,3,4]");
  EXPECT_EQ(shape(OpKind::kLocalResponseNorm, {x}, LocalResponseNormAttrs{.axis = 1, .before = -1}),
            kInvalid);
  EXPECT_EQ(shape(OpKind::kCumSum, {x}, CumSumAttrs{.axis = 0}), "[?,3,4]");
}

TEST_F(ShapeRules, Determinant) {
  EXPECT_EQ(shape(OpKind::kDeterminant, {floats({kDynamicDim, 3, 3})}, {}), "[?]");
  EXPECT_EQ(shape(OpKind::kDeterminant, {floats({2, 2})}, {}), "[]");
  EXPECT_EQ(shape(OpKind::kDeterminant, {floats({2, 3})}, {}), kInvalid);
  EXPECT_EQ(shape(OpKind::kDeterminant, {floats({3})}, {}), kInvalid);
}

TEST_F(ShapeRules, Movement) {
  const ValueId x = floats({2, 3, 4});
  EXPECT_EQ(shape(OpKind::kConcat, {x, floats({2, 5, 4})}, ConcatAttrs{1}), "[2,8,4]");
  EXPECT_EQ(shape(OpKind::kConcat, {x, floats({2, 5, 5})}, ConcatAttrs{1}), kInvalid);
  EXPECT_EQ(shape(OpKind::kTranspose, {x}, TransposeAttrs{{2, 0, 1}}), "[4,2,3]");
  EXPECT_EQ(shape(OpKind::kPad, {x}, PadAttrs{{1, 0, 0}, {0, 2, 0}, 0.F}), "[3,5,4]");
  const auto strided = [&](const StridedCopyAttrs& attrs) {
    return shape(OpKind::kStridedCopy, {x}, attrs);
  };
  EXPECT_EQ(strided({{4, 6}, {1, 4}, 0}), "[4,6]");
  EXPECT_EQ(strided({{4, 6}, {1, 4}, 1}), kInvalid);
  EXPECT_EQ(strided({{24}, {-1}, 23}), "[24]");
  EXPECT_EQ(strided({{24}, {-1}, 22}), kInvalid);
  EXPECT_EQ(strided({{12}, {1}, 0, true}), "[2,12]");
  EXPECT_EQ(strided({{13}, {1}, 0, true}), kInvalid);
  EXPECT_EQ(strided({{5, 0}, {INT64_MAX, 1}, 0}), kInvalid);
  EXPECT_EQ(strided({{5, 0}, {100, 1}, 0}), "[5,0]");
  EXPECT_EQ(strided({{1}, {INT64_MAX}, 23}), "[1]");
  EXPECT_EQ(strided({{2}, {1, 1}, 0}), kInvalid);
  EXPECT_EQ(strided({{-1}, {1}, 0}), kInvalid);
  EXPECT_EQ(strided({{1, 1, 1, 1, 1, 1, 1, 1}, {0, 0, 0, 0, 0, 0, 0, 0}, 0, true}), kInvalid);
  EXPECT_EQ(shape(OpKind::kPad, {x}, PadAttrs{{INT64_MAX, 0, 0}, {0, 0, 0}, 0.F}), kInvalid);
  EXPECT_EQ(shape(OpKind::kPad, {x}, PadAttrs{{-1, 0, 0}, {0, 0, 0}, 0.F}), kInvalid);
  EXPECT_EQ(shape(OpKind::kPad, {x}, PadAttrs{{0}, {0}, 0.F}), kInvalid);
  EXPECT_EQ(
      shape(OpKind::kSlice, {x}, SliceAttrs{{0, 1, 3}, {2, kSliceEnd, kSliceEnd}, {1, 1, -1}}),
      "[2,2,4]");
  EXPECT_EQ(shape(OpKind::kSlice, {x}, SliceAttrs{{0, 0, 0}, {2, 3, 4}, {1, 0, 1}}), kInvalid);
  EXPECT_EQ(shape(OpKind::kSlice, {x}, SliceAttrs{{0}, {2}, {1}}), kInvalid);
}

TEST_F(ShapeRules, MovementByIndices) {
  const ValueId x = floats({2, 3, 4});
  const ValueId open = floats({kDynamicDim, 3, 4});
  const auto indices = [&](const Shape& shape) { return b.input("i", DType::kInt64, shape); };
  EXPECT_EQ(shape(OpKind::kGather, {x, indices({5, 6})}, GatherAttrs{1, 0}), "[2,5,6,4]");
  EXPECT_EQ(shape(OpKind::kGather, {x, indices({2, 6})}, GatherAttrs{1, 1}), "[2,6,4]");
  EXPECT_EQ(shape(OpKind::kGather, {open, indices({kDynamicDim, 6})}, GatherAttrs{1, 1}),
            "[?,6,4]");
  EXPECT_EQ(shape(OpKind::kGather, {x, indices({3, 6})}, GatherAttrs{1, 1}), kInvalid);
  EXPECT_EQ(shape(OpKind::kGather, {x, indices({2, 3})}, GatherAttrs{1, 2}), kInvalid);
  EXPECT_EQ(shape(OpKind::kGather, {x, indices({2})}, GatherAttrs{1, -1}), kInvalid);
  EXPECT_EQ(shape(OpKind::kGather, {x, floats({2})}, GatherAttrs{1, 0}), kInvalid);
  EXPECT_EQ(shape(OpKind::kGather, {x, indices({1, 1, 1, 1, 1, 1, 1})}, GatherAttrs{0, 0}),
            kInvalid);
  EXPECT_EQ(shape(OpKind::kGatherElements, {open, indices({7, 3, 2})}, GatherAttrs{1, 0}),
            "[7,3,2]");
  EXPECT_EQ(shape(OpKind::kGatherElements, {x, indices({3, 3, 4})}, GatherAttrs{1, 0}), kInvalid);
  EXPECT_EQ(shape(OpKind::kGatherNd, {x, indices({5, 2})}, GatherNdAttrs{}), "[5,4]");
  EXPECT_EQ(shape(OpKind::kGatherNd, {open, indices({2, 5, 1})}, GatherNdAttrs{1}), "[2,5,4]");
  EXPECT_EQ(shape(OpKind::kGatherNd, {x, indices({5, kDynamicDim})}, GatherNdAttrs{}), kInvalid);
  EXPECT_EQ(shape(OpKind::kGatherNd, {x, indices({2, 5, 3})}, GatherNdAttrs{1}), kInvalid);
  EXPECT_EQ(shape(OpKind::kGatherNd, {x, indices({})}, GatherNdAttrs{}), kInvalid);
  EXPECT_EQ(shape(OpKind::kScatterNd, {open, indices({5, 1}), floats({5, 3, 4})}, ScatterAttrs{}),
            "[?,3,4]");
  EXPECT_EQ(shape(OpKind::kScatterNd, {x, indices({5, 1}), floats({5, 3})}, ScatterAttrs{}),
            kInvalid);
  EXPECT_EQ(shape(OpKind::kScatterElements, {x, indices({1, 9, 1}), floats({1, 9, 1})},
                  ScatterAttrs{ScatterReduction::kAdd, 1}),
            "[2,3,4]");
  EXPECT_EQ(
      shape(OpKind::kScatterElements, {x, indices({1, 1, 1}), indices({1, 1, 1})}, ScatterAttrs{}),
      kInvalid);
  EXPECT_EQ(shape(OpKind::kUpdateSlice, {x, floats({1, 3, 2}), indices({3})}, {}), "[2,3,4]");
  EXPECT_EQ(shape(OpKind::kUpdateSlice, {x, floats({1, 4, 2}), indices({3})}, {}), kInvalid);
  EXPECT_EQ(shape(OpKind::kUpdateSlice, {x, floats({1, 3, 2}), indices({2})}, {}), kInvalid);
}

TEST_F(ShapeRules, SizesFromValues) {
  const ValueId x = floats({2, kDynamicDim});
  const auto ints = [&](std::vector<int64_t> values) { return b.constant_int64s("i", values); };
  const auto floats_of = [&](float value) {
    return b.constant_floats("f", Shape{}, std::span(&value, 1));
  };
  const ValueId unknown = b.input("n", DType::kInt64, {1});
  EXPECT_EQ(shape(OpKind::kTile, {x, ints({3, 2})}, {}), "[6,?]");
  EXPECT_EQ(shape(OpKind::kTile, {floats({4}), unknown}, {}), "[?]");
  EXPECT_EQ(shape(OpKind::kTile, {floats({4}), ints({INT64_MAX})}, {}), kInvalid);
  EXPECT_EQ(shape(OpKind::kTile, {floats({4}), ints({-1})}, {}), kInvalid);
  EXPECT_EQ(shape(OpKind::kRange, {ints({0}), ints({10}), ints({3})}, {}), "[4]");
  EXPECT_EQ(shape(OpKind::kRange, {ints({0}), unknown, ints({3})}, {}), "[?]");
  EXPECT_EQ(shape(OpKind::kRange, {ints({0}), ints({10}), ints({0})}, {}), kInvalid);
  EXPECT_EQ(shape(OpKind::kRange, {ints({INT64_MIN}), ints({INT64_MAX}), ints({1})}, {}), kInvalid);
  EXPECT_EQ(shape(OpKind::kRange, {ints({1, 2}), ints({10}), ints({1})}, {}), kInvalid);
  EXPECT_EQ(shape(OpKind::kRange, {floats_of(0), floats_of(1), floats_of(0.3F)}, {}), "[4]");
  EXPECT_EQ(shape(OpKind::kRange, {floats_of(0), floats_of(1), floats_of(NAN)}, {}), kInvalid);
  EXPECT_EQ(shape(OpKind::kRange, {floats_of(0), floats_of(INFINITY), floats_of(1)}, {}), kInvalid);
  const ValueId off_on = floats({2});
  EXPECT_EQ(shape(OpKind::kOneHot, {unknown, ints({5}), off_on}, OneHotAttrs{0}), "[5,1]");
  EXPECT_EQ(shape(OpKind::kOneHot, {unknown, unknown, off_on}, OneHotAttrs{1}), "[1,?]");
  EXPECT_EQ(shape(OpKind::kOneHot, {unknown, ints({5}), off_on}, OneHotAttrs{2}), kInvalid);
  EXPECT_EQ(shape(OpKind::kOneHot, {unknown, ints({-1}), off_on}, OneHotAttrs{0}), kInvalid);
  EXPECT_EQ(shape(OpKind::kOneHot, {unknown, ints({INT64_MAX}), off_on}, OneHotAttrs{0}), kInvalid);
}

TEST_F(ShapeRules, SeveralOutputs) {
  const auto shapes = [&](OpKind kind, std::vector<ValueId> inputs, OpAttrs attrs, size_t outputs) {
    const std::vector<OutputSpec> specs(outputs);
    const auto ids = b.ops(kind, inputs, std::move(attrs), "node", specs);
    if (!ids.ok()) return std::string(status_code_name(ids.status().code()));
    std::string text;
    for (ValueId id : *ids) text += graph.value(id).shape.to_string();
    return text;
  };
  const ValueId x = floats({2, 3});
  const std::array<int64_t, 1> two = {2};
  const ValueId k = b.constant_int64s("k", two);
  EXPECT_EQ(shapes(OpKind::kTopK, {x, k}, TopKAttrs{1, true}, 2), "[2,2][2,2]");
  EXPECT_EQ(shapes(OpKind::kTopK, {floats({1, 3}), k}, TopKAttrs{0, true}, 2), kInvalid);
  EXPECT_EQ(shapes(OpKind::kTopK, {x, k}, TopKAttrs{2, true}, 2), kInvalid);
  EXPECT_EQ(shapes(OpKind::kNonZero, {x}, {}, 2), "[2,6][1]");
  EXPECT_EQ(shapes(OpKind::kNonZero, {floats({2, kDynamicDim})}, {}, 2), "[2,?][1]");
  EXPECT_EQ(shapes(OpKind::kUnique, {x}, UniqueAttrs{1, true}, 5), "[2,3][3][3][3][1]");
  EXPECT_EQ(shapes(OpKind::kUnique, {x}, UniqueAttrs{2, true}, 5), kInvalid);
  NonMaxSuppressionAttrs attrs;
  attrs.max_per_class = 2;
  const ValueId boxes = floats({1, 5, 4});
  EXPECT_EQ(shapes(OpKind::kNonMaxSuppression, {boxes, floats({1, 3, 5})}, attrs, 3),
            "[6,3][6][1]");
  EXPECT_EQ(shapes(OpKind::kNonMaxSuppression, {boxes, floats({1, 3, kDynamicDim})}, attrs, 3),
            "[?,3][?][1]");
  EXPECT_EQ(shapes(OpKind::kNonMaxSuppression, {boxes, floats({1, 3, 6})}, attrs, 3), kInvalid);
  attrs.max_per_class = -1;
  EXPECT_EQ(shapes(OpKind::kNonMaxSuppression, {boxes, floats({1, 3, 5})}, attrs, 3), kInvalid);
}

TEST_F(ShapeRules, Products) {
  EXPECT_EQ(shape(OpKind::kMatMul, {floats({2, 1, 3, 4}), floats({5, 4, 6})}, MatMulAttrs{}),
            "[2,5,3,6]");
  EXPECT_EQ(shape(OpKind::kMatMul, {floats({3, 4}), floats({3, 4})}, MatMulAttrs{}), kInvalid);
  EXPECT_EQ(
      shape(OpKind::kFullyConnected, {floats({2, 7, 4}), floats({6, 4})}, FullyConnectedAttrs{}),
      "[2,7,6]");
  EXPECT_EQ(shape(OpKind::kFullyConnected, {floats({2, 5}), floats({6, 4})}, FullyConnectedAttrs{}),
            kInvalid);
}

TEST_F(ShapeRules, VerifyFindsBrokenGraphs) {
  const ValueId x = floats({2, 3});
  const ValueId y = *op(OpKind::kUnary, {x}, UnaryAttrs{});
  const ValueId z = *op(OpKind::kUnary, {y}, UnaryAttrs{});
  b.output(z);
  EXPECT_TRUE(verify(graph).ok());

  Graph order = graph;
  std::swap(order.nodes()[0], order.nodes()[1]);
  EXPECT_FALSE(verify(order).ok());
  Graph range = graph;
  range.nodes()[0].inputs[0] = 1000;
  EXPECT_FALSE(verify(range).ok());
  Graph twice = graph;
  twice.nodes()[1].outputs = twice.nodes()[0].outputs;
  EXPECT_FALSE(verify(twice).ok());
  Graph arity = graph;
  arity.nodes()[0].inputs.clear();
  EXPECT_FALSE(verify(arity).ok());
  Graph attrs = graph;
  attrs.nodes()[0].attrs = ClampAttrs{};
  EXPECT_FALSE(verify(attrs).ok());
  Graph quantization = graph;
  quantization.value(x).quantization = {{1.F, 2.F}, {0}, 0};
  EXPECT_FALSE(verify(quantization).ok());
}

}  // namespace
}  // namespace inferd::ir

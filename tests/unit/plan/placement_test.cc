// SPDX-License-Identifier: Apache-2.0
//
// Concatenations whose inputs are written where they belong.
#include <gtest/gtest.h>

#include "engine/ir/builder.h"
#include "engine/plan/plan.h"

namespace inferd::plan {
namespace {

using ir::ValueId;

class Placement : public testing::Test {
 protected:
  ValueId conv(ValueId x, int64_t channels) {
    const Shape shape{channels, 1, 1, graph_.value(x).shape[3]};
    const std::vector<float> weights(static_cast<size_t>(shape.elements()), 0.5F);
    const ValueId w =
        b_.constant_floats("w" + std::to_string(graph_.value_count()), shape, weights);
    return *b_.op(OpKind::kConv2d, {x, w}, Conv2dAttrs{}, "conv");
  }
  ValueId concat(std::initializer_list<ValueId> inputs, int axis) {
    return *b_.op(OpKind::kConcat, inputs, ConcatAttrs{.axis = axis}, "concat");
  }
  std::shared_ptr<const Plan> plan() {
    WeightCache weights;
    auto made = make_plan(std::move(graph_), weights, PlanOptions{});
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    return made.ok() ? *made : nullptr;
  }

  ir::Graph graph_;
  ir::Builder b_{graph_};
  const ValueId x_ = b_.input("x", DType::kFloat32, {1, 4, 4, 3});
};

TEST_F(Placement, ChannelsAreWrittenBesideEachOther) {
  b_.output(concat({conv(x_, 8), conv(x_, 5)}, 3));
  const auto made = plan();
  ASSERT_EQ(made->steps.size(), 3U);
  const Location whole = made->steps[2].outputs[0];
  EXPECT_EQ(made->steps[0].pixel_stride, 13);
  EXPECT_EQ(made->steps[0].outputs[0].offset, whole.offset);
  EXPECT_EQ(made->steps[1].pixel_stride, 13);
  EXPECT_EQ(made->steps[1].outputs[0].offset, whole.offset + 8 * 4);
  EXPECT_EQ(made->arena_bytes, 4 * 4 * 13 * 4);
}

TEST_F(Placement, LinesAreWrittenBelowEachOther) {
  b_.output(concat({conv(x_, 8), conv(x_, 8)}, 1));
  const auto made = plan();
  EXPECT_EQ(made->steps[1].pixel_stride, 0);
  EXPECT_EQ(made->steps[1].outputs[0].offset, made->steps[2].outputs[0].offset + 4 * 4 * 8 * 4);
  EXPECT_EQ(made->arena_bytes, 2 * 4 * 4 * 8 * 4);
}

TEST_F(Placement, WhatOthersReadTooIsCopied) {
  const ValueId shared = conv(x_, 8);
  b_.output(concat({shared, conv(shared, 8)}, 3));
  const auto made = plan();
  EXPECT_EQ(made->steps[0].pixel_stride, 0);
  EXPECT_NE(made->steps[0].outputs[0].offset, made->steps[2].outputs[0].offset);
  EXPECT_EQ(made->steps[1].pixel_stride, 16);
  EXPECT_EQ(made->steps[2].placed, 0b10U);
}

TEST_F(Placement, TheSameValueTwiceIsCopied) {
  const ValueId twice = conv(x_, 8);
  b_.output(concat({twice, twice}, 3));
  EXPECT_EQ(plan()->steps[0].pixel_stride, 0);
}

}  // namespace
}  // namespace inferd::plan

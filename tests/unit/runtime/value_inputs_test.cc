// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/value_inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/ir/builder.h"

namespace inferd::runtime {
namespace {

using testing::ElementsAre;

TEST(ValueInputs, ArithmeticTakesElementsForWhatTheyAre) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId x = b.input("x", DType::kFloat32, {2, 4});
  const ir::ValueId y = b.input("y", DType::kFloat32, {2, 4});
  b.output(*b.op(OpKind::kBinary, {x, y}, BinaryAttrs{BinaryKind::kDiv, {}}, "quotient"));
  EXPECT_THAT(value_inputs(graph), ElementsAre(true, true));
}

TEST(ValueInputs, DivisorsThatAreIntegersAreLookedAtTwice) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId x = b.input("x", DType::kInt32, {4});
  const ir::ValueId y = b.input("y", DType::kInt32, {4});
  b.output(*b.op(OpKind::kBinary, {x, y}, BinaryAttrs{BinaryKind::kDiv, {}}, "quotient"));
  EXPECT_THAT(value_inputs(graph), ElementsAre(false, false));
}

TEST(ValueInputs, IndicesAndTheDataTheyLeadTo) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId table = b.input("table", DType::kFloat32, {8, 2});
  const ir::ValueId rows = b.input("rows", DType::kInt64, {3});
  b.output(*b.op(OpKind::kGather, {table, rows}, GatherAttrs{}, "gather"));
  EXPECT_THAT(value_inputs(graph), ElementsAre(false, false));
}

// A reshaped input is the same memory, and what reads it decides.
TEST(ValueInputs, AliasesAreFollowed) {
  for (const bool soft : {false, true}) {
    ir::Graph graph;
    ir::Builder b(graph);
    const ir::ValueId x = b.input("x", DType::kFloat32, {2, 4});
    const ir::ValueId flat = *b.op(OpKind::kReshape, {x}, ReshapeAttrs{.dims = {8}}, "flat");
    b.output(soft ? *b.op(OpKind::kSoftmax, {flat}, SoftmaxAttrs{}, "softmax")
                  : *b.op(OpKind::kClamp, {flat}, ClampAttrs{}, "clamp"));
    EXPECT_THAT(value_inputs(graph), ElementsAre(!soft)) << soft;
  }
}

// What a run computed is its own, whatever is done with it.
TEST(ValueInputs, ComputedValuesAreTheRunsOwn) {
  ir::Graph graph;
  ir::Builder b(graph);
  const ir::ValueId x = b.input("x", DType::kFloat32, {8});
  const ir::ValueId clamped = *b.op(OpKind::kClamp, {x}, ClampAttrs{}, "clamp");
  b.output(*b.op(OpKind::kSoftmax, {clamped}, SoftmaxAttrs{}, "softmax"));
  EXPECT_THAT(value_inputs(graph), ElementsAre(true));
}

TEST(ValueInputs, BoolsMayHoldNoOtherBytes) {
  ir::Graph graph;
  ir::Builder b(graph);
  b.output(*b.op(OpKind::kReshape, {b.input("x", DType::kBool, {4})}, ReshapeAttrs{.dims = {4}},
                 "same"));
  EXPECT_THAT(value_inputs(graph), ElementsAre(false));
}

}  // namespace
}  // namespace inferd::runtime

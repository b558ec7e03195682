// SPDX-License-Identifier: Apache-2.0
//
// What the shape rules of recurrent operators and trees refuse, and what they say of unknown
// dimensions. The expected shapes of good operators are in tests/ops.
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "engine/ir/builder.h"

namespace inferd::ir {
namespace {

class RecurrentRules : public ::testing::Test {
 protected:
  ValueId floats(const Shape& shape) { return b.input("x", DType::kFloat32, shape); }
  ValueId ints(const Shape& shape) { return b.input("x", DType::kInt32, shape); }

  // The shapes of all outputs, or the error's message.
  std::string shapes(OpKind kind, std::vector<ValueId> inputs, OpAttrs attrs, size_t outputs) {
    const std::vector<OutputSpec> specs(outputs);
    const auto made = b.ops(kind, inputs, std::move(attrs), "n", specs);
    if (!made.ok()) {
      EXPECT_EQ(made.status().code(), StatusCode::kInvalidArgument);
      return made.status().message();
    }
    std::string text;
    for (ValueId id : *made) text += graph.value(id).shape.to_string();
    return text;
  }
  std::string rnn(std::vector<ValueId> inputs, RnnAttrs attrs = {}) {
    return shapes(OpKind::kRnn, std::move(inputs), attrs, 2);
  }
  std::string gru(std::vector<ValueId> inputs, GruAttrs attrs = {}) {
    return shapes(OpKind::kGru, std::move(inputs), attrs, 2);
  }
  std::string lstm(std::vector<ValueId> inputs, LstmAttrs attrs = {}) {
    return shapes(OpKind::kLstm, std::move(inputs), attrs, 3);
  }

  Graph graph;
  Builder b{graph};
};

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST_F(RecurrentRules, UnknownDimensionsStayUnknown) {
  const ValueId x = floats({kDynamicDim, kDynamicDim, 8});
  EXPECT_EQ(lstm({x, floats({8, 2}), floats({1, 2}), floats({1, 2})}), "[?,?,2][?,2][?,2]");
  EXPECT_EQ(lstm({x, floats({8, 2}), floats({kDynamicDim, 2}), floats({3, 2})}),
            "[?,?,2][?,2][?,2]");
  EXPECT_EQ(rnn({floats({kDynamicDim, 5, kDynamicDim}), floats({3, 3}), floats({1, 3})}),
            "[?,5,3][?,3]");
  EXPECT_EQ(gru({floats({2, kDynamicDim, 6}), floats({6, 2}), floats({2, 2})}), "[2,?,2][2,2]");
}

TEST_F(RecurrentRules, OperandsMustFit) {
  const ValueId x = floats({2, 4, 3});
  const ValueId w = floats({3, 3});
  const ValueId h = floats({2, 3});
  EXPECT_EQ(rnn({x, w, h}), "[2,4,3][2,3]");
  EXPECT_EQ(rnn({h, w, h}), "rnn 'n': input [2,3] is not [batch,time,features]");
  EXPECT_EQ(rnn({x, floats({4, 4}), floats({2, 4})}),
            "rnn 'n': input has 3 features, the recurrent weights 4 rows");
  EXPECT_EQ(rnn({x, floats({3, 2}), h}), "rnn 'n': has 3 cells and no projection to the state's 2");
  EXPECT_EQ(rnn({x, floats({kDynamicDim, 3}), h}),
            "rnn 'n': needs static 2-D recurrent weights, got [?,3]");
  EXPECT_EQ(rnn({x, floats({0, 0}), h}), "rnn 'n': recurrent weights [0,0] are not of 1 gates");
  EXPECT_EQ(rnn({x, w, floats({3, 3})}), "rnn 'n': h has shape [3,3], not [2,3]");
  EXPECT_EQ(rnn({x, w, floats({3})}), "rnn 'n': h has shape [3], not [2,3]");
  EXPECT_EQ(gru({x, w, h}), "gru 'n': has 1 cells and no projection to the state's 3");
}

TEST_F(RecurrentRules, AttributesSayWhichInputsThereAre) {
  const ValueId x = floats({2, 4, 3});
  const ValueId w = floats({3, 3});
  const ValueId h = floats({1, 3});
  const ValueId lengths = ints({2});
  EXPECT_EQ(rnn({x, w, h, lengths}, {.lengths = true}), "[2,4,3][2,3]");
  EXPECT_EQ(rnn({x, w, h}, {.lengths = true}), "rnn 'n': lacks the input 'lengths'");
  EXPECT_EQ(rnn({x, w, h, lengths}), "rnn 'n': has 4 inputs, its attributes ask for 3");
  EXPECT_EQ(rnn({x, w, h, floats({2})}, {.lengths = true}), "rnn 'n': lengths are not int32");
  EXPECT_EQ(rnn({x, w, h, ints({3})}, {.lengths = true}),
            "rnn 'n': lengths has shape [3], not [2]");
  const ValueId gates = floats({1, 4, 6});
  const ValueId weights = floats({6, 2});
  const ValueId state = floats({1, 2});
  EXPECT_EQ(gru({gates, weights, state}, {.reset_after = true}), "gru 'n': lacks the input 'bias'");
  EXPECT_EQ(gru({gates, weights, state, floats({3})}, {.reset_after = true}),
            "gru 'n': bias has shape [3], not [2]");
  const auto three = GateCoupling::kForgetFromInput;
  EXPECT_EQ(lstm({gates, weights, state, state}, {.coupling = three}), "[1,4,2][1,2][1,2]");
  EXPECT_EQ(lstm({gates, weights, state, state}),
            "lstm 'n': recurrent weights [6,2] are not of 4 gates");
  EXPECT_EQ(
      lstm({gates, weights, state, state, floats({6})}, {.coupling = three, .peephole = true}),
      "lstm 'n': peephole has shape [6], not [4]");
  EXPECT_EQ(lstm({gates, weights, state, state, floats({6})}, {.coupling = three, .norm = true}),
            "lstm 'n': lacks the input 'bias'");
  EXPECT_EQ(
      lstm({gates, weights, state, state, floats({3, 2})}, {.coupling = three, .projection = true}),
      "lstm 'n': projection has shape [3,2], not [2,2]");
}

TEST_F(RecurrentRules, BoundsAreNotNegative) {
  const ValueId x = floats({1, 1, 4});
  const ValueId w = floats({4, 1});
  const ValueId state = floats({1, 1});
  for (const float bad : {-1.F, kNan}) {
    EXPECT_EQ(lstm({x, w, state, state}, {.clip = bad}), "lstm 'n': clip is not a bound");
    EXPECT_EQ(lstm({x, w, state, state}, {.cell_clip = bad}), "lstm 'n': cell_clip is not a bound");
    EXPECT_EQ(lstm({x, w, state, state}, {.projection_clip = bad}),
              "lstm 'n': projection_clip is not a bound");
  }
}

TEST_F(RecurrentRules, QuantizedLstm) {
  const auto quantized = [&](std::vector<ValueId> inputs, QuantizedLstmAttrs attrs) {
    return shapes(OpKind::kQuantizedLstm, std::move(inputs), attrs, 3);
  };
  const ValueId x = floats({2, 5, 3});  // the rule looks at shapes alone
  const ValueId v = floats({8, 3});
  const ValueId w = floats({8, 2});
  const ValueId bias = floats({8});
  const ValueId state = floats({1, 2});
  EXPECT_EQ(quantized({x, v, w, bias, state, state}, {}), "[2,5,2][2,2][2,2]");
  EXPECT_EQ(quantized({x, w, w, bias, state, state}, {}),
            "quantized_lstm 'n': input weights [8,2] do not fit an input of 3 features and 8 "
            "recurrent rows");
  for (const float bad : {0.F, -1.F, kNan, std::numeric_limits<float>::infinity()}) {
    EXPECT_EQ(quantized({x, v, w, bias, state, state}, {.hidden_scale = bad}),
              "quantized_lstm 'n': the hidden quantization is out of range");
  }
  EXPECT_EQ(quantized({x, v, w, bias, state, state}, {.hidden_zero_point = 129}),
            "quantized_lstm 'n': the hidden quantization is out of range");
}

TEST_F(RecurrentRules, Svdf) {
  const auto svdf = [&](std::vector<ValueId> inputs, int rank) {
    return shapes(OpKind::kSvdf, std::move(inputs), SvdfAttrs{rank, {}}, 2);
  };
  const ValueId x = floats({kDynamicDim, 3});
  const ValueId w = floats({4, 3});
  const ValueId t = floats({4, 5});
  const ValueId state = floats({kDynamicDim, 4, 5});
  EXPECT_EQ(svdf({x, w, t, state}, 2), "[?,2][?,4,5]");
  for (const int rank : {0, -1, 3}) {
    EXPECT_EQ(svdf({x, w, t, state}, rank),
              "svdf 'n': rank " + std::to_string(rank) + " does not divide 4 filters");
  }
  EXPECT_EQ(svdf({x, w, floats({4, 0}), state}, 2),
            "svdf 'n': input [?,3], weights [4,3] and weights over time [4,0] do not fit together");
  EXPECT_EQ(svdf({x, w, t, floats({1, 20})}, 2), "svdf 'n': state has shape [1,20], not [?,4,5]");
  EXPECT_EQ(svdf({x, w, t, state, floats({4})}, 2), "svdf 'n': bias has shape [4], not [2]");
}

TEST_F(RecurrentRules, TreeEnsemble) {
  const auto trees = [&](std::vector<ValueId> inputs, int targets) {
    return shapes(OpKind::kTreeEnsemble, std::move(inputs), TreeEnsembleAttrs{targets, {}}, 1);
  };
  const ValueId x = floats({kDynamicDim, 3});
  const ValueId nodes = ints({5, 4});
  const ValueId thresholds = floats({5});
  const ValueId roots = ints({2});
  const ValueId leaves = ints({4});
  const ValueId weights = floats({4});
  EXPECT_EQ(trees({x, nodes, thresholds, roots, leaves, weights}, 7), "[?,7]");
  EXPECT_EQ(trees({x, nodes, thresholds, roots, leaves, weights}, 0),
            "tree_ensemble 'n': has 0 targets");
  EXPECT_EQ(trees({roots, nodes, thresholds, roots, leaves, weights}, 1),
            "tree_ensemble 'n': input [2] is not [samples,features]");
  EXPECT_EQ(trees({x, nodes, weights, roots, leaves, weights}, 1),
            "tree_ensemble 'n': nodes [5,4], thresholds [4], roots [2], leaves [4] and weights [4] "
            "do not fit together");
}

}  // namespace
}  // namespace inferd::ir

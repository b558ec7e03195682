// SPDX-License-Identifier: Apache-2.0
//
// What ONNX's recurrent operators become, and what is refused and why. Their values are compared by
// ONNX's own cases (tests/conformance) and with ONNX Runtime (tests/models).
#include <gmock/gmock.h>

#include "tests/unit/import/import_testing.h"
#include "tests/unit/import/onnx_builder.h"

namespace inferd::import {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using Dims = std::vector<int64_t>;

// Three steps of two sequences with four features, two cells.
struct Node {
  const char* op = "LSTM";
  OnnxAttrs attrs = {};
  Dims x = {3, 2, 4};
  Dims w = {1, 8, 4};
  Dims r = {1, 8, 2};
  Dims bias = {};  // none
};

std::string lowered(const Node& n) {
  const auto values = [](const Dims& dims) {
    int64_t count = 1;
    for (int64_t d : dims) count *= d;
    return std::vector<float>(static_cast<size_t>(count), 0.5F);
  };
  OnnxBuilder b(14);
  b.input("x", n.x).floats("w", n.w, values(n.w)).floats("r", n.r, values(n.r));
  std::vector<const char*> inputs = {"x", "w", "r"};
  if (!n.bias.empty()) {
    b.floats("b", n.bias, values(n.bias));
    inputs.push_back("b");
  }
  b.node(n.op, inputs, {"y", "h"}, n.attrs);
  b.output_without_shape("y").output_without_shape("h");
  return outcome(b.bytes());
}

TEST(OnnxRecurrent, OneDirection) {
  EXPECT_THAT(lowered({}),
              AllOf(HasSubstr("FP32[2,3,4] = transpose perm=[1,0,2] (%0)"),
                    HasSubstr("FP32[2,3,8] = fully_connected"), HasSubstr("FP32[2,3,2], "),
                    HasSubstr("= lstm sigmoid tanh tanh"), HasSubstr("FP32[3,1,2,2] = reshape"),
                    HasSubstr("FP32[1,2,2] = reshape"), Not(HasSubstr("concat"))));
  EXPECT_THAT(lowered({.op = "RNN", .w = {1, 2, 4}, .r = {1, 2, 2}}), HasSubstr("= rnn tanh (%"));
  EXPECT_THAT(lowered({.op = "GRU", .w = {1, 6, 4}, .r = {1, 6, 2}}),
              HasSubstr("= gru sigmoid tanh (%"));
  EXPECT_THAT(lowered({.attrs = {attr("direction", "reverse"), attr("clip", 0.5F)}}),
              HasSubstr("clip=0.5 reverse ("));
  EXPECT_THAT(lowered({.attrs = {attr("layout", 1)}}),
              AllOf(Not(HasSubstr("transpose")), HasSubstr("FP32[3,2,1,2] = reshape")));
}

TEST(OnnxRecurrent, TwoDirections) {
  EXPECT_THAT(
      lowered({.attrs = {attr("direction", "bidirectional")}, .w = {2, 8, 4}, .r = {2, 8, 2}}),
      AllOf(HasSubstr("lstm sigmoid tanh tanh none reverse"),
            HasSubstr("FP32[3,2,2,2] = concat axis=1"), HasSubstr("FP32[2,2,2] = concat axis=0")));
}

TEST(OnnxRecurrent, GatesThatAreCoupledHaveNoRows) {
  EXPECT_THAT(lowered({.attrs = {attr("input_forget", 1)}}),
              AllOf(HasSubstr("FP32[2,3,6] = fully_connected"),
                    HasSubstr("lstm sigmoid tanh tanh forget_from_input")));
}

// The reset gate comes after the multiplication whether or not there is a bias.
TEST(OnnxRecurrent, LinearBeforeReset) {
  for (const Dims& bias : {Dims{}, Dims{1, 12}}) {
    EXPECT_THAT(lowered({.op = "GRU",
                         .attrs = {attr("linear_before_reset", 1)},
                         .w = {1, 6, 4},
                         .r = {1, 6, 2},
                         .bias = bias}),
                HasSubstr("gru sigmoid tanh reset_after"));
  }
}

TEST(OnnxRecurrent, ActivationsTakeTheNextAlphaAndBeta) {
  EXPECT_THAT(lowered({.attrs = {texts_attr("activations", {"HardSigmoid", "Softsign", "elu"}),
                                 floats_attr("activation_alpha", {0.25F, 3.F}),
                                 floats_attr("activation_beta", {0.75F})}}),
              HasSubstr("lstm hard_sigmoid f_alpha=0.25 f_beta=0.75 softsign elu h_alpha=3 none"));
  EXPECT_THAT(lowered({.attrs = {texts_attr("activations", {"Sigmoid", "Tanh"})}}),
              HasSubstr("has 2 activations, not 3"));
  EXPECT_THAT(lowered({.attrs = {texts_attr("activations", {"Sigmoid", "Tanh", "Sine"})}}),
              HasSubstr("unsupported LSTM 'y': activation 'sine'"));
}

TEST(OnnxRecurrent, Refused) {
  EXPECT_THAT(lowered({.attrs = {attr("direction", "sideways")}}),
              HasSubstr("direction 'sideways'"));
  EXPECT_THAT(lowered({.r = {2, 8, 2}}),
              HasSubstr("recurrent weights [2,8,2] are not those of 1 directions and 4 gates"));
  EXPECT_THAT(lowered({.r = {1, 6, 2}}), HasSubstr("are not those of 1 directions and 4 gates"));
  EXPECT_THAT(lowered({.w = {8, 4}}), HasSubstr("input 1 has shape [8,4]"));
  EXPECT_THAT(lowered({.w = {1, 8, 3}}), HasSubstr("do not fit the input"));
  EXPECT_THAT(lowered({.w = {1, 6, 4}}), HasSubstr("has 6 features, the recurrent weights 8 rows"));
  EXPECT_THAT(lowered({.bias = {1, 8}}), HasSubstr("bias has 8 numbers, not 16"));
  EXPECT_THAT(lowered({.x = {3, 2}}), HasSubstr("input [3,2] is not 3-D"));
}

}  // namespace
}  // namespace inferd::import

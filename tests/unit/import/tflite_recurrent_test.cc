// SPDX-License-Identifier: Apache-2.0
//
// What TensorFlow Lite's recurrent operators become, and what is refused and why. Their values are
// compared in tests/ops and, for real models, with the official runtime in tests/models.
#include <gmock/gmock.h>

#include "tests/unit/import/import_testing.h"
#include "tests/unit/import/tflite_builder.h"

namespace inferd::import {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

using Dims = std::vector<int32_t>;
constexpr int32_t kAbsent = -1;

// One LSTM with two cells over [2 sequences, 3 steps, 4 features].
class LstmFile {
 public:
  TfliteBuilder b;
  std::vector<int32_t> inputs = std::vector<int32_t>(24, kAbsent);
  Dims x = {2, 3, 4};

  LstmFile() {
    for (size_t gate = 0; gate < 4; ++gate) {
      inputs[1 + gate] = weights({2, 4});
      inputs[5 + gate] = weights({2, 2});
      inputs[12 + gate] = weights({2});
    }
    inputs[18] = state("h");
    inputs[19] = state("c");
  }

  int32_t weights(const Dims& shape) {
    const int32_t count = shape.size() == 1 ? shape[0] : shape[0] * shape[1];
    return b.floats("w", shape, std::vector<float>(static_cast<size_t>(count), 0.25F));
  }
  int32_t state(const char* name) {
    return b.tensor({.name = name, .shape = {2, 2}, .variable = true});
  }
  std::string lowered(const char* op = "UNIDIRECTIONAL_SEQUENCE_LSTM",
                      TfliteBuilder::Options options = 0) {
    Dims out = x;
    out.back() = 2;
    inputs[0] = b.floats("x", x);
    const int32_t y = b.floats("y", out);
    b.op(op, inputs, {y}, options);
    return outcome(b.finish({inputs[0]}, {y}));
  }
};

TEST(TfliteRecurrent, Lstm) {
  LstmFile f;
  const auto options = tflite::CreateUnidirectionalSequenceLstmOptions(f.b.fbb(), 4, 0.5F, 2.F);
  EXPECT_THAT(f.lowered("UNIDIRECTIONAL_SEQUENCE_LSTM", options.Union()),
              AllOf(HasSubstr("FP32[2,3,8] = fully_connected"),
                    HasSubstr("= lstm sigmoid tanh tanh none cell_clip=0.5 (%")));
}

TEST(TfliteRecurrent, TimeMajorIsTransposed) {
  LstmFile f;
  f.x = {3, 2, 4};
  const auto options =
      tflite::CreateUnidirectionalSequenceLstmOptions(f.b.fbb(), 4, 0.F, 0.F, true);
  EXPECT_THAT(f.lowered("UNIDIRECTIONAL_SEQUENCE_LSTM", options.Union()),
              AllOf(HasSubstr("FP32[2,3,4] = transpose"), HasSubstr("FP32[3,2,2] = transpose")));
}

TEST(TfliteRecurrent, OneStep) {
  LstmFile f;
  f.x = {2, 4};
  EXPECT_THAT(f.lowered("LSTM"), AllOf(HasSubstr("FP32[2,1,4] = reshape"),
                                       HasSubstr("lstm sigmoid affine g_alpha=1 affine h_alpha=1"),
                                       HasSubstr("FP32[2,2] = reshape")));
}

TEST(TfliteRecurrent, OptionalInputs) {
  LstmFile f;
  for (const size_t i : {1, 5, 12}) f.inputs[i] = kAbsent;
  for (const size_t i : {10, 11, 21, 22, 23, 17}) f.inputs[i] = f.weights({2});
  f.inputs[16] = f.weights({2, 2});
  EXPECT_THAT(f.lowered(), HasSubstr("input_from_forget peephole norm projection projection_bias"));
}

TEST(TfliteRecurrent, RefusedLstms) {
  LstmFile half;
  half.inputs[1] = kAbsent;
  EXPECT_THAT(half.lowered(), HasSubstr("an input gate has only some of its weights"));
  LstmFile stateless;
  stateless.inputs[18] = kAbsent;
  EXPECT_THAT(stateless.lowered(), HasSubstr("state 18 is missing"));
  LstmFile wrong_state;
  wrong_state.inputs[19] = wrong_state.b.tensor({.name = "c3", .shape = {2, 3}, .variable = true});
  EXPECT_THAT(wrong_state.lowered(), HasSubstr("state 'c3' has shape [2,3], not [2,2]"));
  LstmFile flat;
  flat.x = {4};
  EXPECT_THAT(flat.lowered(), HasSubstr("input [4] is neither 2-D nor 3-D"));
  LstmFile diagonal;
  const auto options = tflite::CreateUnidirectionalSequenceLstmOptions(diagonal.b.fbb(), 4, 0.F,
                                                                       0.F, false, false, true);
  EXPECT_THAT(diagonal.lowered("UNIDIRECTIONAL_SEQUENCE_LSTM", options.Union()),
              HasSubstr("diagonal recurrent weights"));
  LstmFile odd;
  const auto sign = tflite::CreateUnidirectionalSequenceLstmOptions(odd.b.fbb(), 5);
  EXPECT_THAT(odd.lowered("UNIDIRECTIONAL_SEQUENCE_LSTM", sign.Union()),
              HasSubstr("fused activation other than"));
}

// A quantized LSTM of two cells with one feature, as far as `cell` allows.
std::string quantized(const TfliteTensor& cell, bool norm = false) {
  TfliteBuilder b;
  const auto constant = [&](const Dims& shape, int8_t type, size_t bytes) {
    return b.tensor({.name = "w",
                     .shape = shape,
                     .type = type,
                     .scales = {0.5F},
                     .zero_points = {0},
                     .data = std::string(bytes, '\1')});
  };
  const auto activation = [&](const char* name, const Dims& shape, bool variable) {
    return b.tensor({.name = name,
                     .shape = shape,
                     .type = kTfliteInt8,
                     .scales = {0.25F},
                     .zero_points = {3},
                     .variable = variable});
  };
  std::vector<int32_t> inputs(24, kAbsent);
  inputs[0] = activation("x", {1, 1, 1}, false);
  for (size_t gate = 0; gate < 4; ++gate) {
    inputs[1 + gate] = constant({2, 1}, kTfliteInt8, 2);
    inputs[5 + gate] = constant({2, 2}, kTfliteInt8, 4);
    inputs[12 + gate] = constant({2}, kTfliteInt32, 8);
    if (norm) inputs[20 + gate] = constant({2}, kTfliteInt16, 4);
  }
  inputs[18] = activation("h", {1, 2}, true);
  inputs[19] = b.tensor(cell);
  const int32_t y = activation("y", {1, 1, 2}, false);
  b.op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, {y});
  return outcome(b.finish({inputs[0]}, {y}));
}

TEST(TfliteRecurrent, QuantizedLstm) {
  const TfliteTensor cell{.name = "c",
                          .shape = {1, 2},
                          .type = kTfliteInt16,
                          .scales = {1.F / 2048.F},
                          .zero_points = {0},
                          .variable = true};
  // Without intermediates the cells give what the output is; its zero point changes its sign.
  EXPECT_THAT(quantized(cell),
              HasSubstr("= quantized_lstm hidden_scale=0.25 hidden_zero_point=-3 (%0"));
  EXPECT_THAT(quantized(cell, true), HasSubstr("layer normalisation in integers"));
  TfliteTensor odd = cell;
  odd.scales = {1.F / 2000.F};
  EXPECT_THAT(quantized(odd), HasSubstr("a cell of scale 0.000500, which is no power of two"));
  TfliteTensor wide = cell;
  wide.scales = {1.F / 64.F};
  EXPECT_THAT(quantized(wide), HasSubstr("which is no power of two from 2^-15 to 2^-9"));
  TfliteTensor bytes = cell;
  bytes.type = kTfliteInt8;
  EXPECT_THAT(quantized(bytes), HasSubstr("a cell of type INT8 under 8-bit activations"));
}

TEST(TfliteRecurrent, RnnAndSvdf) {
  TfliteBuilder b;
  const auto constant = [&](const Dims& shape, size_t count) {
    return b.floats("w", shape, std::vector<float>(count, 0.5F));
  };
  const int32_t x = b.floats("x", {1, 3});
  const int32_t h = b.tensor({.name = "h", .shape = {1, 2}, .variable = true});
  const int32_t y = b.floats("y", {1, 2});
  b.op("RNN", {x, constant({2, 3}, 6), constant({2, 2}, 4), constant({2}, 2), h}, {y},
       tflite::CreateRnnOptions(b.fbb(), 4).Union());
  const int32_t state = b.tensor({.name = "s", .shape = {1, 20}, .variable = true});
  const int32_t z = b.floats("z", {1, 2});
  b.op("SVDF", {y, constant({4, 2}, 8), constant({4, 5}, 20), kAbsent, state}, {z},
       tflite::CreateSvdfOptions(b.fbb(), 2, 1).Union());
  EXPECT_THAT(
      outcome(b.finish({x}, {z})),
      AllOf(HasSubstr("= rnn tanh (%"), HasSubstr("FP32[1,2], "),
            HasSubstr("FP32[1,4,5] = svdf rank=2 clamp=0..inf (%"), Not(HasSubstr("unsupported"))));
}

}  // namespace
}  // namespace inferd::import

// SPDX-License-Identifier: Apache-2.0
#include "tests/models/made_tflite.h"

#include <functional>

#include "tests/unit/import/tflite_builder.h"

namespace inferd {
namespace {

using import::bytes_of;
using import::kTfliteBool;
using import::kTfliteInt16;
using import::kTfliteInt32;
using import::kTfliteInt8;
using import::kTfliteResource;
using import::TfliteBuilder;
using import::TfliteTensor;
using Dims = std::vector<int32_t>;

constexpr int32_t kAbsent = -1;

// Numbers from -1 to 1 that look random.
std::vector<float> weights(size_t count, uint32_t seed) {
  std::vector<float> values(count);
  for (float& v : values) {
    seed = seed * 1664525U + 1013904223U;
    v = static_cast<float>(seed >> 16U) / 32768.F - 1.F;
  }
  return values;
}
int32_t constant(TfliteBuilder& b, const Dims& shape, uint32_t seed) {
  size_t count = 1;
  for (const int32_t d : shape) count *= static_cast<size_t>(d);
  return b.floats("w", shape, weights(count, seed));
}
int32_t scalar_int(TfliteBuilder& b, const char* name) {
  return b.tensor({.name = name, .shape = {}, .type = kTfliteInt32});
}
int32_t scalar_int(TfliteBuilder& b, const char* name, int32_t value) {
  return b.tensor({.name = name,
                   .shape = {},
                   .type = kTfliteInt32,
                   .data = bytes_of(std::vector<int32_t>{value})});
}
int32_t scalar_bool(TfliteBuilder& b, const char* name) {
  return b.tensor({.name = name, .shape = {}, .type = kTfliteBool});
}

// y = sum(x) < 0 ? -x : x * x
std::string if_model() {
  TfliteBuilder b;
  int32_t x = b.floats("x", {2, 3});
  int32_t y = b.floats("negated", {2, 3});
  b.op("NEG", {x}, {y});
  const int32_t then_branch = b.end_body({x}, {y});
  x = b.floats("x", {2, 3});
  y = b.floats("squared", {2, 3});
  b.op("SQUARE", {x}, {y});
  const int32_t else_branch = b.end_body({x}, {y});
  x = b.floats("x", {2, 3});
  y = b.floats("y", {2, 3});
  const int32_t sum = b.floats("sum", {});
  const int32_t zero = b.floats("zero", {}, {0.F});
  const int32_t condition = scalar_bool(b, "condition");
  b.op("SUM", {x, b.ints({0, 1})}, {sum});
  b.op("LESS", {sum, zero}, {condition});
  b.op("IF", {condition, x}, {y},
       tflite::CreateIfOptions(b.fbb(), then_branch, else_branch).Union());
  return b.finish({x}, {y});
}

// Five times: x = x * 0.5 + i.
std::string while_model() {
  TfliteBuilder b;
  int32_t i = scalar_int(b, "i");
  int32_t x = b.floats("x", {2, 3});
  const int32_t goes_on = scalar_bool(b, "goes_on");
  b.op("LESS", {i, scalar_int(b, "five", 5)}, {goes_on});
  const int32_t condition = b.end_body({i, x}, {goes_on});
  i = scalar_int(b, "i");
  x = b.floats("x", {2, 3});
  const int32_t next = scalar_int(b, "next");
  const int32_t real = b.floats("real", {});
  const int32_t half = b.floats("half", {2, 3});
  const int32_t y = b.floats("y", {2, 3});
  b.op("ADD", {i, scalar_int(b, "one", 1)}, {next});
  b.op("CAST", {i}, {real});
  b.op("MUL", {x, b.floats("factor", {}, {0.5F})}, {half});
  b.op("ADD", {half, real}, {y});
  const int32_t body = b.end_body({i, x}, {next, y});
  i = scalar_int(b, "zero", 0);
  x = b.floats("x", {2, 3});
  const int32_t last = scalar_int(b, "last");
  const int32_t z = b.floats("z", {2, 3});
  b.op("WHILE", {i, x}, {last, z}, tflite::CreateWhileOptions(b.fbb(), condition, body).Union());
  return b.finish({x}, {z, last});
}

int32_t handle(TfliteBuilder& b, const char* variable) {
  const int32_t id = b.tensor({.name = "handle", .shape = {}, .type = kTfliteResource});
  b.op("VAR_HANDLE", {}, {id}, tflite::CreateVarHandleOptionsDirect(b.fbb(), "", variable).Union());
  return id;
}

// A variable that begins as {1, 2, 3} and is added to at each run.
std::string variable_model() {
  TfliteBuilder b;
  b.op("ASSIGN_VARIABLE", {handle(b, "sum"), b.floats("begin", {1, 3}, {1.F, 2.F, 3.F})}, {});
  const int32_t init = b.end_body({}, {});
  b.op("CALL_ONCE", {}, {}, tflite::CreateCallOnceOptions(b.fbb(), init).Union());
  const int32_t x = b.floats("x", {1, 3});
  const int32_t variable = handle(b, "sum");
  const int32_t before = b.floats("before", {1, 3});
  const int32_t after = b.floats("after", {1, 3});
  b.op("READ_VARIABLE", {variable}, {before});
  b.op("ADD", {before, x}, {after});
  b.op("ASSIGN_VARIABLE", {variable, after}, {});
  const int32_t again = b.floats("again", {1, 3});
  const int32_t y = b.floats("y", {1, 3});
  b.op("READ_VARIABLE", {variable}, {again});
  b.op("NEG", {again}, {y});
  return b.finish({x}, {y});
}

// Three times per run a variable becomes its half plus x, inside of a loop that is handed the
// handle.
std::string variable_in_loop_model() {
  TfliteBuilder b;
  b.op("ASSIGN_VARIABLE", {handle(b, "v"), b.floats("begin", {1, 2}, {4.F, -8.F})}, {});
  const int32_t init = b.end_body({}, {});
  const auto resource = [&](const char* name) {
    return b.tensor({.name = name, .shape = {}, .type = kTfliteResource});
  };
  int32_t i = scalar_int(b, "i");
  int32_t x = b.floats("x", {1, 2});
  int32_t variable = resource("variable");
  const int32_t goes_on = scalar_bool(b, "goes_on");
  b.op("LESS", {i, scalar_int(b, "three", 3)}, {goes_on});
  const int32_t condition = b.end_body({i, x, variable}, {goes_on});
  i = scalar_int(b, "i");
  x = b.floats("x", {1, 2});
  variable = resource("variable");
  const int32_t next = scalar_int(b, "next");
  const int32_t before = b.floats("before", {1, 2});
  const int32_t half = b.floats("half", {1, 2});
  const int32_t after = b.floats("after", {1, 2});
  b.op("ADD", {i, scalar_int(b, "one", 1)}, {next});
  b.op("READ_VARIABLE", {variable}, {before});
  b.op("MUL", {before, b.floats("factor", {}, {0.5F})}, {half});
  b.op("ADD", {half, x}, {after});
  b.op("ASSIGN_VARIABLE", {variable, after}, {});
  const int32_t body = b.end_body({i, x, variable}, {next, x, variable});
  b.op("CALL_ONCE", {}, {}, tflite::CreateCallOnceOptions(b.fbb(), init).Union());
  x = b.floats("x", {1, 2});
  variable = handle(b, "v");
  const int32_t last = scalar_int(b, "last");
  const int32_t same = b.floats("same", {1, 2});
  const int32_t out = resource("out");
  b.op("WHILE", {scalar_int(b, "zero", 0), x, variable}, {last, same, out},
       tflite::CreateWhileOptions(b.fbb(), condition, body).Union());
  const int32_t y = b.floats("y", {1, 2});
  b.op("READ_VARIABLE", {variable}, {y});
  return b.finish({x}, {y});
}

// Two cells over [1 sequence, 3 steps, 4 features], whose states the next run finds.
std::string lstm_model() {
  TfliteBuilder b;
  Dims inputs(24, kAbsent);
  uint32_t seed = 7;
  for (size_t gate = 0; gate < 4; ++gate) {
    inputs[1 + gate] = constant(b, {2, 4}, ++seed);
    inputs[5 + gate] = constant(b, {2, 2}, ++seed);
    inputs[12 + gate] = constant(b, {2}, ++seed);
  }
  inputs[18] = b.tensor({.name = "h", .shape = {1, 2}, .variable = true});
  inputs[19] = b.tensor({.name = "c", .shape = {1, 2}, .variable = true});
  inputs[0] = b.floats("x", {1, 3, 4});
  const int32_t y = b.floats("y", {1, 3, 2});
  b.op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, {y},
       tflite::CreateUnidirectionalSequenceLstmOptions(b.fbb(), 4).Union());
  return b.finish({inputs[0]}, {y});
}

std::string rnn_model() {
  TfliteBuilder b;
  const int32_t x = b.floats("x", {2, 3});
  const int32_t h = b.tensor({.name = "h", .shape = {2, 2}, .variable = true});
  const int32_t y = b.floats("y", {2, 2});
  b.op("RNN", {x, constant(b, {2, 3}, 1), constant(b, {2, 2}, 2), constant(b, {2}, 3), h}, {y},
       tflite::CreateRnnOptions(b.fbb(), 4).Union());
  return b.finish({x}, {y});
}

std::string bidirectional_rnn_model() {
  TfliteBuilder b;
  const int32_t x = b.floats("x", {1, 3, 2});
  Dims inputs = {x};
  for (const uint32_t direction : {0U, 1U}) {
    inputs.insert(inputs.end(),
                  {constant(b, {2, 2}, 4 + direction), constant(b, {2, 2}, 6 + direction),
                   constant(b, {2}, 8 + direction),
                   b.tensor({.name = "h", .shape = {1, 2}, .variable = true})});
  }
  inputs.insert(inputs.end(), 3, kAbsent);
  const int32_t y = b.floats("y", {1, 3, 4});
  b.op("BIDIRECTIONAL_SEQUENCE_RNN", inputs, {y},
       tflite::CreateBidirectionalSequenceRnnOptions(b.fbb(), false, 4, true).Union());
  return b.finish({x}, {y});
}

std::string svdf_model() {
  TfliteBuilder b;
  const int32_t x = b.floats("x", {1, 2});
  const int32_t state = b.tensor({.name = "state", .shape = {1, 20}, .variable = true});
  const int32_t y = b.floats("y", {1, 2});
  b.op("SVDF", {x, constant(b, {4, 2}, 11), constant(b, {4, 5}, 12), kAbsent, state}, {y},
       tflite::CreateSvdfOptions(b.fbb(), 2, 0).Union());
  return b.finish({x}, {y});
}

// Weights [4,8] of which two blocks of [1,4] are there, made dense before they are used.
std::string sparse_model() {
  TfliteBuilder b;
  const int32_t x = b.floats("x", {2, 8});
  const int32_t sparse = b.tensor(
      {.name = "sparse",
       .shape = {4, 8},
       .sparsity = import::TfliteSparsity{{0, 1, 2}, {1}, {{4}, {0, {0, 1, 1, 2, 2}, {1, 0}}, {4}}},
       .data = bytes_of(weights(8, 21))});
  const int32_t dense = b.floats("dense", {4, 8});
  const int32_t y = b.floats("y", {2, 4});
  b.op("DENSIFY", {sparse}, {dense});
  b.op("FULLY_CONNECTED", {x, dense, kAbsent}, {y},
       tflite::CreateFullyConnectedOptions(b.fbb()).Union());
  return b.finish({x}, {y});
}

constexpr float kScale = 1.F / 4096.F;  // of x
constexpr float kUnit = 1.F / 32768.F;
const Dims kSame = {2, 6};

// One operator from 16-bit x [2,6] to 16-bit y.
std::string wide(const char* op, const Dims& out, float y_scale,
                 const std::function<Dims(TfliteBuilder&, int32_t)>& more = {},
                 const std::function<TfliteBuilder::Options(TfliteBuilder&)>& options = {}) {
  TfliteBuilder b;
  const auto activation = [&](const char* name, const Dims& shape, float scale) {
    return b.tensor({.name = name,
                     .shape = shape,
                     .type = kTfliteInt16,
                     .scales = {scale},
                     .zero_points = {0}});
  };
  const int32_t x = activation("x", kSame, kScale);
  const int32_t y = activation("y", out, y_scale);
  const Dims inputs = more ? more(b, x) : Dims{x};
  b.op(op, inputs, {y}, options ? options(b) : TfliteBuilder::Options(0));
  return b.finish({x}, {y});
}

std::string wide_reduction(const char* op, float y_scale) {
  return wide(
      op, {2}, y_scale,
      [](TfliteBuilder& b, int32_t x) {
        return Dims{x, b.ints({1})};
      },
      [](TfliteBuilder& b) { return tflite::CreateReducerOptions(b.fbb(), false).Union(); });
}

Dims twice(TfliteBuilder&, int32_t x) { return {x, x}; }

std::function<Dims(TfliteBuilder&, int32_t)> with_ints(std::vector<int32_t> values) {
  return [values](TfliteBuilder& b, int32_t x) { return Dims{x, b.ints(values)}; };
}

std::string softmax_16() {
  return wide("SOFTMAX", {2, 6}, 1.F / 32768.F, {},
              [](TfliteBuilder& b) { return tflite::CreateSoftmaxOptions(b.fbb(), 1.F).Union(); });
}

std::string bucketize_model() {
  TfliteBuilder b;
  const int32_t x = b.floats("x", {2, 5});
  const int32_t y = b.tensor({.name = "y", .shape = {2, 5}, .type = kTfliteInt32});
  const std::vector<float> boundaries = {-0.5F, 0.F, 0.25F, 0.75F};
  b.op("BUCKETIZE", {x}, {y}, tflite::CreateBucketizeOptionsDirect(b.fbb(), &boundaries).Union());
  return b.finish({x}, {y});
}

std::string fake_quant_model() {
  TfliteBuilder b;
  const int32_t x = b.floats("x", {2, 5});
  const int32_t y = b.floats("y", {2, 5});
  b.op("FAKE_QUANT", {x}, {y},
       tflite::CreateFakeQuantOptions(b.fbb(), -0.7F, 0.9F, 4, true).Union());
  return b.finish({x}, {y});
}

}  // namespace

std::vector<MadeModel> made_tflite_models() {
  return {
      {"if", if_model()},
      {"while", while_model()},
      {"variable", variable_model(), 3},
      {"variable_in_loop", variable_in_loop_model(), 3},
      {"lstm", lstm_model(), 3},
      {"rnn", rnn_model(), 3},
      {"bidirectional_rnn", bidirectional_rnn_model(), 3},
      {"svdf", svdf_model(), 3},
      {"sparse", sparse_model()},
      {"bucketize", bucketize_model()},
      {"fake_quant", fake_quant_model()},
      {"softmax_16", softmax_16(), 1, 2},
      {"mean_16", wide_reduction("MEAN", 1.F / 8192.F), 1, 1},
      {"sum_16", wide_reduction("SUM", 1.F / 2048.F), 1, 1},
      {"reduce_max_16", wide_reduction("REDUCE_MAX", 1.F / 4096.F), 1, 0},
      {"reduce_min_16", wide_reduction("REDUCE_MIN", 1.F / 4096.F), 1, 0},
      {"reduce_prod_16", wide_reduction("REDUCE_PROD", 1.F / 512.F), 1, 1},
      // The runtime interpolates in a table, up to 8 of 32768 steps away from the function.
      {"tanh_16", wide("TANH", kSame, kUnit), 1, 8},
      {"logistic_16", wide("LOGISTIC", kSame, kUnit), 1, 8},
      {"leaky_relu_16",
       wide("LEAKY_RELU", kSame, kScale, {},
            [](TfliteBuilder& b) { return tflite::CreateLeakyReluOptions(b.fbb(), 0.3F).Union(); }),
       1, 1},
      {"relu_16", wide("RELU", kSame, kScale), 1, 0},
      {"relu6_16", wide("RELU6", kSame, kScale), 1, 0},
      {"abs_16", wide("ABS", kSame, kScale), 1, 0},
      {"rsqrt_16", wide("RSQRT", kSame, kScale), 1, 1},
      {"exp_16", wide("EXP", kSame, 1.F / 1024.F), 1, 1},
      {"log_softmax_16", wide("LOG_SOFTMAX", kSame, kScale), 1, 1},
      {"l2_normalization_16", wide("L2_NORMALIZATION", kSame, kUnit), 1, 1},
      {"add_16", wide("ADD", kSame, 1.F / 2048.F, twice), 1, 1},
      {"sub_16", wide("SUB", kSame, kScale, twice), 1, 1},
      {"mul_16", wide("MUL", kSame, kScale, twice), 1, 1},
      {"maximum_16", wide("MAXIMUM", kSame, kScale, twice), 1, 0},
      {"minimum_16", wide("MINIMUM", kSame, kScale, twice), 1, 0},
      {"squared_difference_16", wide("SQUARED_DIFFERENCE", kSame, kScale, twice), 1, 1},
      {"reshape_16", wide("RESHAPE", {3, 4}, kScale, with_ints({3, 4})), 1, 0},
      {"transpose_16", wide("TRANSPOSE", {6, 2}, kScale, with_ints({1, 0})), 1, 0},
      {"neg_16", wide("NEG", kSame, kScale), 1, 0},
      {"prelu_16",
       wide("PRELU", kSame, kScale,
            [](TfliteBuilder& b, int32_t x) {
              return Dims{x, b.tensor({.name = "slope",
                                       .shape = {1, 1},
                                       .type = kTfliteInt16,
                                       .scales = {kScale},
                                       .zero_points = {0},
                                       .data = bytes_of(std::vector<int16_t>{1000})})};
            }),
       1, 1},
  };
}

}  // namespace inferd

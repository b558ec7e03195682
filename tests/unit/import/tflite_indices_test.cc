// SPDX-License-Identifier: Apache-2.0
//
// What TensorFlow Lite operators that move blocks or work with indices compute:
// files of one operator, run. Expected values follow from the operators'
// definitions in TensorFlow.
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "tests/unit/import/import_testing.h"
#include "tests/unit/import/tflite_builder.h"

namespace inferd::import {
namespace {

using Dims = std::vector<int32_t>;
using Numbers = std::vector<double>;

constexpr int8_t kTfliteBool = 6;

struct Operand {
  Dims shape;
  int8_t type = kTfliteFloat;
  Numbers values = {};    // of an input or a constant
  bool constant = false;  // otherwise an input of the graph
  Dims signature = {};    // -1 for dimensions that requests decide
};
Operand X(const Dims& shape, Numbers values) { return {shape, kTfliteFloat, std::move(values)}; }
Operand N(const Dims& shape, Numbers values) { return {shape, kTfliteInt32, std::move(values)}; }
Operand I(const Numbers& values) {
  return {{static_cast<int32_t>(values.size())}, kTfliteInt32, values, true};
}
Operand scalar(double value, int8_t type = kTfliteInt32) { return {{}, type, {value}, true}; }

template <typename T>
std::string packed(const Numbers& values) {
  std::string bytes;
  for (double value : values) {
    const auto element = static_cast<T>(value);
    bytes.append(reinterpret_cast<const char*>(&element), sizeof element);
  }
  return bytes;
}
std::string bytes_of(const Operand& o) {
  switch (o.type) {
    case kTfliteFloat:
      return packed<float>(o.values);
    case kTfliteInt32:
      return packed<int32_t>(o.values);
    case kTfliteInt64:
      return packed<int64_t>(o.values);
    default:
      return packed<int8_t>(o.values);
  }
}
DType dtype_of(int8_t type) {
  return type == kTfliteFloat   ? DType::kFloat32
         : type == kTfliteInt32 ? DType::kInt32
         : type == kTfliteInt64 ? DType::kInt64
         : type == kTfliteBool  ? DType::kBool
                                : DType::kInt8;
}

using Options = std::function<TfliteBuilder::Options(flatbuffers::FlatBufferBuilder&)>;
#define OPTIONS(table, ...)                                 \
  [&](flatbuffers::FlatBufferBuilder& fbb) {                \
    return tflite::Create##table(fbb, __VA_ARGS__).Union(); \
  }

std::string file(const std::string& op, const std::vector<Operand>& inputs,
                 const std::vector<Operand>& outputs, const Options& options) {
  TfliteBuilder b;
  std::vector<int32_t> ins;
  std::vector<int32_t> graph_inputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    TfliteTensor t{.name = "x" + std::to_string(i),
                   .shape = inputs[i].shape,
                   .type = inputs[i].type,
                   .signature = inputs[i].signature};
    if (inputs[i].constant) t.data = bytes_of(inputs[i]);
    ins.push_back(b.tensor(t));
    if (!inputs[i].constant) graph_inputs.push_back(ins.back());
  }
  std::vector<int32_t> outs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    outs.push_back(b.tensor(
        {.name = "y" + std::to_string(i), .shape = outputs[i].shape, .type = outputs[i].type}));
  }
  b.op(op, ins, outs, options ? options(b.fbb()) : TfliteBuilder::Options(0));
  return b.finish(graph_inputs, outs);
}

// Runs a file of the operator; `outputs` are what is expected.
void expect(const std::string& op, const std::vector<Operand>& inputs,
            const std::vector<Operand>& outputs, const Options& options = nullptr) {
  SCOPED_TRACE(op);
  const TestFolder folder;
  const auto engine = Engine::create({.threads = 1, .log = nullptr, .prefer_kernels = {}});
  const auto model = (*engine)->load(folder.write("model", file(op, inputs, outputs, options)));
  ASSERT_TRUE(model.ok()) << model.status().to_string();
  std::vector<std::string> bytes;
  for (const Operand& o : inputs) {
    if (!o.constant) bytes.push_back(bytes_of(o));
  }
  std::vector<TensorView> views;
  for (const Operand& o : inputs) {
    if (o.constant) continue;
    Shape shape;
    for (int32_t dim : o.shape) shape.push_back(dim);
    views.push_back({dtype_of(o.type), shape, std::as_bytes(std::span(bytes[views.size()]))});
  }
  const auto context = (*model)->create_context();
  const auto made = (*context)->run(views);
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  for (size_t i = 0; i < outputs.size(); ++i) {
    Shape shape;
    for (int32_t dim : outputs[i].shape) shape.push_back(dim);
    EXPECT_EQ((*made)[i].dtype, dtype_of(outputs[i].type)) << "output " << i;
    EXPECT_EQ((*made)[i].shape.to_string(), shape.to_string()) << "output " << i;
    EXPECT_EQ(to_numbers((*made)[i]), outputs[i].values) << "output " << i;
  }
}

Numbers counted(int n) {
  Numbers values;
  for (int i = 0; i < n; ++i) values.push_back(i);
  return values;
}

TEST(TfliteIndices, Blocks) {
  expect("DEPTH_TO_SPACE", {X({1, 1, 2, 4}, counted(8))},
         {X({1, 2, 4, 1}, {0, 1, 4, 5, 2, 3, 6, 7})}, OPTIONS(BlockOptions, 2));
  expect("SPACE_TO_DEPTH", {X({1, 2, 4, 1}, {0, 1, 4, 5, 2, 3, 6, 7})},
         {X({1, 1, 2, 4}, counted(8))}, OPTIONS(BlockOptions, 2));
  expect("SPACE_TO_BATCH_ND",
         {X({1, 2, 3, 1}, counted(6)), I({2, 2}), {{2, 2}, kTfliteInt32, {0, 0, 0, 1}, true}},
         {X({4, 1, 2, 1}, {0, 2, 1, 0, 3, 5, 4, 0})});
  expect("SPACE_TO_BATCH_ND",
         {X({1, 3, 2}, counted(6)), I({2}), {{1, 2}, kTfliteInt32, {1, 0}, true}},
         {X({2, 2, 2}, {0, 0, 2, 3, 0, 1, 4, 5})});
  expect("BATCH_TO_SPACE_ND",
         {X({4, 1, 2, 1}, {0, 2, 1, 0, 3, 5, 4, 0}),
          I({2, 2}),
          {{2, 2}, kTfliteInt32, {0, 0, 0, 1}, true}},
         {X({1, 2, 3, 1}, counted(6))});
  expect("TILE", {N({1, 2}, {1, 2}), I({2, 2})}, {N({2, 4}, {1, 2, 1, 2, 1, 2, 1, 2})});
  expect("REVERSE_V2", {X({2, 2, 2}, counted(8)), I({2, 0})},
         {X({2, 2, 2}, {5, 4, 7, 6, 1, 0, 3, 2})});
  expect("MIRROR_PAD", {X({1, 3}, {0, 1, 2}), {{2, 2}, kTfliteInt32, {0, 0, 2, 1}, true}},
         {X({1, 6}, {2, 1, 0, 1, 2, 1})}, OPTIONS(MirrorPadOptions, 0));
  expect("MIRROR_PAD", {X({1, 3}, {0, 1, 2}), {{2, 2}, kTfliteInt32, {0, 0, 2, 1}, true}},
         {X({1, 6}, {1, 0, 0, 1, 2, 2})}, OPTIONS(MirrorPadOptions, 1));
  expect("PADV2", {N({2}, {1, 2}), {{1, 2}, kTfliteInt32, {1, 0}, true}, scalar(16777217)},
         {N({3}, {16777217, 1, 2})});
}

TEST(TfliteIndices, ShapesAndPatterns) {
  expect("FILL", {I({2, 2}), X({}, {7})}, {X({2, 2}, {7, 7, 7, 7})});
  expect("RANK", {X({1, 2, 1}, {1, 2})}, {N({}, {3})});
  expect("BROADCAST_ARGS", {N({3}, {2, 1, 0}), N({2}, {5, 1})}, {N({3}, {2, 5, 0})});
  expect("RANGE", {scalar(1), scalar(7), scalar(3)}, {N({2}, {1, 4})});
  expect("ONE_HOT",
         {N({3}, {1, -1, 2}), scalar(3), scalar(5, kTfliteFloat), scalar(1, kTfliteFloat)},
         {X({3, 3}, {1, 5, 1, 1, 1, 1, 1, 1, 5})}, OPTIONS(OneHotOptions, -1));
  expect("MATRIX_DIAG", {X({2, 2}, {1, 2, 3, 4})}, {X({2, 2, 2}, {1, 0, 0, 2, 3, 0, 0, 4})});
  expect("MATRIX_SET_DIAG", {X({1, 2, 3}, counted(6)), X({1, 2}, {7, 8})},
         {X({1, 2, 3}, {7, 1, 2, 3, 8, 5})});
  expect("MATRIX_SET_DIAG", {N({3, 2}, counted(6)), N({2}, {7, 8})},
         {N({3, 2}, {7, 1, 2, 8, 4, 5})});
  expect("REVERSE_SEQUENCE", {X({2, 3}, counted(6)), I({2, 3})}, {X({2, 3}, {1, 0, 2, 5, 4, 3})},
         OPTIONS(ReverseSequenceOptions, 1, 0));
}

TEST(TfliteIndices, Lookups) {
  expect("GATHER", {X({2, 3}, counted(6)), {{2, 1}, kTfliteInt32, {2, 0}, true}},
         {X({2, 1}, {2, 3})}, OPTIONS(GatherOptions, 1, 1));
  expect("GATHER", {X({2, 3}, counted(6)), {{2, 1}, kTfliteInt32, {2, 0}, true}},
         {X({2, 1}, {2, 3})}, OPTIONS(GatherOptions, -1, -1));
  expect("GATHER_ND", {X({2, 2}, counted(4)), N({2, 2}, {1, 1, 0, 1})}, {X({2}, {3, 1})});
  expect("EMBEDDING_LOOKUP", {N({2}, {2, 0}), {{3, 2}, kTfliteFloat, counted(6), true}},
         {X({2, 2}, {4, 5, 0, 1})});
  expect("TOPK_V2", {X({2, 3}, {1, 3, 2, 5, 4, 5}), scalar(2)},
         {X({2, 2}, {3, 2, 5, 5}), N({2, 2}, {1, 2, 0, 2})});
  expect("DYNAMIC_UPDATE_SLICE", {X({2, 2}, counted(4)), X({1, 1}, {9}), N({2}, {1, 5})},
         {X({2, 2}, {0, 1, 2, 9})});
}

TEST(TfliteIndices, Scatters) {
  expect("SCATTER_ND", {N({3, 1}, {3, 1, 3}), X({3}, {1, 2, 4}), I({4})}, {X({4}, {0, 2, 0, 5})});
  expect("SPARSE_TO_DENSE", {N({2, 2}, {0, 1, 1, 0}), I({2, 2}), X({2}, {5, 6}), X({}, {-1})},
         {X({2, 2}, {-1, 5, 6, -1})});
  expect("SPARSE_TO_DENSE", {N({2}, {0, 2}), I({3}), X({}, {5}), X({}, {0})}, {X({3}, {5, 0, 5})});
  expect("SEGMENT_SUM", {X({3, 2}, counted(6)), I({0, 0, 2})}, {X({3, 2}, {2, 4, 0, 0, 4, 5})});
  const Operand data = X({4, 1}, {1, 2, 3, 4});
  const Operand ids = N({4}, {1, -1, 1, 0});
  constexpr double kHighest = std::numeric_limits<float>::max();
  expect("UNSORTED_SEGMENT_SUM", {data, ids, scalar(3)}, {X({3, 1}, {4, 4, 0})});
  expect("UNSORTED_SEGMENT_PROD", {data, ids, scalar(3)}, {X({3, 1}, {4, 3, 1})});
  expect("UNSORTED_SEGMENT_MAX", {data, ids, scalar(3)}, {X({3, 1}, {4, 3, -kHighest})});
  expect("UNSORTED_SEGMENT_MIN", {data, ids, scalar(3)}, {X({3, 1}, {4, 1, kHighest})});
}

TEST(TfliteIndices, Suppression) {
  const Operand boxes = X({4, 4}, {0, 0, 1, 1, 0, 0, 1, 0.5, 5, 5, 6, 6, 0, 0, 1, 1});
  const Operand scores = X({4}, {0.5, 0.75, 0.25, 0.125});
  expect("NON_MAX_SUPPRESSION_V4",
         {boxes, scores, scalar(6), scalar(0.5, kTfliteFloat), scalar(0, kTfliteFloat)},
         {N({6}, {1, 2, 0, 0, 0, 0}), N({}, {2})});
  expect("NON_MAX_SUPPRESSION_V5",
         {boxes, scores, scalar(2), scalar(0.75, kTfliteFloat), scalar(0, kTfliteFloat),
          scalar(0, kTfliteFloat)},
         {N({2}, {1, 0}), X({2}, {0.75, 0.5}), N({}, {2})});
}

// What can only be lowered when a request comes keeps the types that the file
// declares.
TEST(TfliteIndices, ShapesFromRequests) {
  Operand boxes = X({2, 4}, {0, 0, 1, 1, 5, 5, 6, 6});
  Operand scores = X({2}, {0.25, 0.75});
  boxes.signature = {-1, 4};
  scores.signature = {-1};
  expect("NON_MAX_SUPPRESSION_V4",
         {boxes, scores, scalar(3), scalar(0.5, kTfliteFloat), scalar(0, kTfliteFloat)},
         {N({3}, {1, 0, 0}), N({}, {2})});
}

}  // namespace
}  // namespace inferd::import

// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tests/unit/import/import_testing.h"
#include "tests/unit/import/tflite_builder.h"

namespace inferd::import {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// y = x + c, with `change` applied to c before it is written.
template <typename Change>
std::string add_constant(Change change) {
  TfliteBuilder b;
  const int32_t x = b.floats("x", {1, 4});
  TfliteTensor c{.name = "c", .shape = {4}, .data = bytes_of<float>({1, 2, 3, 4})};
  change(b, c);
  const int32_t ci = b.tensor(c);
  const int32_t y = b.floats("y", {1, 4});
  b.op("ADD", {x, ci}, {y});
  return b.finish({x}, {y});
}
std::string add_constant() {
  return add_constant([](TfliteBuilder&, TfliteTensor&) {});
}

TEST(TfliteReader, ReadsAGraph) {
  EXPECT_EQ(tflite_builtin_name(3), "CONV_2D");
  EXPECT_EQ(tflite_builtin_name(117), "HARD_SWISH");
  EXPECT_EQ(tflite_builtin_name(100000), "BUILTIN_100000");
  const Result<Imported> imported = import_bytes(add_constant());
  ASSERT_TRUE(imported.ok()) << imported.status().to_string();
  EXPECT_EQ(imported->format, "tflite");
  EXPECT_EQ(imported->description, "a test");
  ASSERT_EQ(imported->inputs.size(), 1U);
  EXPECT_EQ(imported->inputs[0].name, "x");
  EXPECT_EQ(imported->inputs[0].shape, (Shape{1, 4}));
  EXPECT_EQ(imported->outputs[0].name, "y");
  EXPECT_EQ(outcome(imported), "%2:FP32[1,4] = binary add (%0, const %1)  # y\n");
  EXPECT_THAT(run_floats(add_constant(), {{10, 20, 30, 40}}), ElementsAre(11, 22, 33, 44));
}

TEST(TfliteReader, EveryTruncationIsCorrupt) {
  const std::string whole = add_constant();
  for (size_t size = 8; size < whole.size(); ++size) {
    const Result<Imported> cut = import_bytes(whole.substr(0, size));
    ASSERT_FALSE(cut.ok()) << size;
    EXPECT_EQ(cut.status().code(), StatusCode::kDataLoss) << cut.status().to_string();
    EXPECT_THAT(cut.status().message(), HasSubstr("truncated or corrupt")) << size;
  }
  EXPECT_THAT(outcome(std::string()), StartsWith("INVALID_ARGUMENT: "));
  EXPECT_THAT(outcome(std::string("hello, model")), HasSubstr("not a model in a known format"));
}

// The length of the vector of buffers says 4 GB.
TEST(TfliteReader, ALengthOfFourGigabytesIsCorrupt) {
  std::string bytes = add_constant();
  const auto u32 = [&](size_t at) {
    uint32_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
  };
  const size_t root = u32(0);
  const size_t vtable = root - static_cast<size_t>(static_cast<int32_t>(u32(root)));
  constexpr size_t kBuffersField = 4;
  uint16_t offset = 0;
  std::memcpy(&offset, bytes.data() + vtable + 4 + 2 * kBuffersField, sizeof offset);
  const size_t field = root + offset;
  const uint32_t huge = 0xFFFFFFF0;
  std::memcpy(bytes.data() + field + u32(field), &huge, sizeof huge);
  EXPECT_THAT(outcome(bytes), StartsWith("DATA_LOSS: "));
}

TEST(TfliteReader, ChecksTheModelTable) {
  {
    TfliteBuilder b;
    const int32_t x = b.floats("x", {1});
    EXPECT_THAT(outcome(b.finish({x}, {x}, 2)), HasSubstr("schema version 2 is not 3"));
  }
  {
    TfliteBuilder b;
    EXPECT_THAT(outcome(b.finish_model(tflite::CreateModel(b.fbb(), 3))),
                HasSubstr("the file has no graph"));
  }
  {
    TfliteBuilder b;
    const std::vector graphs = {tflite::CreateSubGraph(b.fbb())};
    EXPECT_THAT(outcome(b.finish_model(tflite::CreateModelDirect(b.fbb(), 3, nullptr, &graphs))),
                HasSubstr("the graph has no tensors"));
  }
}

TEST(TfliteReader, ChecksIndices) {
  {
    TfliteBuilder b;
    const int32_t x = b.floats("x", {1});
    EXPECT_THAT(outcome(b.finish({x, 7}, {x})), HasSubstr("graph inputs refer to tensor 7 of 1"));
  }
  {
    TfliteBuilder b;
    const int32_t x = b.floats("x", {1});
    EXPECT_THAT(outcome(b.finish({x}, {-2})), HasSubstr("graph outputs refer to tensor -2 of 1"));
  }
  {
    TfliteBuilder b;
    const int32_t x = b.floats("x", {1});
    b.op("ABS", {9}, {x});
    EXPECT_THAT(outcome(b.finish({}, {x})), HasSubstr("operator 0: inputs refer to tensor 9 of 1"));
  }
  {
    TfliteBuilder b;
    const int32_t x = b.floats("x", {1});
    const int32_t y = b.floats("y", {1});
    b.op("ABS", {x}, {y, 9});
    EXPECT_THAT(outcome(b.finish({x}, {y})), HasSubstr("outputs refer to tensor 9 of 2"));
  }
  {
    TfliteBuilder b;
    const int32_t x = b.floats("x", {1});
    const int32_t y = b.floats("y", {1});
    b.raw_op(5, {x}, {y});
    EXPECT_THAT(outcome(b.finish({x}, {y})), HasSubstr("operator code 5 does not exist"));
  }
  EXPECT_THAT(outcome(add_constant([](TfliteBuilder&, TfliteTensor& c) {
                c.data.reset();
                c.buffer = 77;
              })),
              HasSubstr("tensor 'c': buffer 77 does not exist"));
}

TEST(TfliteReader, ChecksTheBytesOfConstants) {
  for (size_t size : {1, 15, 17, 400}) {
    EXPECT_THAT(outcome(add_constant(
                    [&](TfliteBuilder&, TfliteTensor& c) { c.data = std::string(size, '\0'); })),
                HasSubstr("DATA_LOSS"))
        << size;
  }
  EXPECT_THAT(outcome(add_constant([](TfliteBuilder&, TfliteTensor& c) {
                c.shape = {4, 5};
              })),
              HasSubstr("tensor 'c': has 16 bytes of data, [4,5] needs 80"));
  EXPECT_THAT(outcome(add_constant([](TfliteBuilder&, TfliteTensor& c) { c.shape = {-4}; })),
              HasSubstr("dimension -4 is negative"));
  const int32_t big = 1 << 30;
  EXPECT_THAT(outcome(add_constant([&](TfliteBuilder&, TfliteTensor& c) {
                c.shape = {big, big, big};
              })),
              HasSubstr("more elements than an int64 can count"));
  EXPECT_THAT(outcome(add_constant([&](TfliteBuilder&, TfliteTensor& c) {
                c.shape = {big, big, 4};
              })),
              HasSubstr("is too large"));
  // Data that the file keeps behind the FlatBuffer.
  EXPECT_THAT(outcome(add_constant([](TfliteBuilder& b, TfliteTensor& c) {
                c.data.reset();
                c.buffer = b.outside_buffer(1 << 20, 16);
              })),
              HasSubstr("tensor 'c': its data lies outside the file"));
  EXPECT_THAT(outcome(add_constant([](TfliteBuilder& b, TfliteTensor& c) {
                c.data.reset();
                c.buffer = b.outside_buffer(16, ~uint64_t{0} - 8);
              })),
              HasSubstr("its data lies outside the file"));
  EXPECT_EQ(outcome(add_constant([](TfliteBuilder& b, TfliteTensor& c) {
              c.data.reset();
              c.buffer = b.outside_buffer(16, 16);
            })),
            outcome(add_constant()));
  // At an address that float32 may not have: copied.
  EXPECT_EQ(outcome(add_constant([](TfliteBuilder& b, TfliteTensor& c) {
              c.data.reset();
              c.buffer = b.outside_buffer(17, 16);
            })),
            outcome(add_constant()));
}

TEST(TfliteReader, HoldsLimits) {
  Limits limits;
  limits.max_tensor_bytes = 15;
  EXPECT_THAT(outcome(add_constant(), limits), HasSubstr("RESOURCE_EXHAUSTED: "));
  EXPECT_THAT(outcome(add_constant(), limits),
              HasSubstr("tensor 'c': has 16 bytes, more than the limit of 15 for a tensor"));
  limits = {};
  limits.max_tensors = 2;
  EXPECT_THAT(outcome(add_constant(), limits), HasSubstr("3 tensors, more than the limit of 2"));
  limits = {};
  limits.max_nodes = 0;
  EXPECT_THAT(outcome(add_constant(), limits), HasSubstr("1 operators, more than the limit of 0"));
  limits = {};
  limits.max_file_bytes = 100;
  EXPECT_THAT(outcome(add_constant(), limits), HasSubstr("more than the limit of 100"));
  limits = {};
  limits.max_nesting = 1;
  EXPECT_THAT(outcome(add_constant(), limits), StartsWith("DATA_LOSS: "));
}

TEST(TfliteReader, ReadsQuantization) {
  const auto quantized = [](std::vector<float> scales, std::vector<int64_t> zero_points) {
    TfliteBuilder b;
    const int32_t x = b.tensor({.name = "x",
                                .shape = {1, 2},
                                .type = kTfliteInt8,
                                .scales = std::move(scales),
                                .zero_points = std::move(zero_points)});
    const int32_t y = b.floats("y", {1, 2});
    b.op("DEQUANTIZE", {x}, {y});
    return b.finish({x}, {y});
  };
  const Result<Imported> imported = import_bytes(quantized({0.5F}, {3}));
  ASSERT_TRUE(imported.ok()) << imported.status().to_string();
  EXPECT_EQ(imported->inputs[0].quantization, (Quantization{{0.5F}, {3}, 0}));
  const Result<Imported> symmetric = import_bytes(quantized({0.5F}, {}));
  ASSERT_TRUE(symmetric.ok());
  EXPECT_EQ(symmetric->inputs[0].quantization, (Quantization{{0.5F}, {0}, 0}));
  EXPECT_THAT(outcome(quantized({0.5F}, {1, 2})), HasSubstr("has 1 scales but 2 zero points"));
  EXPECT_THAT(outcome(quantized({0.5F}, {int64_t{1} << 40})),
              HasSubstr("a zero point is out of range"));
  EXPECT_THAT(outcome(quantized({0.5F}, {200})), HasSubstr("zero point 200 is out of range"));
  EXPECT_THAT(outcome(quantized({-1.F}, {0})), HasSubstr("a scale is not a positive number"));
  EXPECT_THAT(outcome(quantized({1.F, 2.F, 3.F}, {0, 0, 0})),
              HasSubstr("tensor 'x': 3 scales for a dimension of 1"));
}

TEST(TfliteReader, NamesAreMadeUnique) {
  TfliteBuilder b;
  const int32_t x = b.floats("same", {1, 2});
  const int32_t h = b.floats("same", {1, 2});
  const int32_t y = b.floats("", {1, 2});
  b.op("ABS", {x}, {h});
  b.op("NEG", {h}, {y});
  const std::string bytes = b.finish({x}, {y});
  EXPECT_EQ(outcome(bytes),
            "%1:FP32[1,2] = unary abs (%0)  # same#1\n"
            "%2:FP32[1,2] = unary neg (%1)  # #2\n");
  EXPECT_THAT(run_floats(bytes, {{1, -2}}), ElementsAre(-1, -2));
}

TEST(TfliteReader, DynamicDimensionsComeFromTheSignature) {
  TfliteBuilder b;
  const int32_t x = b.tensor({.name = "x", .shape = {1, 8, 4}, .signature = {-1, -1, 4}});
  const int32_t y = b.floats("y", {1, 1, 4});
  b.op("ABS", {x}, {y});
  const Result<Imported> imported = import_bytes(b.finish({x}, {y}));
  EXPECT_THAT(outcome(imported), HasSubstr("[1,?,4]"));  // a batch of 1 stays 1
}

// The whole list, though the first one in the file is of a kind that is found while reading.
TEST(TfliteReader, AllThatIsUnsupportedIsListed) {
  TfliteBuilder b;
  const int32_t x = b.floats("x", {1, 4});
  const int32_t text = b.tensor({.name = "text", .shape = {1}, .type = kTfliteString});
  const int32_t pairs = b.tensor({.name = "pairs", .shape = {1, 4}, .type = kTfliteComplex128});
  const int32_t deep = b.floats("deep", {1, 1, 1, 1, 1, 1, 1, 1, 4});
  const int32_t odd = b.tensor({.name = "odd", .shape = {1}, .type = 99});
  const int32_t y = b.floats("y", {1, 4});
  const int32_t z = b.floats("z", {1, 4});
  b.op("HASHTABLE_LOOKUP", {x}, {text});
  b.op("ADD", {x, pairs}, {y});
  b.op("RESHAPE", {x}, {deep});
  b.op("ABS", {y}, {odd});
  b.op("LSH_PROJECTION", {y}, {z});
  EXPECT_EQ(outcome(b.finish({x}, {z})),
            "unsupported HASHTABLE_LOOKUP 'text': the engine does not have this operator\n"
            "unsupported ADD 'y': tensor 'pairs': element type 11 is not supported\n"
            "unsupported RESHAPE 'deep': output 'deep': 9 dimensions, more than 8\n"
            "unsupported ABS 'odd': output 'odd': element type 99 is not supported\n"
            "unsupported LSH_PROJECTION 'z': the engine does not have this operator\n");
}

TEST(TfliteReader, WhatNobodyUsesMayHaveAnyType) {
  TfliteBuilder b;
  const int32_t x = b.floats("x", {1, 4});
  b.tensor({.name = "text", .shape = {1}, .type = kTfliteString, .data = "abc"});
  b.tensor({.name = "pairs", .shape = {1, 4}, .type = kTfliteComplex128});
  const int32_t y = b.floats("y", {1, 4});
  b.op("ABS", {x}, {y});
  EXPECT_THAT(outcome(b.finish({x}, {y})), HasSubstr("unary abs"));
}

TEST(TfliteReader, UnsupportedGraphInputsAndOutputsAreListed) {
  TfliteBuilder b;
  const int32_t x = b.tensor({.name = "words", .shape = {1}, .type = kTfliteString});
  const int32_t y = b.floats("y", {1});
  b.op("ABS", {x}, {y});
  const Result<Imported> imported = import_bytes(b.finish({x}, {y}));
  EXPECT_EQ(outcome(imported),
            "unsupported graph input 'words': element type 5 is not supported\n"
            "unsupported ABS 'y': tensor 'words': element type 5 is not supported\n");
  ASSERT_TRUE(imported.ok());
  EXPECT_TRUE(imported->inputs.empty()) << "its type has no name";
}

TEST(TfliteReader, AConstantMayHaveNoElements) {
  TfliteBuilder b;
  const int32_t x = b.floats("x", {1, 4});
  const int32_t axes = b.tensor({.name = "axes", .shape = {0}, .type = kTfliteInt32, .data = ""});
  const int32_t y = b.floats("y", {1, 4});
  b.op("SUM", {x, axes}, {y});
  EXPECT_THAT(outcome(b.finish({x}, {y})), HasSubstr("reduce sum axes=[]"));
}

TEST(TfliteReader, EveryNameIsMadeOnce) {
  const auto file = [](auto build) {
    TfliteBuilder b;
    const int32_t x = b.floats("x", {1, 4});
    const int32_t c = b.floats("c", {1, 4}, {1, 2, 3, 4});
    const int32_t y = b.floats("y", {1, 4});
    const int32_t z = b.floats("z", {1, 4});
    build(b, x, c, y, z);
    return b.finish({x}, {z});
  };
  using B = TfliteBuilder;
  using I = int32_t;
  EXPECT_THAT(outcome(file([](B& b, I x, I, I, I z) {
                b.op("ABS", {x}, {z});
                b.op("NEG", {x}, {z});
              })),
              HasSubstr("NEG 'z': output 'z' is also the output of another operator"));
  EXPECT_THAT(outcome(file([](B& b, I x, I, I, I z) {
                b.op("ABS", {x}, {x});
                b.op("NEG", {x}, {z});
              })),
              HasSubstr("ABS 'x': output 'x' is also a graph input"));
  EXPECT_THAT(outcome(file([](B& b, I x, I c, I, I z) {
                b.op("ABS", {x}, {c});
                b.op("NEG", {c}, {z});
              })),
              HasSubstr("ABS 'c': output 'c' is also a constant"));
  EXPECT_THAT(outcome(file([](B& b, I, I, I y, I z) {
                b.op("ABS", {z}, {y});
                b.op("NEG", {y}, {z});
              })),
              HasSubstr("ABS 'y': tensor 'z' is used before the operator that makes it: the graph "
                        "has a cycle, or its operators are not in order"));
  EXPECT_THAT(outcome(file([](B& b, I, I, I y, I z) { b.op("ABS", {y}, {z}); })),
              HasSubstr("tensor 'y' is neither a constant nor a graph input, and no operator "
                        "makes it"));
  EXPECT_THAT(outcome(file([](B&, I, I, I, I) {})),
              HasSubstr("graph output: tensor 'z' is neither"));
  EXPECT_THAT(outcome(file([](B& b, I, I, I, I z) { b.op("ABS", {}, {z}); })),
              HasSubstr("ABS 'z': input 0 is missing"));
  EXPECT_THAT(outcome(file([](B& b, I, I c, I, I z) {
                b.op("ADD", {-1, c}, {z});
              })),
              HasSubstr("ADD 'z': input 0 is missing"));
}

TEST(TfliteReader, InputsAreNotConstantsAndListedOnce) {
  {
    TfliteBuilder b;
    const int32_t c = b.floats("c", {1}, {1});
    EXPECT_THAT(outcome(b.finish({c}, {c})), HasSubstr("graph input 'c' is also a constant"));
  }
  {
    TfliteBuilder b;
    const int32_t x = b.floats("x", {1});
    EXPECT_THAT(outcome(b.finish({x, x}, {x})), HasSubstr("graph input 'x' is listed twice"));
  }
}

TEST(TfliteReader, DeclaredShapesAreBelieved) {
  const auto file = [](const std::vector<int32_t>& declared, std::vector<int32_t> signature = {}) {
    TfliteBuilder b;
    const int32_t x = b.floats("x", {1, 4});
    const int32_t y = b.tensor({.name = "y", .shape = declared, .signature = std::move(signature)});
    b.op("ABS", {x}, {y});
    return b.finish({x}, {y});
  };
  EXPECT_THAT(
      outcome(file({1, 5})),
      HasSubstr("ABS 'y': the file declares output 'y' as [1,5], the operator makes [1,4]"));
  EXPECT_THAT(outcome(file({4})), HasSubstr("declares output 'y' as [4]"));
  EXPECT_THAT(outcome(file({2, 4})), HasSubstr("unary abs")) << "a batch is open";
  EXPECT_THAT(outcome(file({1, 1}, {-1, -1})), HasSubstr("unary abs")) << "so is the signature";
  EXPECT_THAT(outcome(file({})), HasSubstr("unary abs")) << "no dimensions: unknown";
}

TEST(TfliteReader, CorruptOptionsAreFound) {
  TfliteBuilder b;
  const int32_t x = b.floats("x", {1, 4});
  const int32_t y = b.floats("y", {1, 4});
  // A table whose vtable says that a field lies far outside.
  auto& f = b.fbb();
  const auto start = f.StartTable();
  f.AddElement<float>(4, 2.F, 0.F);
  const flatbuffers::Offset<void> options(f.EndTable(start));
  b.op("SOFTMAX", {x}, {y}, options);
  std::string bytes = b.finish({x}, {y});
  ASSERT_THAT(outcome(bytes), HasSubstr("beta=2"));
  const tflite::Operator* op =
      tflite::GetModel(bytes.data())->subgraphs()->Get(0)->operators()->Get(0);
  const auto* table = reinterpret_cast<const uint8_t*>(op->options_table());
  int32_t to_vtable = 0;
  std::memcpy(&to_vtable, table, sizeof to_vtable);
  const auto at =
      static_cast<size_t>(table - to_vtable - reinterpret_cast<const uint8_t*>(bytes.data()));
  const uint16_t far = 0xFFF0;
  std::memcpy(bytes.data() + at + 4, &far, sizeof far);
  EXPECT_THAT(outcome(bytes), HasSubstr("SOFTMAX 'y': its options are corrupt"));
}

TEST(TfliteReader, AnotherOperatorsNameMeansNothingForACustomOne) {
  TfliteBuilder b;
  const int32_t x = b.floats("x", {1, 4});
  const int32_t y = b.floats("y", {1, 4});
  b.custom("ADD", {x, x}, {y});
  EXPECT_EQ(outcome(b.finish({x}, {y})),
            "unsupported ADD 'y': the engine does not have this operator\n");
}

}  // namespace
}  // namespace inferd::import

// SPDX-License-Identifier: Apache-2.0
//
// Several graphs in one TensorFlow Lite file, what a model remembers, and signatures. What they
// compute is compared with the official runtime in tests/models (made_tflite.h).
#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "tests/unit/import/import_testing.h"
#include "tests/unit/import/tflite_builder.h"

namespace inferd::import {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

int32_t flag(TfliteBuilder& b, const char* name) {
  return b.tensor({.name = name, .shape = {}, .type = kTfliteBool});
}

// A graph with one operator from x to y, both [1,2].
int32_t unary_body(TfliteBuilder& b, const char* op) {
  const int32_t x = b.floats("x", {1, 2});
  const int32_t y = b.floats("y", {1, 2});
  b.op(op, {x}, {y});
  return b.end_body({x}, {y});
}

TEST(TfliteControl, IfHasTwoBodies) {
  TfliteBuilder b;
  const int32_t negate = unary_body(b, "NEG");
  const int32_t square = unary_body(b, "SQUARE");
  const int32_t condition = flag(b, "condition");
  const int32_t x = b.floats("x", {1, 2});
  const int32_t y = b.floats("y", {1, 2});
  b.op("IF", {condition, x}, {y}, tflite::CreateIfOptions(b.fbb(), negate, square).Union());
  const auto imported = import_bytes(b.finish({condition, x}, {y}));
  ASSERT_TRUE(imported.ok()) << imported.status().to_string();
  ASSERT_EQ(imported->graph.nodes().size(), 1U);
  EXPECT_THAT(ir::to_text(*imported->graph.nodes()[0].bodies[0]), HasSubstr("unary neg"));
  EXPECT_THAT(ir::to_text(*imported->graph.nodes()[0].bodies[1]), HasSubstr("unary square"));
}

TEST(TfliteControl, ACallIsPutInPlace) {
  TfliteBuilder b;
  const int32_t negate = unary_body(b, "NEG");
  const int32_t x = b.floats("x", {1, 2});
  const int32_t y = b.floats("y", {1, 2});
  const auto options = tflite::CreateCallOptions(b.fbb(), static_cast<uint32_t>(negate));
  b.op("CALL", {x}, {y}, options.Union());
  EXPECT_THAT(run_floats(b.finish({x}, {y}), {{1.F, -2.F}}), ElementsAre(-1.F, 2.F));
}

// A body sees nothing of the graph around it, whatever its tensors are called.
TEST(TfliteControl, BodiesAreClosed) {
  TfliteBuilder b;
  const int32_t inner = b.floats("x", {1, 2});
  const int32_t made = b.floats("made", {1, 2});
  b.op("NEG", {inner}, {made});
  const int32_t body = b.end_body({}, {made});
  const int32_t x = b.floats("x", {1, 2});
  const int32_t y = b.floats("y", {1, 2});
  const int32_t condition = flag(b, "condition");
  b.op("IF", {condition}, {y}, tflite::CreateIfOptions(b.fbb(), body, body).Union());
  EXPECT_THAT(outcome(b.finish({condition, x}, {y})), HasSubstr("'x' is neither a constant"));
}

std::string with_body(int32_t number) {
  TfliteBuilder b;
  const int32_t x = b.floats("x", {1, 2});
  const int32_t y = b.floats("y", {1, 2});
  const auto options = tflite::CreateCallOptions(b.fbb(), static_cast<uint32_t>(number));
  b.op("CALL", {x}, {y}, options.Union());
  return outcome(b.finish({x}, {y}));
}

TEST(TfliteControl, RefusedBodies) {
  EXPECT_THAT(with_body(7), HasSubstr("graph 7 does not exist, the file has 1"));
  EXPECT_THAT(with_body(-1), HasSubstr("graph 4294967295 does not exist"));
  EXPECT_THAT(with_body(0), HasSubstr("graph 0 is part of itself"));
  TfliteBuilder b;
  const int32_t negate = unary_body(b, "NEG");
  const int32_t x = b.floats("x", {1, 2});
  const int32_t y = b.floats("y", {1, 2});
  const auto options = tflite::CreateCallOptions(b.fbb(), static_cast<uint32_t>(negate));
  b.op("CALL", {x, x}, {y}, options.Union());
  EXPECT_THAT(outcome(b.finish({x}, {y})), HasSubstr("a body takes 1 inputs, not 2"));
}

// Each graph calls the one before it twice.
TEST(TfliteControl, BodiesInBodiesCountAsOftenAsTheyStand) {
  TfliteBuilder b;
  int32_t callee = unary_body(b, "NEG");
  const auto call_twice = [&] {
    const int32_t x = b.floats("x", {1, 2});
    const int32_t y = b.floats("y", {1, 2});
    const int32_t z = b.floats("z", {1, 2});
    const auto options = [&] {
      return tflite::CreateCallOptions(b.fbb(), static_cast<uint32_t>(callee)).Union();
    };
    b.op("CALL", {x}, {y}, options());
    b.op("CALL", {y}, {z}, options());
    return std::vector<int32_t>{x, z};
  };
  for (int i = 0; i < 30; ++i) {
    const auto ends = call_twice();
    callee = b.end_body({ends[0]}, {ends[1]});
  }
  const auto ends = call_twice();
  EXPECT_THAT(outcome(b.finish({ends[0]}, {ends[1]})),
              HasSubstr("with its bodies the graph has more operators than the limit"));
}

int32_t handle(TfliteBuilder& b) {
  const int32_t id = b.tensor({.name = "handle", .shape = {}, .type = kTfliteResource});
  b.op("VAR_HANDLE", {}, {id}, tflite::CreateVarHandleOptionsDirect(b.fbb(), "", "sum").Union());
  return id;
}

// y = the variable; then x is added to it.
std::string counting(TfliteBuilder& b) {
  const int32_t x = b.floats("x", {1, 2});
  const int32_t variable = handle(b);
  const int32_t y = b.floats("y", {1, 2});
  const int32_t next = b.floats("next", {1, 2});
  b.op("READ_VARIABLE", {variable}, {y});
  b.op("ADD", {y, x}, {next});
  b.op("ASSIGN_VARIABLE", {variable, next}, {});
  return b.finish({x}, {y});
}

TEST(TfliteVariables, BecomeStates) {
  TfliteBuilder b;
  const auto imported = import_bytes(counting(b));
  ASSERT_TRUE(imported.ok()) << imported.status().to_string();
  EXPECT_EQ(imported->graph.initial_states().size(), 1U);
  EXPECT_EQ(imported->graph.value(imported->graph.inputs()[1]).name, "sum");
  EXPECT_EQ(imported->inputs.size(), 1U);
}

TEST(TfliteVariables, BeginAsWhatIsAssignedOnce) {
  TfliteBuilder b;
  b.op("ASSIGN_VARIABLE", {handle(b), b.floats("begin", {1, 2}, {3.F, 4.F})}, {});
  const int32_t init = b.end_body({}, {});
  b.op("CALL_ONCE", {}, {}, tflite::CreateCallOnceOptions(b.fbb(), init).Union());
  EXPECT_THAT(run_floats(counting(b), {{1.F, 1.F}}), ElementsAre(3.F, 4.F));
}

TEST(TfliteVariables, WhatNothingAssignsIsAConstant) {
  TfliteBuilder b;
  const int32_t x = b.floats("x", {1, 2});
  const int32_t read = b.floats("read", {1, 2});
  const int32_t y = b.floats("y", {1, 2});
  b.op("READ_VARIABLE", {handle(b)}, {read});
  b.op("ADD", {read, x}, {y});
  const std::string bytes = b.finish({x}, {y});
  EXPECT_TRUE(import_bytes(bytes)->graph.initial_states().empty());
  EXPECT_THAT(run_floats(bytes, {{1.F, 2.F}}), ElementsAre(1.F, 2.F));
}

TEST(TfliteVariables, Refused) {
  TfliteBuilder computed;
  const int32_t begin = computed.floats("begin", {1, 2});
  computed.op("NEG", {computed.floats("c", {1, 2}, {3.F, 4.F})}, {begin});
  computed.op("ASSIGN_VARIABLE", {handle(computed), begin}, {});
  const int32_t init = computed.end_body({}, {});
  computed.op("CALL_ONCE", {}, {}, tflite::CreateCallOnceOptions(computed.fbb(), init).Union());
  EXPECT_THAT(outcome(counting(computed)),
              HasSubstr("variable 'sum' begins as something computed"));

  TfliteBuilder other;
  const int32_t x = other.floats("x", {1, 2});
  const int32_t y = other.floats("y", {1, 2});
  other.op("READ_VARIABLE", {x}, {y});
  EXPECT_THAT(outcome(other.finish({x}, {y})), HasSubstr("its first input is no variable"));

  TfliteBuilder open;
  const int32_t z = open.tensor({.name = "z", .shape = {1, 2}, .signature = {1, -1}});
  open.op("READ_VARIABLE", {handle(open)}, {z});
  EXPECT_THAT(outcome(open.finish({}, {z})), HasSubstr("variable 'sum' of unknown size [1,?]"));
}

TEST(TfliteSignatures, NameInputsAndChooseTheGraph) {
  const auto made = [] {
    TfliteBuilder b;
    const int32_t negate = unary_body(b, "NEG");
    const int32_t x = b.floats("tensor_1:0", {1, 2});
    const int32_t y = b.floats("picture", {1, 2});
    b.op("SQUARE", {x}, {y});
    b.signature("other", {{"in", 0}}, {{"out", 1}}, static_cast<uint32_t>(negate));
    b.signature("serving_default", {{"picture", static_cast<uint32_t>(x)}},
                {{"label", static_cast<uint32_t>(y)}});
    return b.finish({x}, {y});
  };
  const TestFolder folder;
  const std::string path = folder.write("model", made());
  const auto engine = *Engine::create({});
  const auto by_default = engine->inspect(path);
  ASSERT_TRUE(by_default.ok()) << by_default.status().to_string();
  EXPECT_EQ(by_default->signature, "serving_default");
  EXPECT_THAT(by_default->signatures, ElementsAre("other", "serving_default"));
  EXPECT_EQ(by_default->inputs[0].name, "picture");
  EXPECT_EQ(by_default->outputs[0].name, "label");
  const auto chosen = engine->inspect(path, {.limits = {}, .states = {}, .signature = "other"});
  ASSERT_TRUE(chosen.ok()) << chosen.status().to_string();
  EXPECT_EQ(chosen->inputs[0].name, "in");
  EXPECT_EQ(chosen->outputs[0].name, "out");
  const auto none = engine->inspect(path, {.limits = {}, .states = {}, .signature = "train"});
  EXPECT_THAT(none.status().to_string(),
              HasSubstr("the model has no signature 'train', it has 'other', 'serving_default'"));
}

TEST(TfliteSignatures, TensorsThatDoNotExist) {
  TfliteBuilder b;
  const int32_t x = b.floats("x", {1, 2});
  const int32_t y = b.floats("y", {1, 2});
  b.op("NEG", {x}, {y});
  b.signature("f", {{"x", 9}}, {});
  EXPECT_THAT(outcome(b.finish({x}, {y})), HasSubstr("signature 'f' refers to tensor 9 of 2"));
}

// Weights [2,4] times x.
std::string sparse(const TfliteSparsity& sparsity, const std::vector<float>& values) {
  TfliteBuilder b;
  const int32_t w =
      b.tensor({.name = "w", .shape = {2, 4}, .sparsity = sparsity, .data = bytes_of(values)});
  const int32_t x = b.floats("x", {1, 4});
  const int32_t y = b.floats("y", {1, 2});
  b.op("FULLY_CONNECTED", {x, w, -1}, {y});
  return b.finish({x}, {y});
}

TEST(TfliteSparsity, RowsOfColumns) {
  EXPECT_THAT(run_floats(sparse({{0, 1}, {}, {{2}, {0, {0, 1, 3}, {2, 0, 3}}}}, {5.F, 6.F, 7.F}),
                         {{1.F, 10.F, 100.F, 1000.F}}),
              ElementsAre(500.F, 7006.F));
}

TEST(TfliteSparsity, ColumnsOfRows) {
  EXPECT_THAT(
      run_floats(sparse({{1, 0}, {}, {{4}, {0, {0, 1, 1, 1, 3}, {1, 0, 1}}}}, {5.F, 6.F, 7.F}),
                 {{1.F, 10.F, 100.F, 1000.F}}),
      ElementsAre(6000.F, 7005.F));
}

TEST(TfliteSparsity, Blocks) {
  EXPECT_THAT(run_floats(sparse({{0, 1, 2, 3}, {0, 1}, {{1}, {0, {0, 1}, {1}}, {2}, {2}}},
                                {1.F, 2.F, 3.F, 4.F}),
                         {{1.F, 10.F, 100.F, 1000.F}}),
              ElementsAre(2100.F, 4300.F));
}

TEST(TfliteSparsity, Refused) {
  const auto refused = [](const TfliteSparsity& sparsity, size_t elements = 3) {
    return outcome(sparse(sparsity, std::vector<float>(elements)));
  };
  const TfliteLevel rows{2};
  EXPECT_THAT(refused({{0, 0}, {}, {rows, {0, {0, 1, 3}, {2, 0, 3}}}}), HasSubstr("permutation"));
  EXPECT_THAT(refused({{0}, {}, {rows}}), HasSubstr("it has 1 levels"));
  EXPECT_THAT(refused({{0, 1}, {}, {{3}, {0, {0, 1, 3}, {2, 0, 3}}}}),
              HasSubstr("a dense level has 3 indices, not 2"));
  EXPECT_THAT(refused({{0, 1}, {}, {rows, {0, {0, 1, 3}, {2, 0, 4}}}}),
              HasSubstr("index 4 is not below 4"));
  EXPECT_THAT(refused({{0, 1}, {}, {rows, {0, {0, 4, 3}, {2, 0, 3}}}}),
              HasSubstr("segments do not lead through 3 indices"));
  EXPECT_THAT(refused({{0, 1}, {}, {rows, {0, {0, 3}, {2, 0, 3}}}}),
              HasSubstr("segments do not lead through 3 indices"));
  EXPECT_THAT(refused({{0, 1}, {}, {rows, {0, {0, 1, 3}, {2, 0, 3}}}}, 2),
              HasSubstr("it has 8 bytes for 3 elements"));
  EXPECT_THAT(refused({{0, 1, 2}, {1}, {rows, {0, {0, 1, 2}, {0, 0}}, {3}}}),
              HasSubstr("blocks of 3 do not fit [2,4]"));
  EXPECT_THAT(refused({{0, 1, 2}, {7}, {rows, {0, {0, 1, 2}, {0, 0}}, {2}}}),
              HasSubstr("two blocks are of one dimension, or of none"));
}

// docs/tflite.md lists what is lowered.
TEST(TfliteBuiltins, AreThoseOfTheDocumentation) {
  std::ifstream file(INFERD_SOURCE_DIR "/docs/tflite.md");
  std::stringstream text;
  text << file.rdbuf();
  const std::string page = text.str();
  const size_t others = page.find("\nThe others:");
  ASSERT_NE(others, std::string::npos);
  int lowered = 0;
  int32_t code = 0;
  for (; !tflite_builtin_name(code).starts_with("BUILTIN_"); ++code) {
    const std::string name = tflite_builtin_name(code);
    TfliteBuilder b;
    const int32_t x = b.floats("x", {1});
    b.op(name, {}, {});
    const bool lacks =
        outcome(b.finish({x}, {x})).find("does not have this operator") != std::string::npos;
    lowered += lacks ? 0 : 1;
    const size_t listed = page.find("`" + name + "`", page.find("## Built-in operators"));
    ASSERT_NE(listed, std::string::npos) << name;
    EXPECT_EQ(listed > others, lacks) << name;
  }
  EXPECT_THAT(page, HasSubstr(std::to_string(lowered) + " of " + std::to_string(code) + " codes"));
}

}  // namespace
}  // namespace inferd::import

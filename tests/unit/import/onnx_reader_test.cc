// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tests/unit/import/import_testing.h"
#include "tests/unit/import/onnx_builder.h"

namespace inferd::import {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// y = x + c, with `change` applied to the initializer c.
template <typename Change>
OnnxBuilder add_constant(Change change) {
  OnnxBuilder b;
  b.input("x", {1, 4}).output("y", {1, 4}).node("Add", {"x", "c"}, {"y"});
  b.floats("c", {4}, {1, 2, 3, 4});
  change(*b.graph().mutable_initializer(0));
  return b;
}
OnnxBuilder add_constant() {
  return add_constant([](onnx::TensorProto&) {});
}
template <typename Change>
std::string with_constant(Change change) {
  return outcome(add_constant(change).bytes());
}

// Initializer c lies in a file of its own.
OnnxBuilder external(const std::string& location, const char* offset = nullptr,
                     const char* length = nullptr) {
  return add_constant([&](onnx::TensorProto& t) {
    t.clear_float_data();
    t.set_data_location(onnx::TensorProto::EXTERNAL);
    const auto entry = [&](const char* key, const std::string& value) {
      auto* e = t.add_external_data();
      e->set_key(key);
      e->set_value(value);
    };
    entry("location", location);
    if (offset != nullptr) entry("offset", offset);
    if (length != nullptr) entry("length", length);
  });
}

TEST(OnnxReader, ReadsAGraph) {
  OnnxBuilder b = add_constant();
  b.model().set_producer_name("test");
  b.model().set_producer_version("1");
  const Result<Imported> imported = import_bytes(b.bytes());
  ASSERT_TRUE(imported.ok()) << imported.status().to_string();
  EXPECT_EQ(imported->format, "onnx");
  EXPECT_EQ(imported->description, "test 1");
  EXPECT_EQ(imported->inputs[0].name, "x");
  EXPECT_EQ(imported->outputs[0].shape, (Shape{1, 4}));
  EXPECT_EQ(outcome(imported), "%2:FP32[1,4] = binary add (%0, const %1)  # y\n");
  EXPECT_THAT(run_floats(b.bytes(), {{10, 20, 30, 40}}), ElementsAre(11, 22, 33, 44));
}

TEST(OnnxReader, TruncationsAreNoModels) {
  const std::string whole = add_constant().bytes();
  for (size_t size = 1; size < whole.size(); ++size) {
    // A cut between two fields leaves a message that is whole but lacks what came after.
    const Result<Imported> cut = import_bytes(whole.substr(0, size));
    EXPECT_TRUE(cut.ok() || !cut.status().message().empty()) << size;
  }
  EXPECT_THAT(outcome(whole.substr(0, whole.size() - 20)), HasSubstr("truncated or corrupt"));
  EXPECT_THAT(outcome(std::string("\x08\x07")), HasSubstr("the file has no graph"));
}

TEST(OnnxReader, ALengthOfFourGigabytesIsCorrupt) {
  // ir_version 7, then the graph (field 7) of 0xFFFFFFFF bytes.
  EXPECT_THAT(outcome(std::string("\x08\x07\x3a\xff\xff\xff\xff\x0f\x00", 9)),
              HasSubstr("truncated or corrupt"));
  EXPECT_THAT(outcome(std::string("\x08\x07\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12)),
              HasSubstr("truncated or corrupt"));
}

TEST(OnnxReader, OldOpsetsBroadcastByAxis) {
  OnnxBuilder b(6);
  b.input("x", {2, 3}).output("y", {2, 3}).floats("w", {2}, {10, 20});
  b.node("Add", {"x", "w"}, {"y"}, {attr("axis", 0), attr("broadcast", 1)});
  EXPECT_THAT(run_floats(b.bytes(), {{1, 2, 3, 4, 5, 6}}), ElementsAre(11, 12, 13, 24, 25, 26));
  b.model().mutable_opset_import(0)->set_domain("ai.onnx");  // the default domain's other name
  EXPECT_THAT(run_floats(b.bytes(), {{1, 2, 3, 4, 5, 6}}), ElementsAre(11, 12, 13, 24, 25, 26));

  OnnxBuilder wide(6);
  wide.input("x", {2, 3}).output("y", {2, 3}).floats("w", {3, 1}, {1, 2, 3});
  wide.node("Add", {"x", "w"}, {"y"}, {attr("axis", 1), attr("broadcast", 1)});
  EXPECT_THAT(outcome(wide.bytes()), HasSubstr("2 dimensions does not fit at axis 1"));
}

TEST(OnnxReader, AttributesMayLackAType) {
  OnnxBuilder b(11);
  OnnxAttrs attrs = {attr("transB", 1), attr("alpha", 0.5F)};
  for (auto& a : attrs) a.clear_type();
  b.input("x", {2, 3}).output("y", {2, 4}).floats("w", {4, 3}, std::vector<float>(12, 1));
  b.node("Gemm", {"x", "w"}, {"y"}, attrs);
  EXPECT_THAT(outcome(b.bytes()), HasSubstr("matmul transpose_b"));
  EXPECT_THAT(run_floats(b.bytes(), {{1, 2, 3, 4, 5, 6}}),
              ElementsAre(3, 3, 3, 3, 7.5F, 7.5F, 7.5F, 7.5F));

  OnnxBuilder t;
  OnnxAttrs perm = {attr("perm", {1, 0})};
  perm[0].clear_type();
  t.input("x", {2, 3}).output("y", {3, 2}).node("Transpose", {"x"}, {"y"}, perm);
  EXPECT_THAT(outcome(t.bytes()), HasSubstr("transpose perm=[1,0]"));

  OnnxBuilder p(9);
  OnnxAttrs mode = {attr("mode", "reflect")};
  mode[0].clear_type();
  p.input("x", {2}).output("y", {4}).node("Pad", {"x", "pads"}, {"y"}, mode).ints("pads", {1, 1});
  EXPECT_THAT(outcome(p.bytes()), HasSubstr("pad before=[1] after=[1] reflect"));

  OnnxBuilder c;
  OnnxAttrs value(1);
  value[0].set_name("value");
  OnnxBuilder::fill(*value[0].mutable_t(), "", {1}, kOnnxFloat);
  value[0].mutable_t()->add_float_data(5);
  c.input("x", {1}).output("y", {1}).node("Constant", {}, {"c"}, value);
  c.node("Add", {"x", "c"}, {"y"});
  EXPECT_THAT(run_floats(c.bytes(), {{1}}), ElementsAre(6));

  OnnxBuilder f;
  OnnxAttrs floats(1);
  floats[0].set_name("value_floats");
  floats[0].add_floats(5);
  floats[0].add_floats(6);
  f.input("x", {2}).output("y", {2}).node("Constant", {}, {"c"}, floats);
  f.node("Add", {"x", "c"}, {"y"});
  EXPECT_THAT(run_floats(f.bytes(), {{1, 1}}), ElementsAre(6, 7));
}

TEST(OnnxReader, ChecksTheBytesOfInitializers) {
  using T = onnx::TensorProto;
  EXPECT_THAT(with_constant([](T& t) { t.add_float_data(5); }),
              HasSubstr("initializer 'c': has 20 bytes of data, [4] needs 16"));
  EXPECT_THAT(with_constant([](T& t) { t.clear_float_data(); }),
              HasSubstr("initializer 'c': has 0 bytes of data, [4] needs 16"));
  EXPECT_THAT(with_constant([](T& t) { t.set_raw_data("abc"); }), HasSubstr("has 3 bytes of data"));
  EXPECT_THAT(with_constant([](T& t) { t.set_dims(0, -4); }),
              HasSubstr("dimension -4 is negative"));
  EXPECT_THAT(with_constant([](T& t) {
                t.set_dims(0, int64_t{1} << 62);
                t.add_dims(16);
              }),
              HasSubstr("more elements than an int64 can count"));
  EXPECT_THAT(with_constant([](T& t) { t.set_dims(0, int64_t{1} << 61); }),
              HasSubstr("is too large"));
  EXPECT_THAT(with_constant([](T& t) { t.set_dims(0, int64_t{1} << 40); }),
              HasSubstr("RESOURCE_EXHAUSTED"));
  EXPECT_THAT(with_constant([](T& t) {
                t.clear_float_data();
                t.set_raw_data(std::string(16, '\0'));
              }),
              HasSubstr("binary add"));
}

TEST(OnnxReader, ReadsEveryElementType) {
  const auto constant = [](int type, auto fill) {
    OnnxBuilder b;
    onnx::TensorProto& t = b.tensor("c", {2}, type);
    fill(t);
    b.output("y", {2}, kOnnxFloat).node("Cast", {"c"}, {"y"}, {attr("to", 1)});
    return run_floats(b.bytes(), {});
  };
  using T = onnx::TensorProto;
  const auto int32s = [](T& t) {
    t.add_int32_data(1);
    t.add_int32_data(2);
  };
  const auto uint64s = [](T& t) {
    t.add_uint64_data(1);
    t.add_uint64_data(2);
  };
  for (int type : {2, 3, 6}) EXPECT_THAT(constant(type, int32s), ElementsAre(1, 2)) << type;
  EXPECT_THAT(constant(7,
                       [](T& t) {
                         t.add_int64_data(1);
                         t.add_int64_data(2);
                       }),
              ElementsAre(1, 2));
  // Types without a kernel for Cast are read all the same.
  for (int type : {4, 5, 9, 10, 12, 13}) {
    OnnxBuilder b;
    b.input("x", {1}).output("y", {1}).node("Abs", {"x"}, {"y"});
    T& t = b.tensor("c", {2}, type);
    if (type == 12 || type == 13) {
      uint64s(t);
    } else {
      int32s(t);
    }
    EXPECT_THAT(outcome(b.bytes()), HasSubstr("unary abs")) << type;
  }
  OnnxBuilder b;
  b.input("x", {1}).output("y", {1}).node("Abs", {"x"}, {"y"});
  b.tensor("c", {1}, 11).add_double_data(1);
  EXPECT_THAT(outcome(b.bytes()), HasSubstr("unary abs"));
}

TEST(OnnxReader, HoldsLimits) {
  const std::string bytes = add_constant().bytes();
  Limits limits;
  limits.max_tensor_bytes = 15;
  EXPECT_THAT(outcome(bytes, limits),
              HasSubstr("initializer 'c': has 16 bytes, more than the limit of 15 for a tensor"));
  limits = {};
  limits.max_nodes = 0;
  EXPECT_THAT(outcome(bytes, limits), HasSubstr("more than the limits"));
  limits = {};
  limits.max_tensors = 2;
  EXPECT_THAT(outcome(bytes, limits), HasSubstr("3 tensors, more than the limit of 2"));
  limits = {};
  limits.max_nesting = 2;
  EXPECT_THAT(outcome(bytes, limits), HasSubstr("truncated or corrupt"));
}

TEST(OnnxReader, ExternalDataLiesInTheModelsFolder) {
  const TestFolder folder;
  const std::vector<float> values = {9, 1, 2, 3, 4};
  folder.write("c.bin", {reinterpret_cast<const char*>(values.data()), 20});
  const auto load = [&](const OnnxBuilder& b) {
    return outcome(import_file(folder.write("m.onnx", b.bytes()), {}));
  };
  EXPECT_THAT(load(external("c.bin", "4")), HasSubstr("binary add"));
  EXPECT_THAT(load(external("c.bin", "4", "16")), HasSubstr("binary add"));
  EXPECT_THAT(load(external("./c.bin", "4", "16")), HasSubstr("binary add"));
  EXPECT_THAT(load(external("c.bin", "2", "16")), HasSubstr("binary add")) << "copied: unaligned";
  EXPECT_THAT(load(external("c.bin", "1", "20")), HasSubstr("its data lies outside 'c.bin'"));
  EXPECT_THAT(load(external("c.bin", "21")), HasSubstr("its data lies outside 'c.bin'"));
  EXPECT_THAT(load(external("c.bin", "4", "9223372036854775807")),
              HasSubstr("its data lies outside 'c.bin'"));
  EXPECT_THAT(load(external("c.bin", "9223372036854775807", "16")),
              HasSubstr("its data lies outside 'c.bin'"));
  EXPECT_THAT(load(external("c.bin")), HasSubstr("has 20 bytes of data, [4] needs 16"));
  for (const char* bad : {"-1", "x", "", "1x", "99999999999999999999"}) {
    EXPECT_THAT(load(external("c.bin", bad)), HasSubstr("bad external offset")) << bad;
    EXPECT_THAT(load(external("c.bin", "0", bad)), HasSubstr("bad external length")) << bad;
  }
  EXPECT_THAT(load(external("none.bin")), StartsWith("NOT_FOUND: "));
}

TEST(OnnxReader, ExternalDataLiesNowhereElse) {
  const TestFolder outside;
  const std::string secret = outside.write("secret", std::string(16, '\0'));
  const TestFolder folder;
  const auto load = [&](const std::string& location) {
    return outcome(import_file(folder.write("m.onnx", external(location).bytes()), {}));
  };
  for (const std::string& location : {std::string(), secret, std::string(".."),
                                      "../" + outside.path().filename().string() + "/secret",
                                      std::string("sub/../../secret"), std::string("/dev/zero")}) {
    EXPECT_THAT(load(location), HasSubstr("is not inside the model's folder")) << location;
  }
  std::filesystem::create_symlink(secret, folder.path() / "link");
  EXPECT_THAT(load("link"), HasSubstr("external data 'link' leads out of the model's folder"));
  std::filesystem::create_directory_symlink(outside.path(), folder.path() / "folder");
  EXPECT_THAT(load("folder/secret"), HasSubstr("leads out of the model's folder"));
  // A link that stays inside is as good as a file.
  folder.write("real.bin", std::string(16, '\0'));
  std::filesystem::create_symlink("real.bin", folder.path() / "inside");
  EXPECT_THAT(load("inside"), HasSubstr("binary add"));
  EXPECT_THAT(load("."), HasSubstr("not a regular file"));
}

TEST(OnnxReader, WhatNobodyUsesMayHaveAnyType) {
  OnnxBuilder b = add_constant();
  b.tensor("half", {2}, kOnnxBfloat16).set_raw_data("abcd");
  b.tensor("words", {2}, kOnnxString);
  b.tensor("deep", {1, 1, 1, 1, 1, 1, 1, 1, 1}, kOnnxFloat);
  b.tensor("nothing", {1}, 0);
  b.graph().add_value_info()->set_name("untyped");
  b.graph().add_value_info()->set_name("y");
  b.graph().add_value_info();
  b.value_info("bf", {1}, kOnnxBfloat16);
  auto* sequence = b.graph().add_value_info();
  sequence->set_name("sequence");
  sequence->mutable_type();
  EXPECT_THAT(outcome(b.bytes()), HasSubstr("binary add"));
}

TEST(OnnxReader, AllThatIsUnsupportedIsListed) {
  OnnxBuilder b;
  b.input("x", {1, 4}).input("words", {1}, kOnnxString).output("y", {1, 4});
  b.tensor("half", {4}, kOnnxBfloat16).set_raw_data("abcdabcd");
  b.value_info("bf", {1, 4}, kOnnxBfloat16);
  OnnxAttrs value(1);
  value[0].set_name("value");
  OnnxBuilder::fill(*value[0].mutable_t(), "", {1}, kOnnxString);
  b.node("Add", {"x", "half"}, {"a"});
  b.node("Abs", {"words"}, {"b"});
  b.node("Identity", {"x"}, {"bf"});
  b.node("Constant", {}, {"text"}, value);
  b.node("ConstantOfShape", {"x"}, {"filled"}, value);
  b.node("NoSuchOperator", {"x"}, {"n"});
  b.node("Softmax", {"n"}, {"s"});
  b.node("Abs", {"x"}, {"y"});
  EXPECT_EQ(outcome(b.bytes()),
            "unsupported graph input 'words': element type 8 is not supported\n"
            "unsupported Add 'a': tensor 'half': element type 16 is not supported\n"
            "unsupported Abs 'b': tensor 'words': element type 8 is not supported\n"
            "unsupported Identity 'bf': output 'bf': element type 16 is not supported\n"
            "unsupported Constant 'text': element type 8 is not supported\n"
            "unsupported ConstantOfShape 'filled': element type 8 is not supported\n"
            "unsupported NoSuchOperator 'n': the engine does not have this operator\n")
      << "Softmax of something unknown is no finding of its own";
}

TEST(OnnxReader, GraphInputsAndOutputs) {
  {
    OnnxBuilder b;
    b.graph().add_input();
    EXPECT_THAT(outcome(b.bytes()), HasSubstr("a graph input or output has no name"));
  }
  {
    OnnxBuilder b;
    b.graph().add_input()->set_name("x");
    EXPECT_THAT(outcome(b.bytes()), HasSubstr("graph input 'x' has no rank"));
  }
  {
    OnnxBuilder b;
    b.input("x", {1, 1, 1, 1, 1, 1, 1, 1, 1});
    EXPECT_THAT(outcome(b.bytes()), HasSubstr("graph input 'x': 9 dimensions, more than 8"));
  }
  {
    OnnxBuilder b;
    b.input("x", {1}).output("y", {1}).node("Abs", {"x"}, {"y"});
    b.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
    EXPECT_THAT(outcome(b.bytes()), HasSubstr("graph input 'x' has no rank"));
  }
  {
    OnnxBuilder b;
    b.input("x", {1}).input("x", {1}).output("x", {1});
    EXPECT_THAT(outcome(b.bytes()), HasSubstr("graph input 'x' is listed twice"));
  }
  {
    OnnxBuilder b;
    b.input("x", {1}).output("y", {1});
    EXPECT_THAT(outcome(b.bytes()), HasSubstr("graph output: tensor 'y' is neither a constant"));
  }
  {
    // Old files list initializers among the inputs.
    OnnxBuilder b = add_constant();
    b.input("c", {4});
    const Result<Imported> imported = import_bytes(b.bytes());
    EXPECT_THAT(outcome(imported), HasSubstr("binary add"));
    EXPECT_EQ(imported->inputs.size(), 1U);
  }
  {
    // Open dimensions, by name or by none.
    OnnxBuilder b;
    b.input("x", {-1, -1, 3}).output_without_shape("y").node("Abs", {"x"}, {"y"});
    b.graph()
        .mutable_input(0)
        ->mutable_type()
        ->mutable_tensor_type()
        ->mutable_shape()
        ->mutable_dim(0)
        ->set_dim_param("N");
    EXPECT_THAT(outcome(b.bytes()), HasSubstr("FP32[?,?,3] = unary abs"));
  }
}

TEST(OnnxReader, EveryNameIsMadeOnce) {
  const auto file = [](auto build) {
    OnnxBuilder b;
    b.input("x", {1, 4}).output("z", {1, 4}).floats("c", {1, 4}, {1, 2, 3, 4});
    build(b);
    return outcome(b.bytes());
  };
  using B = OnnxBuilder;
  EXPECT_THAT(file([](B& b) { b.node("Abs", {"x"}, {"z"}).node("Neg", {"x"}, {"z"}); }),
              HasSubstr("Neg 'z': output 'z' is also the output of another operator"));
  EXPECT_THAT(file([](B& b) { b.node("Abs", {"c"}, {"x"}).node("Neg", {"x"}, {"z"}); }),
              HasSubstr("Abs 'x': output 'x' is also a graph input"));
  EXPECT_THAT(file([](B& b) { b.node("Abs", {"x"}, {"c"}).node("Neg", {"c"}, {"z"}); }),
              HasSubstr("Abs 'c': output 'c' is also a constant"));
  EXPECT_THAT(file([](B& b) { b.node("Abs", {"z"}, {"y"}).node("Neg", {"y"}, {"z"}); }),
              HasSubstr("tensor 'z' is used before the operator that makes it: the graph has a "
                        "cycle"));
  EXPECT_THAT(file([](B& b) { b.node("Abs", {"nowhere"}, {"z"}); }),
              HasSubstr("Abs 'z': tensor 'nowhere' is neither a constant nor"));
  EXPECT_THAT(file([](B& b) { b.node("Abs", {}, {"z"}); }), HasSubstr("input 0 is missing"));
  EXPECT_THAT(file([](B& b) { b.node("Add", {"", "x"}, {"z"}); }), HasSubstr("input 0 is missing"));
  EXPECT_THAT(file([](B& b) {
                b.node("Add", {"x", ""}, {"z"});
              }),
              HasSubstr("Add 'z': input 1 is missing"));
  EXPECT_THAT(file([](B& b) { b.floats("c", {1}, {1}); }),
              HasSubstr("initializer 'c' appears twice"));
}

TEST(OnnxReader, DeclaredShapesAreBelieved) {
  const auto file = [](const std::vector<int64_t>& declared) {
    OnnxBuilder b;
    b.input("x", {1, 4}).output_without_shape("y").value_info("h", declared);
    b.node("Abs", {"x"}, {"h"}).node("Neg", {"h"}, {"y"});
    return outcome(b.bytes());
  };
  EXPECT_THAT(
      file({1, 5}),
      HasSubstr("Abs 'h': the file declares output 'h' as [1,5], the operator makes [1,4]"));
  EXPECT_THAT(file({}), HasSubstr("declares output 'h' as [], the operator makes [1,4]"));
  EXPECT_THAT(file({1, -1}), HasSubstr("unary neg"));
  EXPECT_THAT(file({7, 4}), HasSubstr("unary neg")) << "a batch is open";
}

TEST(OnnxReader, OperatorsOfOtherDomainsAreOthers) {
  OnnxBuilder b;
  b.input("x", {1}).output("y", {1}).node("Abs", {"x"}, {"y"}, {}, "com.example");
  EXPECT_EQ(outcome(b.bytes()),
            "unsupported com.example.Abs 'y': the engine does not have this operator\n");
}

TEST(OnnxReader, AnIfNeedsBothOfItsBodies) {
  OnnxBuilder b;
  OnnxAttrs body(1);
  body[0].set_name("then_branch");
  body[0].set_type(5);
  body[0].mutable_g();
  b.input("x", {1}, kOnnxBool).output("y", {1}).node("If", {"x"}, {"y"}, body);
  EXPECT_THAT(outcome(b.bytes()), HasSubstr("If 'y': has no graph 'else_branch'"));
}

}  // namespace
}  // namespace inferd::import

// SPDX-License-Identifier: Apache-2.0
//
// What each ONNX operator becomes, and what is refused and why.
#include <gmock/gmock.h>

#include <numeric>

#include "tests/unit/import/import_testing.h"
#include "tests/unit/import/onnx_builder.h"

namespace inferd::import {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::FloatNear;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pointwise;

using Dims = std::vector<int64_t>;

// An operand: an input of the graph, or a constant.
struct Operand {
  enum Kind { kInput, kUnranked, kFloats, kInts, kSmall, kAbsent } kind;
  Dims dims;
  int type = kOnnxFloat;
  std::vector<float> values = {};
};
Operand X(const Dims& dims, int type = kOnnxFloat) { return {Operand::kInput, dims, type}; }
// An input made by a Reshape to a computed shape.
Operand unranked() { return {Operand::kUnranked, {}}; }
Operand F(const Dims& dims, std::vector<float> values = {}) {
  if (values.empty()) {
    const int64_t count =
        std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>());
    values.resize(static_cast<size_t>(count));
    std::iota(values.begin(), values.end(), 1.F);
  }
  return {Operand::kFloats, dims, kOnnxFloat, values};
}
Operand I(const Dims& values) { return {Operand::kInts, values, kOnnxInt64}; }
Operand S(const Dims& dims, int type, const std::vector<float>& values) {
  return {Operand::kSmall, dims, type, values};
}
Operand none() { return {Operand::kAbsent, {}}; }

struct Node {
  const char* op;
  std::vector<Operand> inputs;
  OnnxAttrs attrs = {};
  int64_t opset = 13;
  const char* domain = "";
  size_t outputs = 1;
};

// A file of one operator with the outputs y, y1, y2, ...
std::string file(const Node& n) {
  OnnxBuilder b(n.opset);
  std::vector<std::string> names;
  for (size_t i = 0; i < n.inputs.size(); ++i) {
    const Operand& o = n.inputs[i];
    names.push_back(o.kind == Operand::kAbsent ? "" : "x" + std::to_string(i));
    const char* name = names.back().c_str();
    switch (o.kind) {
      case Operand::kInput:
        b.input(name, o.dims, o.type);
        break;
      case Operand::kUnranked:
        b.input("in", {2, 3}).input("dims", {-1}, kOnnxInt64);
        b.node("Reshape", {"in", "dims"}, {name});
        break;
      case Operand::kFloats:
        b.floats(name, o.dims, o.values);
        break;
      case Operand::kInts:
        b.ints(name, o.dims);
        break;
      case Operand::kSmall:
        b.small(name, o.dims, o.type, {o.values.begin(), o.values.end()});
        break;
      case Operand::kAbsent:
        break;
    }
  }
  std::vector<std::string> made;
  for (size_t i = 0; i < n.outputs; ++i) made.push_back(i == 0 ? "y" : "y" + std::to_string(i));
  std::vector<const char*> ins;
  std::vector<const char*> outs;
  for (const std::string& name : names) ins.push_back(name.c_str());
  for (const std::string& name : made) outs.push_back(name.c_str());
  b.node(n.op, ins, outs, n.attrs, n.domain);
  for (const char* name : outs) b.output_without_shape(name);
  return b.bytes();
}
std::string lowered(const Node& n) { return outcome(file(n)); }

TEST(OnnxLowering, Elementwise) {
  const std::pair<const char*, const char*> binaries[] = {
      {"Add", "add"}, {"Div", "div"}, {"Max", "max"}, {"Min", "min"},
      {"Mul", "mul"}, {"Pow", "pow"}, {"Sub", "sub"}, {"Sum", "add"}};
  for (const auto& [op, name] : binaries) {
    EXPECT_EQ(lowered({op, {X({2, 3}), F({3})}}),
              std::string("%2:FP32[2,3] = binary ") + name + " (%0, const %1)  # y\n");
    EXPECT_THAT(lowered({op, {X({2, 3}), F({2})}}), HasSubstr("do not broadcast"));
  }
  for (const char* op : {"Max", "Min", "Sum"}) {
    EXPECT_THAT(lowered({op, {X({2}), X({2}), X({2})}}), HasSubstr("(%3, %2)  # y"));
    EXPECT_THAT(lowered({op, {X({2})}}), Not(HasSubstr("binary")));
  }
  const std::pair<const char*, const char*> unaries[] = {
      {"Abs", "unary abs"},
      {"Ceil", "unary ceil"},
      {"Elu", "unary elu alpha=1"},
      {"Exp", "unary exp"},
      {"Floor", "unary floor"},
      {"HardSigmoid", "unary hard_sigmoid alpha=0.2 beta=0.5"},
      {"HardSwish", "unary hard_swish"},
      {"LeakyRelu", "unary leaky_relu alpha=0.01"},
      {"Log", "unary log"},
      {"Neg", "unary neg"},
      {"Relu", "clamp clamp=0..inf"},
      {"Round", "unary round"},
      {"Sigmoid", "unary sigmoid"},
      {"Sqrt", "unary sqrt"},
      {"Tanh", "unary tanh"},
  };
  for (const auto& [op, name] : unaries) {
    EXPECT_EQ(lowered({op, {X({2, 3})}}), std::string("%1:FP32[2,3] = ") + name + " (%0)  # y\n");
  }
  EXPECT_THAT(lowered({"LeakyRelu", {X({2})}, {attr("alpha", 0.5F)}}), HasSubstr("alpha=0.5"));
  EXPECT_THAT(lowered({"HardSigmoid", {X({2})}, {attr("alpha", 1), attr("beta", 0.F)}}),
              HasSubstr("hard_sigmoid alpha=1 ("));
  EXPECT_THAT(lowered({"Reciprocal", {X({2})}}), HasSubstr("binary div (const %1, %0)"));
  EXPECT_THAT(lowered({"PRelu", {X({1, 2, 3}), F({2, 1})}}), HasSubstr("prelu (%0, const %1)"));
  EXPECT_THAT(lowered({"Xyz", {X({2})}}), HasSubstr("unsupported Xyz 'y'"));
}

TEST(OnnxLowering, Comparisons) {
  EXPECT_EQ(lowered({"Less", {X({2}), X({2})}}), "%2:BOOL[2] = compare less (%0, %1)  # y\n");
  EXPECT_EQ(lowered({"Greater", {X({2}), X({2})}}), "%2:BOOL[2] = compare less (%1, %0)  # y\n");
  EXPECT_THAT(lowered({"GreaterOrEqual", {X({2}), X({2})}}),
              HasSubstr("compare less_equal (%1, %0)"));
  EXPECT_THAT(lowered({"Equal", {X({2}), X({2}, kOnnxInt64)}}),
              HasSubstr("operands are FP32 and INT64"));
  EXPECT_THAT(lowered({"IsNaN", {X({2})}}), HasSubstr("compare not_equal (%0, %0)"));
  EXPECT_THAT(lowered({"IsInf", {X({2})}}), AllOf(HasSubstr("abs"), HasSubstr("compare equal")));
  EXPECT_THAT(lowered({"IsInf", {X({2})}, {attr("detect_negative", 0)}}), Not(HasSubstr("abs")));
  EXPECT_THAT(lowered({"IsInf", {X({2}, kOnnxInt64)}}), HasSubstr("takes real numbers, not INT64"));
  EXPECT_EQ(lowered({"Where", {X({2}, kOnnxBool), X({2}), X({1})}}),
            "%3:FP32[2] = select (%1, %2, %0)  # y\n");
  EXPECT_THAT(lowered({"Where", {X({2}), X({2}), X({1})}}), HasSubstr("selects by FP32"));
}

TEST(OnnxLowering, ActivationsOfSeveralOperators) {
  EXPECT_THAT(lowered({"Selu", {X({2})}}),
              AllOf(HasSubstr("unary elu alpha=1.67"), HasSubstr("mul")));
  EXPECT_THAT(lowered({"Shrink", {X({2})}, {attr("bias", 1.5F)}}),
              HasSubstr("unary shrink alpha=0.5 beta=1.5"));
  EXPECT_THAT(lowered({"Gelu", {X({2})}, {}, 20}), HasSubstr("unary gelu (%0)"));
  EXPECT_THAT(lowered({"Gelu", {X({2})}, {attr("approximate", "tanh")}, 20}),
              HasSubstr("unary gelu_tanh (%0)"));
  EXPECT_THAT(lowered({"Gelu", {X({2})}, {attr("approximate", "x")}, 20}),
              HasSubstr("is neither none nor tanh"));
  const auto ms = [](const char* op, std::vector<Operand> inputs, OnnxAttrs attrs = {}) {
    return lowered({op, std::move(inputs), std::move(attrs), 13, "com.microsoft"});
  };
  EXPECT_THAT(ms("BiasGelu", {X({2}), F({2})}), HasSubstr("unary gelu (%2)"));
  EXPECT_THAT(ms("FastGelu", {X({2})}), HasSubstr("unary gelu_tanh (%0)"));
  EXPECT_THAT(ms("QuickGelu", {X({2})}), AllOf(HasSubstr("mul"), HasSubstr("unary sigmoid")));
  EXPECT_THAT(ms("QuickGelu", {X({2})}, {attr("alpha", 1.F)}), HasSubstr("unary silu (%0)"));
}

TEST(OnnxLowering, PowersHaveTheTypeOfTheirBase) {
  EXPECT_THAT(lowered({"Pow", {X({2}), X({2}, kOnnxInt64)}}),
              AllOf(HasSubstr("FP32[2] = cast"), HasSubstr("FP32[2] = binary pow")));
  EXPECT_THAT(lowered({"Pow", {X({2}, kOnnxInt64), X({2})}}),
              AllOf(HasSubstr("FP64[2] = binary pow"), HasSubstr("INT64[2] = cast")));
  EXPECT_THAT(lowered({"Pow", {X({2}, kOnnxInt64), X({2}, kOnnxInt32)}}),
              HasSubstr("INT64[2] = binary pow"));
}

TEST(OnnxLowering, RandomNumbers) {
  EXPECT_THAT(lowered({"RandomNormal", {}, {attr("shape", {2, 3}), attr("mean", 1.F)}}),
              AllOf(HasSubstr("FP32[2,3] = random normal offset=1"), HasSubstr("seed=")));
  EXPECT_THAT(
      lowered({"RandomUniform", {}, {attr("shape", {2}), attr("low", -1.F), attr("dtype", 11)}}),
      HasSubstr("FP64[2] = random uniform offset=-1 scale=2"));
  EXPECT_THAT(lowered({"RandomUniform", {}, {attr("shape", {2}), attr("dtype", 6)}}),
              HasSubstr("makes real numbers, not INT32"));
  EXPECT_THAT(lowered({"RandomUniform", {}, {attr("shape", {2}), attr("dtype", 16)}}),
              HasSubstr("unsupported RandomUniform 'y': element type 16"));
  EXPECT_THAT(lowered({"RandomNormalLike", {X({2, 3})}, {attr("seed", 1.F)}}),
              HasSubstr("FP32[2,3] = random normal seed=1065353216 (%0)"));
  EXPECT_THAT(lowered({"Bernoulli", {X({2})}, {attr("dtype", 9)}}),
              AllOf(HasSubstr("random uniform"), HasSubstr("BOOL[2] = compare less")));
  EXPECT_THAT(lowered({"Multinomial", {X({2, 5})}, {attr("sample_size", 3)}}),
              HasSubstr("INT32[2,3] = arg_max axis=2"));
}

TEST(OnnxLowering, Bits) {
  const auto shifted = [](const char* direction) {
    return lowered(
        {"BitShift", {X({2}, kOnnxUInt8), X({2}, kOnnxUInt8)}, {attr("direction", direction)}});
  };
  EXPECT_THAT(shifted("LEFT"), HasSubstr("binary shift_left"));
  EXPECT_THAT(shifted("RIGHT"), HasSubstr("binary shift_right"));
  EXPECT_THAT(shifted("up"), HasSubstr("direction 'up' is neither LEFT nor RIGHT"));
  EXPECT_THAT(lowered({"Mod", {X({2}), X({2})}, {attr("fmod", 1)}}), HasSubstr("binary mod"));
  EXPECT_THAT(lowered({"Mod", {X({2}, kOnnxInt64), X({2}, kOnnxInt64)}}),
              HasSubstr("binary floor_mod"));
}

TEST(OnnxLowering, Clip) {
  EXPECT_THAT(lowered({"Clip", {X({2})}, {attr("min", 0.F), attr("max", 6.F)}, 7}),
              HasSubstr("clamp clamp=0..6"));
  EXPECT_THAT(lowered({"Clip", {X({2}), F({1}, {-1}), F({1}, {2})}}), HasSubstr("clamp=-1..2"));
  EXPECT_THAT(lowered({"Clip", {X({2}), none(), F({1}, {2})}}), HasSubstr("clamp=-inf..2"));
  EXPECT_THAT(lowered({"Clip", {X({2}), X({1}), X({1})}}),
              AllOf(HasSubstr("binary max (%0, %1)"), HasSubstr("binary min (%3, %2)  # y")));
  // A clamp's bounds would round.
  EXPECT_THAT(lowered({"Clip", {X({2}, kOnnxInt64), I({1})}}), HasSubstr("binary max"));
  EXPECT_THAT(lowered({"Clip", {X({2}), F({2}, {1, 2})}}), HasSubstr("is not a scalar"));
  EXPECT_THAT(lowered({"Clip", {X({2}), S({1}, kOnnxBool, {1})}}),
              HasSubstr("unsupported Clip 'y': input 'x1' has"));
}

TEST(OnnxLowering, MatrixProducts) {
  EXPECT_THAT(lowered({"MatMul", {X({2, 3}), F({3, 4})}}), HasSubstr("FP32[2,4] = matmul (%0"));
  EXPECT_THAT(lowered({"MatMul", {X({3}), F({3, 4})}}),
              AllOf(HasSubstr("FP32[1,4] = matmul"), HasSubstr("FP32[4] = reshape")));
  EXPECT_THAT(lowered({"MatMul", {X({5, 2, 3}), F({3})}}), HasSubstr("FP32[5,2] = reshape"));
  EXPECT_THAT(lowered({"MatMul", {X({3}), F({3})}}), HasSubstr("FP32[] = reshape"));
  EXPECT_THAT(lowered({"MatMul", {X({}), F({3})}}), HasSubstr("a scalar is no matrix"));
  EXPECT_THAT(lowered({"MatMul", {X({2, -1, 3}), F({3})}}), HasSubstr("late MatMul ("));
  EXPECT_THAT(lowered({"MatMul", {X({2, 3}), F({2, 4})}}), HasSubstr("inner dimensions"));
  EXPECT_THAT(lowered({"Gemm", {X({2, 3}), F({4, 3}), F({4})}, {attr("transB", 1)}}),
              AllOf(HasSubstr("matmul transpose_b"), HasSubstr("binary add")));
  EXPECT_THAT(lowered({"Gemm", {X({3, 2}), F({3, 4})}, {attr("transA", 1)}}),
              HasSubstr("FP32[2,4] = matmul transpose_a (%0, const %1)  # y\n"));
  const std::string scaled =
      file({"Gemm", {X({1, 2}), F({2, 1}), F({1}, {10})}, {attr("alpha", 2.F), attr("beta", 3.F)}});
  EXPECT_THAT(run_floats(scaled, {{1, 1}}), ElementsAre(2 * 3 + 3 * 10));
  EXPECT_THAT(run_floats(file({"Gemm", {X({1, 2}), F({2, 1})}, {attr("alpha", 2.F)}}), {{1, 1}}),
              ElementsAre(6));
  const Node fused{"FusedMatMul",
                   {X({2, 1}), F({1, 2})},
                   {attr("transA", 1), attr("transB", 1), attr("alpha", 2.F)},
                   13,
                   "com.microsoft"};
  EXPECT_THAT(run_floats(file(fused), {{3, 4}}), ElementsAre(2 * (3 * 1 + 4 * 2)));
}

TEST(OnnxLowering, Einsum) {
  const auto einsum = [](const char* equation, std::vector<Operand> inputs) {
    return Node{"Einsum", std::move(inputs), {attr("equation", equation)}};
  };
  const auto run = [&](const char* equation, std::vector<Operand> inputs) {
    return run_floats(file(einsum(equation, std::move(inputs))), {{1, 2, 3, 4}});
  };
  const Operand x = X({2, 2});  // 1 2 | 3 4
  EXPECT_THAT(run("ij,jk->ik", {x, F({2, 2})}), ElementsAre(7, 10, 15, 22));
  EXPECT_THAT(run("ij , jk -> ki", {x, F({2, 2})}), ElementsAre(7, 15, 10, 22));
  EXPECT_THAT(run("ij,ij->ij", {x, F({2, 2})}), ElementsAre(1, 4, 9, 16));
  EXPECT_THAT(run("ij,jk,k->i", {x, F({2, 2}), F({2})}), ElementsAre(27, 59));
  EXPECT_THAT(run("ij,k->ijk", {x, F({2})}), ElementsAre(1, 2, 2, 4, 3, 6, 4, 8));
  EXPECT_THAT(run("ii->i", {x}), ElementsAre(1, 4));
  EXPECT_THAT(run("ii", {x}), ElementsAre(5));
  EXPECT_THAT(run("ba", {x}), ElementsAre(1, 3, 2, 4)) << "letters in their order";
  EXPECT_THAT(run("...j,...->...", {x, F({1})}), ElementsAre(3, 7)) << "a 1 goes with any size";
  EXPECT_THAT(run("i...->...i", {x}), ElementsAre(1, 3, 2, 4));
  EXPECT_THAT(lowered(einsum("ij,jk", {x})), HasSubstr("2 operands, the operator 1"));
  EXPECT_THAT(lowered(einsum("ij->ik", {x})), HasSubstr("output 'ik'"));
  EXPECT_THAT(lowered(einsum("ij->ii", {x})), HasSubstr("repeats a letter"));
  EXPECT_THAT(lowered(einsum("i-", {x})), HasSubstr("the equation has 'i-'"));
  EXPECT_THAT(lowered(einsum("ijk", {x})), HasSubstr("operand 'ijk' of the equation does not fit"));
  EXPECT_THAT(lowered(einsum("ij,jk", {x, F({3, 2})})), HasSubstr("stands for both 2 and 3"));
  EXPECT_THAT(lowered(einsum("ii", {X({2, 3})})), HasSubstr("different sizes of [2,3]"));
  EXPECT_THAT(lowered(einsum("ij->ji", {X({-1, 3})})), HasSubstr("late Einsum ("));
}

TEST(OnnxLowering, Softmax) {
  EXPECT_THAT(lowered({"Softmax", {X({2, 3, 4})}}), HasSubstr("softmax axis=2"));
  EXPECT_THAT(lowered({"Softmax", {X({2, 3, 4})}, {attr("axis", 1)}}), HasSubstr("softmax axis=1"));
  // Before opset 13 everything from the axis on is one dimension.
  EXPECT_THAT(lowered({"Softmax", {X({2, 3, 4})}, {}, 12}),
              AllOf(HasSubstr("FP32[2,12] = reshape"), HasSubstr("softmax axis=1"),
                    HasSubstr("FP32[2,3,4] = reshape")));
  EXPECT_THAT(lowered({"Softmax", {X({2, 3})}, {}, 12}), HasSubstr("FP32[2,3] = softmax axis=1"));
  EXPECT_THAT(lowered({"Softmax", {X({2, -1, 4})}, {}, 12}), HasSubstr("late Softmax ("));
  EXPECT_THAT(lowered({"Softmax", {X({2, 3})}, {attr("axis", 2)}}),
              HasSubstr("axis 2 is out of range for rank 2"));
}

TEST(OnnxLowering, Reductions) {
  const std::pair<const char*, const char*> reductions[] = {{"ReduceMean", "mean"},
                                                            {"ReduceSum", "sum"},
                                                            {"ReduceMax", "max"},
                                                            {"ReduceMin", "min"},
                                                            {"ReduceProd", "prod"},
                                                            {"ReduceL1", "l1"},
                                                            {"ReduceL2", "l2"},
                                                            {"ReduceLogSum", "log_sum"},
                                                            {"ReduceLogSumExp", "log_sum_exp"},
                                                            {"ReduceSumSquare", "sum_square"}};
  for (const auto& [op, name] : reductions) {
    EXPECT_THAT(lowered({op, {X({1, 2, 3})}, {attr("axes", {-1, 1})}, 11}),
                HasSubstr(std::string("FP32[1,1,1] = reduce ") + name + " axes=[1,2] keep"));
    EXPECT_THAT(lowered({op, {X({1, 2, 3})}, {attr("keepdims", 0)}, 11}),
                HasSubstr("FP32[] = reduce"));
    EXPECT_THAT(lowered({op, {X({1, 2, 3}), I({2})}}), HasSubstr("axes=[2] keep"));
    EXPECT_THAT(lowered({op, {X({1, 2, 3}), X({1}, kOnnxInt64)}}), HasSubstr("late "));
    EXPECT_THAT(lowered({op, {X({1, 2, 3}), I({3})}}), HasSubstr("axis 3 is out of range"));
  }
  EXPECT_THAT(lowered({"ReduceSum", {X({1, 2, 3})}, {attr("noop_with_empty_axes", 1)}}),
              Not(HasSubstr("reduce ")));
  EXPECT_THAT(lowered({"ArgMax", {X({2, 3})}, {attr("axis", -1)}}),
              HasSubstr("INT64[2,1] = arg_max axis=1 keep"));
  EXPECT_THAT(lowered({"ArgMax", {X({2, 3})}, {attr("keepdims", 0)}}),
              HasSubstr("INT64[3] = arg_max axis=0 ("));
  EXPECT_THAT(lowered({"ArgMax", {X({2, 3})}, {attr("select_last_index", 1)}}),
              HasSubstr("arg_max axis=0 keep_dims last ("));
  EXPECT_THAT(lowered({"ArgMin", {X({2, 3})}}), HasSubstr("arg_max axis=0 keep_dims smallest ("));
  EXPECT_THAT(lowered({"CumSum", {X({2, 3}), I({-1})}, {attr("reverse", 1)}}),
              HasSubstr("cum_sum axis=1 reverse ("));
  EXPECT_THAT(lowered({"CumSum", {X({2, 3}), I({2})}}), HasSubstr("axis 2 is out of range"));
  EXPECT_THAT(lowered({"CumSum", {X({2, 3}), I({0, 1})}}), HasSubstr("axis is not a scalar"));
}

TEST(OnnxLowering, Convolutions) {
  const Operand x = X({1, 2, 5, 5});
  const Operand w = F({3, 2, 3, 3});
  EXPECT_EQ(lowered({"Conv", {x, w, F({3})}, {attr("pads", {1, 0, 2, 1})}}),
            "%3:FP32[1,5,5,2] = transpose perm=[0,2,3,1] (%0)  # y/nhwc\n"
            "%4:FP32[3,3,3,2] = transpose perm=[0,2,3,1] (const %1)  # y/weights\n"
            "%5:FP32[1,6,4,3] = conv2d kernel=3x3 stride=1x1 pad=1,0,2,1 (%3, %4, const %2)  # y\n"
            "%6:FP32[1,3,6,4] = transpose perm=[0,3,1,2] (%5)  # y\n");
  EXPECT_THAT(lowered({"Conv", {x, w}, {attr("strides", {2, 1}), attr("dilations", {1, 2})}}),
              HasSubstr("conv2d kernel=3x3 stride=2x1 dilation=1x2"));
  EXPECT_THAT(lowered({"Conv",
                       {X({1, 2, 4, 4}), w},
                       {attr("strides", {2, 2}), attr("auto_pad", "SAME_UPPER")}}),
              HasSubstr("pad=0,0,1,1"));
  EXPECT_THAT(lowered({"Conv",
                       {X({1, 2, 4, 4}), w},
                       {attr("strides", {2, 2}), attr("auto_pad", "SAME_LOWER")}}),
              HasSubstr("pad=1,1,0,0"));
  EXPECT_THAT(lowered({"Conv", {x, w}, {attr("auto_pad", "VALID"), attr("pads", {1, 1, 1, 1})}}),
              Not(HasSubstr("pad=")));
  EXPECT_THAT(lowered({"Conv", {x, F({4, 1, 3, 3})}, {attr("group", 2)}}),
              AllOf(HasSubstr("transpose perm=[2,3,0,1]"), HasSubstr("= depthwise_conv2d")));
  EXPECT_THAT(lowered({"Conv", {X({1, 4, 5, 5}), F({4, 2, 3, 3})}, {attr("group", 2)}}),
              HasSubstr("groups=2"));
  EXPECT_THAT(lowered({"Conv", {x, w}, {attr("group", 0)}}), HasSubstr("0 groups"));
  EXPECT_THAT(lowered({"Conv", {X({1, 2, 5, 5, 5, 5}), F({3, 2, 3, 3, 3, 3})}}),
              HasSubstr("unsupported Conv 'y': input [1,2,5,5,5,5] has not one, two or three"));
  EXPECT_THAT(lowered({"Conv", {x, X({3, 2, -1, 3})}}), HasSubstr("late Conv ("));
  EXPECT_THAT(lowered({"Conv", {x, F({3, 2, 3})}}), HasSubstr("weights [3,2,3] are not 4-D"));
  EXPECT_THAT(lowered({"Conv", {x, w}, {attr("strides", {1})}}),
              HasSubstr("strides has 1 entries, not 2"));
  EXPECT_THAT(lowered({"Conv", {x, w}, {attr("strides", {0, 1})}}),
              HasSubstr("strides 0 is out of range"));
  EXPECT_THAT(lowered({"Conv", {x, w}, {attr("pads", {-1, 0, 0, 0})}}),
              HasSubstr("pads -1 is out of range"));
  EXPECT_THAT(lowered({"Conv", {x, w}, {attr("dilations", {int64_t{1} << 40, 1})}}),
              HasSubstr("is out of range"));
  EXPECT_THAT(lowered({"Conv", {X({1, 2, -1, 5}), w}, {attr("auto_pad", "SAME_UPPER")}}),
              HasSubstr("late Conv ("));
  EXPECT_THAT(lowered({"Conv", {x, F({3, 4, 3, 3})}}), HasSubstr("channels per group"));
  EXPECT_THAT(lowered({"Conv", {x, F({3, 2, 9, 9})}}),
              HasSubstr("the window is larger than the padded input"));
  EXPECT_THAT(lowered({"Conv", {x, F({3, 2, 0, 3}, {0})}}), HasSubstr("initializer 'x1'"));
}

TEST(OnnxLowering, FusedConvolutions) {
  const auto fused = [](std::vector<Operand> more, OnnxAttrs attrs) {
    std::vector<Operand> inputs = {X({1, 1, 1, 1}), F({1, 1, 1, 1}, {2})};
    inputs.insert(inputs.end(), more.begin(), more.end());
    return file({"FusedConv", inputs, std::move(attrs), 13, "com.microsoft"});
  };
  const Operand bias = F({1}, {-10});
  EXPECT_THAT(run_floats(fused({bias}, {attr("activation", "Relu")}), {{3}}), ElementsAre(0));
  EXPECT_THAT(run_floats(fused({bias, F({1, 1, 1, 1}, {1})},
                               {attr("activation", "LeakyRelu"),
                                attr("activation_params", std::vector<float>{0.5F})}),
                         {{3}}),
              ElementsAre(-1.5F));
  EXPECT_THAT(outcome(fused({}, {attr("activation", "Gelu")})),
              HasSubstr("unsupported com.microsoft.FusedConv 'y': activation 'Gelu'"));
}

// Lines are images of height 1; the depth of a volume's windows becomes channels.
TEST(OnnxLowering, ConvolutionsOfLinesAndVolumes) {
  EXPECT_THAT(lowered({"Conv", {X({-1, 2, 5}), F({3, 2, 3})}, {attr("pads", {1, 0})}}),
              AllOf(HasSubstr("FP32[?,1,4,3] = conv2d kernel=1x3 stride=1x1 pad=0,1,0,0"),
                    HasSubstr("FP32[?,3,4] = transpose perm=[0,2,1]")));
  EXPECT_THAT(lowered({"Conv", {X({1, 2, 5}), F({4, 1, 3})}, {attr("group", 2)}}),
              HasSubstr("FP32[1,1,3,4] = depthwise_conv2d kernel=1x3"));
  EXPECT_THAT(lowered({"Conv", {X({1, 2, 4, 5, 6}), F({3, 2, 2, 3, 3})}}),
              AllOf(HasSubstr("FP32[3,5,6,4] = reshape"), HasSubstr("FP32[3,3,4,3] = conv2d"),
                    HasSubstr("FP32[1,3,3,3,4] = transpose")));
  EXPECT_THAT(lowered({"Conv", {X({1, 2, -1, 5, 6}), F({3, 2, 2, 3, 3})}}),
              HasSubstr("late Conv ("));
  EXPECT_THAT(lowered({"Conv", {X({1, 2, 4, 5, 6}), F({3, 2, 5, 3, 3})}}),
              HasSubstr("the window is deeper than the volume"));
}

TEST(OnnxLowering, TransposedConvolutions) {
  const Operand x = X({1, 2, 3, 3});
  const Operand w = F({2, 3, 3, 3});
  EXPECT_THAT(lowered({"ConvTranspose", {x, w}, {attr("strides", {2, 2})}}),
              HasSubstr("FP32[1,7,7,3] = conv_transpose2d kernel=3x3 stride=2x2 ("));
  EXPECT_THAT(lowered({"ConvTranspose",
                       {x, w},
                       {attr("strides", {2, 2}), attr("pads", {1, 1, 1, 1}),
                        attr("output_padding", {1, 1})}}),
              HasSubstr("stride=2x2 pad=1,1,1,1 extra_h=1 extra_w=1"));
  // What the output size leaves over is cut off evenly, the odd pixel as auto_pad says.
  const auto sized = [&](const char* auto_pad) {
    return lowered(
        {"ConvTranspose",
         {x, w},
         {attr("strides", {2, 2}), attr("output_shape", {6, 4}), attr("auto_pad", auto_pad)}});
  };
  EXPECT_THAT(sized("SAME_UPPER"), HasSubstr("FP32[1,6,4,3] = conv_transpose2d kernel=3x3 "
                                             "stride=2x2 pad=0,1,1,2 ("));
  EXPECT_THAT(sized("NOTSET"), HasSubstr("pad=1,2,0,1 ("));
  EXPECT_THAT(lowered({"ConvTranspose", {x, F({2, 2, 3, 3})}, {attr("group", 2)}}),
              HasSubstr("FP32[1,5,5,4] = conv_transpose2d kernel=3x3 stride=1x1 groups=2"));
  EXPECT_THAT(lowered({"ConvTranspose", {x, w}, {attr("group", 3)}}),
              HasSubstr("2 channels cannot be split into 3 groups"));
  EXPECT_THAT(lowered({"ConvTranspose", {X({1, 2, -1, 3}), w}, {attr("auto_pad", "SAME_UPPER")}}),
              HasSubstr("late ConvTranspose ("));
  EXPECT_THAT(lowered({"ConvTranspose", {x, w}, {attr("output_padding", {-1, 0})}}),
              HasSubstr("output_padding -1 is out of range"));
}

TEST(OnnxLowering, Pools) {
  const OnnxAttrs kernel = {attr("kernel_shape", {3, 3})};
  const auto with = [&](std::vector<onnx::AttributeProto> more) {
    more.push_back(kernel[0]);
    return more;
  };
  EXPECT_THAT(lowered({"MaxPool", {X({1, 2, 5, 5})}, with({attr("strides", {2, 2})})}),
              HasSubstr("max_pool2d kernel=3x3 stride=2x2 ("));
  EXPECT_THAT(
      lowered(
          {"MaxPool", {X({1, 2, 6, 6})}, with({attr("strides", {2, 2}), attr("ceil_mode", 1)})}),
      HasSubstr("stride=2x2 pad=0,0,1,1"));
  // The last window would start behind the image.
  EXPECT_THAT(
      lowered({"MaxPool",
               {X({1, 2, 3, 3})},
               {attr("kernel_shape", {1, 1}), attr("strides", {3, 3}), attr("ceil_mode", 1)}}),
      HasSubstr("FP32[1,1,1,2] = max_pool2d kernel=1x1 stride=3x3 ("));
  EXPECT_THAT(lowered({"MaxPool", {X({1, 2, -1, 6})}, with({attr("ceil_mode", 1)})}),
              HasSubstr("late MaxPool ("));
  EXPECT_THAT(lowered({"MaxPool", {X({1, 2, 5, 5})}, kernel, 13, "", 2}),
              AllOf(HasSubstr("max_pool_indices kernel=3x3 stride=1x1 row_major"),
                    HasSubstr("INT64[1,2,3,3] = binary add")));
  EXPECT_THAT(lowered({"MaxPool", {X({1, 2, -1, 5})}, kernel, 13, "", 2}),
              HasSubstr("late MaxPool ("));
  EXPECT_THAT(lowered({"MaxPool", {X({1, 2, 5})}, {attr("kernel_shape", {3})}}),
              HasSubstr("FP32[1,1,3,2] = max_pool2d kernel=1x3"));
  EXPECT_THAT(lowered({"MaxPool", {X({1, 2, 4, 5, 6})}, {attr("kernel_shape", {2, 3, 3})}}),
              AllOf(HasSubstr("FP32[4,3,4,2] = max_pool2d kernel=3x3"),
                    HasSubstr("FP32[1,3,12,2] = max_pool2d kernel=2x1")));
  EXPECT_THAT(lowered({"MaxPool", {X({1, 2, 5, 5})}}),
              HasSubstr("the kernel has 0 dimensions, the image 2"));
  EXPECT_THAT(lowered({"MaxPool", {X({1, 2, 5, 5})}, with({attr("pads", {3, 0, 0, 0})})}),
              HasSubstr("padding is as large as the window"));
  EXPECT_THAT(lowered({"AveragePool",
                       {X({1, 2, 5, 5})},
                       with({attr("pads", {1, 1, 1, 1}), attr("count_include_pad", 1)})}),
              HasSubstr("average_pool2d kernel=3x3 stride=1x1 pad=1,1,1,1 count_padding"));
  // Padding counts, but not what rounding up adds.
  EXPECT_THAT(lowered({"AveragePool",
                       {X({1, 2, 5, 5})},
                       with({attr("ceil_mode", 1), attr("count_include_pad", 1),
                             attr("pads", {1, 0, 0, 0}), attr("strides", {2, 2})})}),
              AllOf(HasSubstr("FP32[1,2,6,5] = pad before=[0,0,1,0]"),
                    HasSubstr("average_pool2d kernel=3x3 stride=2x2 pad=0,0,1,0 (")));
  EXPECT_THAT(lowered({"LpPool", {X({1, 2, 5, 5})}, with({attr("p", 3)})}),
              AllOf(HasSubstr("binary pow"),
                    HasSubstr("average_pool2d kernel=3x3 stride=1x1 "
                              "count_padding"),
                    HasSubstr("binary mul")));
  EXPECT_THAT(lowered({"GlobalLpPool", {X({1, 2, 5, 5})}}),
              AllOf(HasSubstr("reduce sum axes=[2,3] keep"), HasSubstr("unary sqrt")));
  EXPECT_THAT(lowered({"GlobalAveragePool", {X({1, 2, 5, 5})}}),
              HasSubstr("FP32[1,2,1,1] = reduce mean axes=[2,3] keep"));
  EXPECT_THAT(lowered({"GlobalMaxPool", {X({1, 2, 5})}}),
              HasSubstr("FP32[1,2,1] = reduce max axes=[2] keep"));
}

TEST(OnnxLowering, BatchNormalization) {
  const Operand p = F({2}, {1, 4});
  const std::string bytes =
      file({"BatchNormalization", {X({1, 2, 1, 1}), p, p, p, p}, {attr("epsilon", 0.F)}});
  EXPECT_THAT(outcome(bytes), HasSubstr("batch_norm axis=1"));
  EXPECT_THAT(run_floats(bytes, {{3, 8}}), ElementsAre(3, 4 * (8 - 4) / 2.F + 4));
  const Node training{"BatchNormalization",
                      {X({2, 2}), p, p, p, p},
                      {attr("training_mode", 1), attr("epsilon", 0.F)},
                      15,
                      "",
                      3};
  EXPECT_THAT(run_floats(file(training), {{3, 8, 5, 4}}), ElementsAre(0, 8, 2, 0));
  EXPECT_THAT(lowered({"BatchNormalization", {X({1, 2}), p, p, F({3}), p}}),
              HasSubstr("do not broadcast"));
  EXPECT_THAT(lowered({"BatchNormalization", {X({1, 2}), X({2}), p, p, p}}),
              HasSubstr("batch_norm axis=1"));
  EXPECT_THAT(lowered({"BatchNormalization", {X({2}), p, p, p, p}}),
              HasSubstr("an input without channels"));
  EXPECT_THAT(lowered({"BatchNormalization", {X({1, 3}), p, p, p, p}}),
              HasSubstr("parameters [2] do not fit the channels of [1,3]"));
}

TEST(OnnxLowering, NormalisationsOfChannels) {
  const Operand x = X({1, 4, 2});
  const std::vector<float> values = {1, 3, 2, 6, -1, 1, 4, 8};
  const OnnxAttrs groups = {attr("num_groups", 2), attr("epsilon", 0.5F)};
  EXPECT_THAT(run_floats(file({"GroupNormalization", {x, F({4}), F({4})}, groups, 21}), {values}),
              Pointwise(FloatNear(1e-6F), std::vector<float>{0.F, 1.F, 1.F, 5.F, -0.4641016F,
                                                             1.2679492F, 5.1547005F, 9.7735027F}));
  EXPECT_THAT(
      run_floats(file({"GroupNormalization", {x, F({2}, {1, 1}), F({2}, {0, 0})}, groups, 18}),
                 {values}),
      Pointwise(FloatNear(1e-6F), std::vector<float>{-1.F, 0.F, -0.5F, 1.5F, -1.1547005F,
                                                     -0.5773503F, 0.2886751F, 1.4433757F}));
  EXPECT_THAT(lowered({"GroupNormalization", {x, F({4}), F({4})}, {attr("num_groups", 3)}, 21}),
              HasSubstr("num_groups 3 does not divide the 4 channels"));
  EXPECT_THAT(lowered({"InstanceNormalization", {x, F({4}), F({4})}}),
              HasSubstr("FP32[1,4,2] = normalize mean_variance axis=2"));
  EXPECT_THAT(lowered({"InstanceNormalization", {x, F({3}), F({3})}}),
              HasSubstr("does not broadcast to [1,4,2]"));
  EXPECT_THAT(lowered({"InstanceNormalization", {X({1, 4}), F({4}), F({4})}}),
              HasSubstr("without channels and an image"));
  EXPECT_THAT(lowered({"LRN", {x}, {attr("size", 4), attr("alpha", 2.F)}}),
              HasSubstr("local_response_norm axis=1 before=1 after=2 alpha=0.5 beta=0.75 ("));
  EXPECT_THAT(lowered({"LRN", {x}, {attr("size", 0)}}), HasSubstr("size 0 is not positive"));
}

TEST(OnnxLowering, NormalisationsOfRows) {
  const std::vector<float> rows = {1, 2, 3, 4, 6, 2};
  const Node rms{"RMSNormalization", {X({2, 3}), F({3})}, {attr("epsilon", 0.5F)}, 23};
  EXPECT_THAT(run_floats(file(rms), {rows}),
              Pointwise(FloatNear(1e-6F), std::vector<float>{0.4399414F, 1.7597654F, 3.9594721F,
                                                             0.9136644F, 2.7409932F, 1.3704966F}));
  const Node skip{
      "SkipLayerNormalization", {X({2, 3}), F({2, 3}, {1, 0, 1, 0, 1, 0}), F({3}), F({3}), F({3})},
      {attr("epsilon", 0.5F)},  1,
      "com.microsoft",          4};
  EXPECT_THAT(run_floats(file(skip), {rows}),
              Pointwise(FloatNear(1e-5F), std::vector<float>{0.0946425F, 1.275714F, 6.8025013F,
                                                             0.3379153F, 4.6483388F, 1.0137459F}));
  EXPECT_THAT(lowered({"LayerNormalization", {X({2, 3}), F({2}), F({3})}, {}, 17}),
              HasSubstr("[2] does not broadcast to [2,3]"));
  EXPECT_THAT(lowered({"LayerNormalization", {X({2, 3}), F({3})}, {attr("axis", 2)}, 17}),
              HasSubstr("axis 2 is out of range"));
  const auto lp = [](int64_t p, int64_t axis) {
    return Node{"LpNormalization", {X({2, 2})}, {attr("p", p), attr("axis", axis)}};
  };
  EXPECT_THAT(run_floats(file(lp(2, -1)), {{3, 4, 0, 0}}), ElementsAre(0.6F, 0.8F, 0, 0));
  EXPECT_THAT(run_floats(file(lp(2, 0)), {{3, 0, 4, 0}}), ElementsAre(0.6F, 0, 0.8F, 0));
  EXPECT_THAT(run_floats(file(lp(1, 1)), {{1, -3, 0, 0}}), ElementsAre(0.25F, -0.75F, 0, 0));
  EXPECT_THAT(lowered(lp(3, 0)), HasSubstr("p is 3, not 1 or 2"));
}

TEST(OnnxLowering, Attention) {
  const auto near = [](std::vector<float> values) {
    return Pointwise(FloatNear(1e-5F), std::move(values));
  };
  const Operand x = X({1, 1, 2, 2});
  const OnnxAttrs causal = {attr("is_causal", 1)};
  const std::vector<Operand> one_head = {x, F({1, 1, 2, 2}, {1, 0, 0, 1}), F({1, 1, 2, 2})};
  EXPECT_THAT(run_floats(file({"Attention", one_head, {}, 23}), {{1, 2, 3, 4}}),
              near({2.3395231F, 3.3395231F, 2.3395231F, 3.3395231F}));
  EXPECT_THAT(run_floats(file({"Attention", one_head, causal, 23}), {{1, 2, 3, 4}}),
              near({1, 2, 2.3395231F, 3.3395231F}));
  EXPECT_THAT(lowered({"Attention",
                       {X({1, 2, 8}), X({1, 5, 4}), X({1, 5, 6})},
                       {attr("q_num_heads", 4), attr("kv_num_heads", 2)},
                       23}),
              AllOf(HasSubstr("FP32[1,4,5,2] = reshape"), HasSubstr("FP32[1,2,12] = reshape")));
  EXPECT_THAT(lowered({"Attention", {X({1, 2, 8}), X({1, 5, 4}), X({1, 5, 6})}, {}, 23}),
              HasSubstr("cannot split [1,2,8] into 0 heads"));
  EXPECT_THAT(lowered({"Attention", {X({1, -1, 2, 2}), x, x}, {}, 23}),
              HasSubstr("late Attention ("));

  const Operand weights = F({2, 6}, {-1, -.5F, 0, .5F, 1, -1, -.5F, 0, .5F, 1, -1, -.5F});
  const Operand bias = F({6}, {0, .1F, .2F, .3F, .4F, .5F});
  const auto packed = [&](std::vector<Operand> inputs, OnnxAttrs attrs) {
    attrs.push_back(attr("num_heads", 2));
    return Node{"Attention", std::move(inputs), std::move(attrs), 1, "com.microsoft"};
  };
  const Operand rows = X({1, 2, 2});
  EXPECT_THAT(
      run_floats(file(packed({rows, weights, bias}, {attr("unidirectional", 1)})), {{1, 2, 3, 4}}),
      near({-0.6F, -1.5F, -0.6F, -1.5443221F}));
  EXPECT_THAT(
      run_floats(file(packed({rows, weights, bias, F({1, 2}, {1, 0})}, {})), {{1, 2, 3, 4}}),
      near({-0.6F, -1.5F, -0.6F, -1.5F}));
}

TEST(OnnxLowering, Resize) {
  const Operand x = X({1, 3, 2, 2});
  const Operand scales = F({4}, {1, 1, 2, 3});
  const auto resize = [&](OnnxAttrs attrs) {
    return lowered({"Resize", {x, none(), scales}, std::move(attrs)});
  };
  EXPECT_THAT(resize({}), AllOf(HasSubstr("resize nearest half_pixel round_prefer_floor"),
                                HasSubstr("FP32[1,3,4,6] = transpose")));
  EXPECT_THAT(resize({attr("mode", "linear")}), HasSubstr("resize linear half_pixel"));
  EXPECT_THAT(resize({attr("mode", "cubic"), attr("cubic_coeff_a", -0.5F)}),
              AllOf(HasSubstr("FP32[1,3,4,2] = resize_axis axis=2 cubic half_pixel"),
                    HasSubstr("FP32[1,3,4,6] = resize_axis axis=3"), HasSubstr("cubic=-0.5")));
  EXPECT_THAT(resize({attr("mode", "area")}), HasSubstr("unsupported Resize 'y': mode 'area'"));
  for (const char* mode : {"half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel",
                           "half_pixel_symmetric", "tf_half_pixel_for_nn"}) {
    EXPECT_THAT(resize({attr("coordinate_transformation_mode", mode)}), HasSubstr(mode));
  }
  EXPECT_THAT(
      lowered({"Resize",
               {x, F({8}, {0, 0, 0, 0.25F, 1, 1, 1, 0.75F}), scales},
               {attr("coordinate_transformation_mode", "tf_crop_and_resize"),
                attr("extrapolation_value", 7.F)}}),
      AllOf(HasSubstr("resize_axis axis=2"), HasSubstr("crop_begin=0.25 crop_end=0.75 outside=7")));
  EXPECT_THAT(lowered({"Resize",
                       {x, F({4}), scales},
                       {attr("coordinate_transformation_mode", "tf_crop_and_resize")}}),
              HasSubstr("roi has 4 entries, not 8"));
  for (const char* mode : {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}) {
    EXPECT_THAT(resize({attr("nearest_mode", mode)}), HasSubstr(mode));
  }
  EXPECT_THAT(resize({attr("nearest_mode", "up")}),
              HasSubstr("unsupported Resize 'y': nearest_mode 'up'"));
  EXPECT_THAT(resize({attr("keep_aspect_ratio_policy", "stretch")}), HasSubstr("resize nearest"));
  const auto fitted = [&](const char* policy) {
    return lowered({"Resize",
                    {X({1, 3, 4, 8}), none(), none(), I({12, 12})},
                    {attr("axes", {2, -1}), attr("keep_aspect_ratio_policy", policy)},
                    18});
  };
  EXPECT_THAT(fitted("not_larger"), HasSubstr("FP32[1,6,12,3] = resize nearest"));
  EXPECT_THAT(fitted("not_smaller"), HasSubstr("FP32[1,12,24,3] = resize nearest"));
  EXPECT_THAT(fitted("any"), HasSubstr("unsupported Resize 'y': keep_aspect_ratio_policy 'any'"));
  EXPECT_THAT(resize({attr("antialias", 1), attr("mode", "linear")}),
              HasSubstr("resize_axis axis=2 linear"));
  EXPECT_THAT(resize({attr("axes", {2, 3})}), HasSubstr("scales has 4 entries, not 2"));
  EXPECT_THAT(lowered({"Resize", {x, none(), F({2}, {2, 3})}, {attr("axes", {2, 2})}, 18}),
              HasSubstr("axis 2 appears twice"));

  EXPECT_THAT(lowered({"Resize", {x, none(), F({4}, {1, 2, 2, 2})}}),
              HasSubstr("FP32[1,6,2,2] = resize_axis axis=1"));
  // Channels last: no transpose.
  EXPECT_THAT(lowered({"Resize", {x, none(), F({4}, {1, 2, 2, 1})}}),
              AllOf(HasSubstr("FP32[1,6,4,2] = resize nearest"), Not(HasSubstr("transpose"))));
  EXPECT_THAT(lowered({"Resize", {x, none(), F({4}, {1, 1, 1, 1})}}), Not(HasSubstr("resize")));
  EXPECT_THAT(lowered({"Resize", {x, none(), F({4}, {1, 1, 0, 1})}}),
              HasSubstr("a scale is not above 0"));
  EXPECT_THAT(lowered({"Resize", {x, none(), X({4})}}), HasSubstr("late Resize ("));
  for (const Operand& no_scales : {none(), F({0}, {})}) {
    EXPECT_THAT(lowered({"Resize", {x, none(), no_scales, I({1, 3, 5, 7})}}),
                HasSubstr("FP32[1,5,7,3] = resize"));
  }
  EXPECT_THAT(lowered({"Resize", {x, none(), none(), I({1, 4, 5, 7})}}),
              HasSubstr("FP32[1,4,2,2] = resize_axis axis=1"));
  EXPECT_THAT(lowered({"Resize", {x, none(), none(), X({4}, kOnnxInt64)}}),
              HasSubstr("late Resize ("));
  EXPECT_THAT(lowered({"Resize", {x, none(), none(), I({1, 3, -5, 7})}}),
              HasSubstr("a size is not above 0"));
  EXPECT_THAT(lowered({"Resize", {x, none(), none(), I({1, 3, 5, int64_t{1} << 40})}}),
              HasSubstr("output size must be from 1 to 1048576"));
  EXPECT_THAT(lowered({"Resize", {x}}), HasSubstr("input 3 is missing"));
  EXPECT_THAT(lowered({"Resize", {x, scales}, {}, 10}),
              HasSubstr("resize nearest asymmetric floor"));
  EXPECT_THAT(lowered({"Upsample", {x, scales}, {}, 9}),
              HasSubstr("resize nearest asymmetric floor"));
  EXPECT_THAT(lowered({"Upsample", {X({3, 2, 2}), scales}, {}, 9}),
              HasSubstr("scales has 4 entries, not 3"));
  EXPECT_THAT(lowered({"Upsample", {X({3, 2, 2}), F({3}, {1, 2, 2})}, {}, 9}),
              HasSubstr("FP32[3,4,4] = resize_axis axis=2"));
}

TEST(OnnxLowering, DepthToSpace) {
  const std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8};
  EXPECT_THAT(run_floats(file({"DepthToSpace", {X({1, 8, 1, 1})}, {attr("blocksize", 2)}}), {x}),
              ElementsAre(1, 3, 5, 7, 2, 4, 6, 8));
  EXPECT_THAT(
      run_floats(
          file({"DepthToSpace", {X({1, 8, 1, 1})}, {attr("blocksize", 2), attr("mode", "CRD")}}),
          {x}),
      ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_THAT(lowered({"DepthToSpace", {X({1, 8, -1, 1})}, {attr("blocksize", 2)}}),
              HasSubstr("late DepthToSpace ("));
  for (int64_t block : {int64_t{0}, int64_t{-2}, int64_t{3}, int64_t{1} << 40}) {
    EXPECT_THAT(lowered({"DepthToSpace", {X({1, 8, 1, 1})}, {attr("blocksize", block)}}),
                HasSubstr("does not fit [1,8,1,1]"));
  }
}

TEST(OnnxLowering, Constants) {
  const auto constant = [](const OnnxAttrs& attrs) {
    OnnxBuilder b;
    b.input("x", {2}).output_without_shape("y").node("Constant", {}, {"c"}, attrs);
    b.node("Mul", {"x", "c"}, {"y"});
    return b.bytes();
  };
  EXPECT_THAT(run_floats(constant({attr("value_float", 3.F)}), {{1, 2}}), ElementsAre(3, 6));
  OnnxAttrs floats = {attr("value_floats", {})};
  floats[0].set_type(6);
  floats[0].add_floats(3);
  floats[0].add_floats(4);
  EXPECT_THAT(run_floats(constant(floats), {{1, 2}}), ElementsAre(3, 8));
  EXPECT_THAT(outcome(constant({attr("value_floats", 1)})),
              HasSubstr("value_floats is not a list"));
  EXPECT_THAT(outcome(constant({attr("value", 1)})), HasSubstr("value is not a tensor"));
  EXPECT_THAT(outcome(constant({attr("value_string", "a")})),
              HasSubstr("unsupported Constant 'c': a constant that is neither"));
  const auto reshape = [](const OnnxAttrs& attrs) {
    OnnxBuilder b;
    b.input("x", {2, 3}).output_without_shape("y").node("Constant", {}, {"c"}, attrs);
    b.node("Reshape", {"x", "c"}, {"y"});
    return outcome(b.bytes());
  };
  EXPECT_THAT(reshape({attr("value_ints", {3, 2})}), HasSubstr("FP32[3,2] = reshape"));
  EXPECT_THAT(reshape({attr("value_int", 6)}), HasSubstr("FP32[6] = reshape"));

  OnnxAttrs value(1);
  value[0].set_name("value");
  OnnxBuilder::fill(*value[0].mutable_t(), "", {1}, kOnnxFloat);
  value[0].mutable_t()->add_float_data(7);
  EXPECT_THAT(run_floats(file({"ConstantOfShape", {I({2, 2})}, value}), {}),
              AllOf(Each(FloatEq(7)), ::testing::SizeIs(4)));
  EXPECT_THAT(run_floats(file({"ConstantOfShape", {I({3})}}), {}), ElementsAre(0, 0, 0));
  EXPECT_THAT(lowered({"ConstantOfShape", {I({-3})}}), HasSubstr("dimension -3 is negative"));
  EXPECT_THAT(lowered({"ConstantOfShape", {I({int64_t{1} << 40, int64_t{1} << 40})}}),
              HasSubstr("more elements than an int64 can count"));
}

TEST(OnnxLowering, Casts) {
  const std::pair<int, const char*> types[] = {
      {1, "FP32"},  {2, "UINT8"}, {3, "INT8"},  {4, "UINT16"}, {5, "INT16"},   {6, "INT32"},
      {7, "INT64"}, {9, "BOOL"},  {10, "FP16"}, {11, "FP64"},  {12, "UINT32"}, {13, "UINT64"}};
  for (const auto& [code, name] : types) {
    EXPECT_THAT(lowered({"Cast", {X({2})}, {attr("to", code)}}),
                HasSubstr(std::string(name) + "[2] = cast"));
  }
  EXPECT_THAT(lowered({"Cast", {X({2})}, {attr("to", 16)}}),
              HasSubstr("unsupported Cast 'y': element type 16 is not supported"));
}

TEST(OnnxLowering, Shapes) {
  EXPECT_THAT(lowered({"Reshape", {X({2, 6}), I({0, 3, -1})}}),
              HasSubstr("FP32[2,3,2] = reshape dims=[0,3,-1]"));
  EXPECT_THAT(lowered({"Reshape", {X({2, 6}), X({2}, kOnnxInt64)}}),
              HasSubstr("FP32[?,?] = reshape dims=[] (%0, %1)"));
  EXPECT_THAT(lowered({"Reshape", {X({0, 6}), I({0, 3})}, {attr("allowzero", 1)}, 14}),
              HasSubstr("FP32[0,3] = reshape"));
  EXPECT_THAT(lowered({"Reshape", {X({2, 6}), I({5})}}), HasSubstr("cannot make [5] of [2,6]"));
  EXPECT_THAT(lowered({"Reshape", {X({2}), I({2, 0})}}), HasSubstr("copies a dimension"));
  EXPECT_THAT(lowered({"Reshape", {X({2}), F({1})}}), HasSubstr("has type FP32, not INT32"));
  EXPECT_THAT(lowered({"Flatten", {X({2, 3, 4})}}), HasSubstr("FP32[2,12] = reshape"));
  EXPECT_THAT(lowered({"Flatten", {X({2, 3, 4})}, {attr("axis", 0)}}), HasSubstr("FP32[1,24]"));
  EXPECT_THAT(lowered({"Flatten", {X({2, 3, 4})}, {attr("axis", -1)}}), HasSubstr("FP32[6,4]"));
  EXPECT_THAT(lowered({"Flatten", {X({2, 3, 4})}, {attr("axis", 3)}}), HasSubstr("FP32[24,1]"));
  EXPECT_THAT(lowered({"Flatten", {X({2, 3, 4})}, {attr("axis", 4)}}),
              HasSubstr("axis 4 is out of range"));
  EXPECT_THAT(lowered({"Flatten", {X({2, -1, 4})}, {attr("axis", 2)}}),
              HasSubstr("late Flatten ("));
  EXPECT_THAT(lowered({"Squeeze", {X({1, 2, 1})}}), HasSubstr("FP32[2] = reshape"));
  EXPECT_THAT(lowered({"Squeeze", {X({1, 2, 1}), I({-1})}}), HasSubstr("FP32[1,2] = reshape"));
  EXPECT_THAT(lowered({"Squeeze", {X({1, 2, 1})}, {attr("axes", {0})}, 11}),
              HasSubstr("FP32[2,1] = reshape"));
  EXPECT_THAT(lowered({"Squeeze", {X({1, 2}), I({2})}}), HasSubstr("axis 2 is out of range"));
  EXPECT_THAT(lowered({"Squeeze", {X({-1, -1, 1}), I({2})}}), HasSubstr("late Squeeze ("));
  EXPECT_THAT(lowered({"Unsqueeze", {X({2, 3}), I({0, -1})}}), HasSubstr("FP32[1,2,3,1]"));
  EXPECT_THAT(lowered({"Unsqueeze", {X({2, 3}), I({1, 1})}}), HasSubstr("axes are repeated"));
  EXPECT_THAT(lowered({"Unsqueeze", {X({2, 3}), I({4})}}), HasSubstr("axis 4 is out of range"));
  EXPECT_THAT(lowered({"Unsqueeze", {X({2, 3}), I({0, 1, 2, 3, 4, 5, 6})}}),
              HasSubstr("more than 8 dimensions"));
  EXPECT_THAT(lowered({"Unsqueeze", {X({-1, -1}), I({0})}}), HasSubstr("late Unsqueeze ("));
  EXPECT_THAT(lowered({"Transpose", {X({2, 3, 4})}}), HasSubstr("transpose perm=[2,1,0]"));
  EXPECT_THAT(lowered({"Transpose", {X({2, 3})}, {attr("perm", {0, 0})}}),
              HasSubstr("not a permutation"));
  EXPECT_THAT(lowered({"Transpose", {X({2, 3})}, {attr("perm", {0, 1, 1})}}),
              HasSubstr("permutation does not fit [2,3]"));
  EXPECT_THAT(lowered({"Transpose", {X({2, 3})}, {attr("perm", {0, 5})}}),
              HasSubstr("axis 5 is out of range"));
  EXPECT_THAT(lowered({"Expand", {X({3}), I({2, 1})}}), HasSubstr("FP32[2,3] = expand"));
  EXPECT_THAT(lowered({"Expand", {X({3}), I({2})}}), HasSubstr("does not broadcast"));
  EXPECT_THAT(lowered({"Shape", {X({2, 3})}}), HasSubstr("INT64[2] = shape"));
  EXPECT_THAT(lowered({"Shape", {X({2, 3})}, {attr("start", 1)}, 15}),
              HasSubstr("INT64[1] = slice begin=[1] end=[2]"));
  EXPECT_THAT(lowered({"Shape", {X({2, 3})}, {attr("start", -9), attr("end", -1)}, 15}),
              HasSubstr("INT64[1] = slice begin=[0] end=[1]"));
  EXPECT_THAT(lowered({"Shape", {X({2, 3})}, {attr("start", 2), attr("end", 1)}, 15}),
              HasSubstr("INT64[0] = slice"));
  EXPECT_THAT(lowered({"Size", {X({2, 3})}}), HasSubstr("INT64[] = reduce prod axes=[0]"));
}

TEST(OnnxLowering, Movement) {
  EXPECT_THAT(lowered({"Concat", {X({1, 2}), X({1, 3})}, {attr("axis", -1)}}),
              HasSubstr("FP32[1,5] = concat axis=1"));
  EXPECT_THAT(lowered({"Concat", {X({1, 2}), X({1, 3})}, {attr("axis", 0)}}),
              HasSubstr("differ outside axis 0"));
  EXPECT_THAT(lowered({"Concat", {}, {attr("axis", 0)}}), HasSubstr("has no inputs"));
  EXPECT_THAT(lowered({"Concat", {X({1}), X({1}, kOnnxInt64)}}),
              HasSubstr("inputs have different types"));
  EXPECT_THAT(lowered({"Gather", {X({2, 3}), I({0})}, {attr("axis", 1)}}),
              HasSubstr("FP32[2,1] = gather axis=1"));
  EXPECT_THAT(lowered({"Gather", {X({2, 3}), I({0})}, {attr("axis", 2)}}),
              HasSubstr("axis 2 is out of range"));
  EXPECT_THAT(lowered({"Identity", {X({2})}}), HasSubstr("reshape dims=[0] (%0)  # y"));

  EXPECT_THAT(lowered({"Pad", {X({1, 3}), I({0, 1, 0, 2}), F({1}, {5})}}),
              HasSubstr("pad before=[0,1] after=[0,2] value=5"));
  EXPECT_THAT(lowered({"Pad", {X({1, 3})}, {attr("pads", {0, 1, 0, 2}), attr("value", 4.F)}, 10}),
              HasSubstr("value=4"));
  EXPECT_THAT(lowered({"Pad", {X({1, 3}), I({0, 1, 0, 2})}, {attr("mode", "edge")}}),
              HasSubstr("pad before=[0,1] after=[0,2] edge (%0)"));
  EXPECT_THAT(lowered({"Pad", {X({1, 3}), I({0, 1, 0, 2})}, {attr("mode", "mirror")}}),
              HasSubstr("mode 'mirror' is none of constant, reflect, edge and wrap"));
  EXPECT_THAT(lowered({"Pad", {X({1, 0}), I({0, 1, 0, 2})}, {attr("mode", "wrap")}, 19}),
              HasSubstr("has nothing to pad [1,0] with"));
  EXPECT_THAT(lowered({"Pad", {X({1, 3}), I({1, 2}), none(), I({-1})}, {}, 18}),
              HasSubstr("pad before=[0,1] after=[0,2]"));
  EXPECT_THAT(lowered({"Pad", {X({1, 3}), I({1, 1, 2, 2}), none(), I({1, -1})}, {}, 18}),
              HasSubstr("axes are repeated"));
  EXPECT_THAT(lowered({"Pad", {X({1, 3}), I({0, 1})}}),
              HasSubstr("pads does not fit the input's rank or axes"));
  EXPECT_THAT(
      lowered({"Pad", {X({1, 3}), I({0, -1, 0, 2})}}),
      AllOf(HasSubstr("slice begin=[0,1] end=[end,3]"), HasSubstr("pad before=[0,0] after=[0,2]")));
  EXPECT_THAT(lowered({"Pad", {X({1, 3}), I({0, -2, 0, -2})}}),
              HasSubstr("pads take away more than all of [1,3]"));
  EXPECT_THAT(lowered({"Pad", {X({1, 3}), I({0, INT64_MIN, 0, INT64_MIN})}}),
              HasSubstr("pads take away more than all of [1,3]"));
  EXPECT_THAT(lowered({"Pad", {X({1, -1}), I({0, -1, 0, 0})}}), HasSubstr("late Pad ("));
  EXPECT_THAT(lowered({"Pad", {X({1, 3}), I({0, 1, 0, 2}), X({}, kOnnxFloat)}}),
              HasSubstr("pad before=[0,1] after=[0,2] (%0, %1)"));
  EXPECT_THAT(lowered({"Pad", {X({1}, kOnnxInt64), I({0, 1}), I({5})}}),
              HasSubstr("pad before=[0] after=[1] (%0, const %2)"));
  EXPECT_THAT(lowered({"Pad", {X({1, 3}), I({0, int64_t{1} << 62, 0, int64_t{1} << 62})}}),
              HasSubstr("padding is negative or too large"));
}

TEST(OnnxLowering, GathersAndScatters) {
  const Operand i = X({2, 1}, kOnnxInt64);
  EXPECT_THAT(lowered({"GatherElements", {X({2, 3}), i}, {attr("axis", -1)}}),
              HasSubstr("FP32[2,1] = gather_elements axis=1"));
  EXPECT_THAT(lowered({"GatherElements", {X({2, 3}), X({3, 1}, kOnnxInt64)}, {attr("axis", 1)}}),
              HasSubstr("indices [3,1] do not fit [2,3]"));
  EXPECT_THAT(lowered({"GatherND", {X({2, 3}), i}}), HasSubstr("FP32[2,3] = gather_nd"));
  EXPECT_THAT(lowered({"GatherND", {X({2, 3}), i}, {attr("batch_dims", 1)}}),
              HasSubstr("FP32[2] = gather_nd batch_dims=1"));
  for (int64_t batch_dims : {int64_t{-1}, int64_t{9}, int64_t{1} << 40}) {
    EXPECT_THAT(lowered({"GatherND", {X({2, 3}), i}, {attr("batch_dims", batch_dims)}}),
                HasSubstr("is out of range"));
  }
  EXPECT_THAT(lowered({"GatherND", {X({2, 3}), i}, {attr("batch_dims", 2)}}),
              HasSubstr("do not share 2 batch dimensions"));
  EXPECT_THAT(lowered({"GatherND", {X({2, 3}), X({1, 3}, kOnnxInt64)}}),
              HasSubstr("rows of indices [1,3] do not lead into [2,3]"));
  EXPECT_THAT(lowered({"ScatterElements", {X({2, 3}), i, X({2, 1})}, {attr("axis", 1)}}),
              HasSubstr("FP32[2,3] = scatter_elements none axis=1"));
  EXPECT_THAT(lowered({"ScatterElements", {X({2, 3}), i, X({1, 1})}, {attr("axis", 1)}}),
              HasSubstr("updates must be as many as indices"));
  EXPECT_THAT(lowered({"ScatterND", {X({2, 3}), i, X({2, 3})}, {attr("reduction", "mul")}, 16}),
              HasSubstr("FP32[2,3] = scatter_nd mul"));
  EXPECT_THAT(lowered({"ScatterND", {X({2, 3}), i, X({2, 3})}, {attr("reduction", "xor")}, 16}),
              HasSubstr("reduction 'xor' is none of"));
  EXPECT_THAT(lowered({"ScatterND", {X({2, 3}), i, X({2})}}),
              HasSubstr("updates [2] must have the shape [2,3]"));
}

TEST(OnnxLowering, ResultsWhoseNumberDependsOnData) {
  EXPECT_THAT(lowered({"NonZero", {X({2, 3})}}),
              AllOf(HasSubstr("= non_zero (%0)"), HasSubstr("INT64[2,?] = trim axis=1")));
  EXPECT_THAT(lowered({"Compress", {X({2, 3}), X({3}, kOnnxBool)}, {attr("axis", 1)}}),
              AllOf(HasSubstr("FP32[2,3] = gather axis=1"), HasSubstr("FP32[2,?] = trim axis=1")));
  EXPECT_THAT(lowered({"Unique", {X({2, 3})}, {}, 13, "", 4}),
              AllOf(HasSubstr("unique axis=0"), HasSubstr("FP32[?] = trim axis=0")));
  const std::vector<Operand> boxes = {X({1, 5, 4}), X({1, 2, 5}), I({3}), F({1}, {0.5F})};
  EXPECT_THAT(lowered({"NonMaxSuppression", boxes, {attr("center_point_box", 1)}}),
              AllOf(HasSubstr("INT64[6,3]"), HasSubstr("max_per_class=3 iou_threshold=0.5"),
                    HasSubstr("center_boxes"), HasSubstr("INT64[?,3] = trim axis=0")));
  EXPECT_THAT(lowered({"NonMaxSuppression", {X({1, 5, 4}), X({1, 2, 4})}}),
              HasSubstr("needs boxes [B,A,4] and scores [B,K,A]"));
}

TEST(OnnxLowering, Patterns) {
  EXPECT_THAT(lowered({"Range", {X({}, kOnnxInt64), I({3}), I({1})}}),
              HasSubstr("INT64[?] = range"));
  EXPECT_THAT(lowered({"OneHot", {X({2}, kOnnxInt64), I({3}), F({2})}, {attr("axis", 0)}}),
              HasSubstr("FP32[3,2] = one_hot axis=0"));
  EXPECT_THAT(lowered({"OneHot", {X({2}, kOnnxInt64), I({3}), F({3})}}),
              HasSubstr("needs two values, off and on"));
  EXPECT_THAT(lowered({"OneHot", {X({2}, kOnnxInt64), I({-3}), F({2})}}),
              HasSubstr("the depth must be one number >= 0"));
  EXPECT_THAT(lowered({"TopK", {X({2, 3}), I({2})}, {attr("largest", 0)}, 11, "", 2}),
              HasSubstr("FP32[2,2], %3:INT64[2,2] = top_k axis=1 largest"));
  EXPECT_THAT(lowered({"TopK", {X({2, 3})}, {attr("k", 1)}, 9, "", 2}),
              HasSubstr("FP32[2,1], %3:INT64[2,1] = top_k axis=1"));
  EXPECT_THAT(lowered({"TopK", {X({2, 3}), I({4})}, {}, 11, "", 2}),
              HasSubstr("there are no 4 elements along axis 1 of [2,3]"));
  EXPECT_THAT(lowered({"Tile", {X({2, 3}), I({2, 1})}}), HasSubstr("FP32[4,3] = tile"));
  EXPECT_THAT(lowered({"Tile", {X({2, 3}), I({2})}}),
              HasSubstr("needs a number of repeats for each dimension of [2,3]"));
  EXPECT_THAT(lowered({"Tile", {X({2, 3}), I({2, -1})}}), HasSubstr("negative number of times"));
  EXPECT_THAT(lowered({"Tile", {X({2, 3}), X({2}, kOnnxInt64)}}), HasSubstr("FP32[?,?] = tile"));
  EXPECT_THAT(lowered({"Trilu", {X({3})}, {}, 14}), HasSubstr("needs two dimensions"));
  EXPECT_THAT(lowered({"ReverseSequence", {X({2, 3}), I({1, 2})}, {attr("batch_axis", 0)}}),
              HasSubstr("batch and time must be two dimensions of [2,3]"));
}

// Later than the cases that come with ONNX 1.12.
TEST(OnnxLowering, CenterCropPad) {
  EXPECT_THAT(run_floats(file({"CenterCropPad", {X({4, 1}), I({1, 4})}, {}, 18}), {{1, 2, 3, 4}}),
              ElementsAre(0, 2, 0, 0));
  EXPECT_THAT(lowered({"CenterCropPad", {X({4, 5}), I({2})}, {attr("axes", {-1})}, 18}),
              HasSubstr("slice begin=[0,1] end=[end,3]"));
  EXPECT_THAT(lowered({"CenterCropPad", {X({4, 5}), I({2})}, {}, 18}),
              HasSubstr("shape and axes differ in number"));
  EXPECT_THAT(lowered({"CenterCropPad", {X({-1, 5}), I({2, 2})}, {}, 18}), HasSubstr("late"));
}

TEST(OnnxLowering, Col2Im) {
  // ONNX's example: blocks of one row and five columns.
  const std::vector<float> x = {1,  6,  11, 16, 21, 2,  7,  12, 17, 22, 3,  8, 13,
                                18, 23, 4,  9,  14, 19, 24, 5,  0,  15, 20, 25};
  const auto col2im = [](std::vector<Operand> inputs, OnnxAttrs attrs) {
    return Node{"Col2Im", std::move(inputs), std::move(attrs), 18};
  };
  EXPECT_THAT(run_floats(file(col2im({X({1, 5, 5}), I({5, 5}), I({1, 5})}, {})), {x}),
              ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                          22, 23, 24, 25));
  // Overlapping blocks add up; what falls on padding is left out.
  EXPECT_THAT(run_floats(file(col2im({X({1, 2, 3}), I({3}), I({2})},
                                     {attr("pads", {1, 0}), attr("strides", {1})})),
                         {{1, 2, 3, 4, 5, 6}}),
              ElementsAre(4 + 2, 5 + 3, 6));
  EXPECT_THAT(lowered(col2im({X({1, 2, 4}), I({3}), I({2})}, {})),
              HasSubstr("blocks do not fit [1,2,4]"));
  EXPECT_THAT(lowered(col2im({X({1, 2, 3}), I({3}), I({2})}, {attr("strides", {0})})),
              HasSubstr("sizes of dimension 0 are out of range"));
  EXPECT_THAT(lowered(col2im({X({1, 2, 3}), I({3, 3}), I({2})}, {})),
              HasSubstr("image_shape and block_shape differ in number"));
}

TEST(OnnxLowering, DropoutIsAnIdentityUnlessItTrains) {
  EXPECT_THAT(lowered({"Dropout", {X({2}), F({1})}}), HasSubstr("reshape dims=[0] (%0)  # y"));
  EXPECT_THAT(lowered({"Dropout", {X({2})}, {attr("ratio", 0.5F)}, 7}), HasSubstr("# y"));
  EXPECT_THAT(lowered({"Dropout", {X({2}), F({1}), S({1}, kOnnxBool, {1})}}),
              HasSubstr("unsupported Dropout 'y': training_mode"));
  EXPECT_THAT(lowered({"Dropout", {X({2}), F({1}), S({1}, kOnnxBool, {0})}}), HasSubstr("# y"));
  // The mask is named by many files, and wanted by few.
  EXPECT_THAT(lowered({"Dropout", {X({2})}, {}, 13, "", 2}), HasSubstr("expand (const"));
  EXPECT_THAT(lowered({"Dropout", {X({2})}, {}, 7, "", 2}),
              HasSubstr("unsupported graph output 'y1': tensor 'y1' is an output that the engine "
                        "does not compute"));
  OnnxBuilder b;
  b.input("x", {2}).output_without_shape("y").node("Dropout", {"x"}, {"y", "mask"});
  EXPECT_THAT(outcome(b.bytes()), HasSubstr("# y"));
}

TEST(OnnxLowering, Slices) {
  const int64_t far = INT64_MAX;
  EXPECT_THAT(lowered({"Slice", {X({4, 6}), I({1, -3}), I({3, far}), I({0, 1}), I({1, 2})}}),
              HasSubstr("slice begin=[1,3] end=[3,6] step=[1,2]"));
  EXPECT_THAT(lowered({"Slice", {X({4, 6}), I({-1}), I({INT64_MIN}), I({-1}), I({-1})}}),
              HasSubstr("slice begin=[0,5] end=[end,-1] step=[1,-1]"));
  EXPECT_THAT(lowered({"Slice", {X({4, 6})}, {attr("starts", {1}), attr("ends", {9})}, 9}),
              HasSubstr("slice begin=[1,0] end=[4,end]"));
  EXPECT_THAT(lowered({"Slice", {X({4}), I({0}), I({1}), I({0}), I({0})}}),
              HasSubstr("a step is 0"));
  EXPECT_THAT(lowered({"Slice", {X({4}), I({0}), I({1}), I({1})}}),
              HasSubstr("axis 1 is out of range"));
  EXPECT_THAT(lowered({"Slice", {X({4}), I({0}), I({1, 2})}}),
              HasSubstr("starts, ends, axes and steps differ in number"));
  EXPECT_THAT(lowered({"Slice", {X({4}), X({1}, kOnnxInt64), I({1})}}), HasSubstr("late Slice ("));
  EXPECT_THAT(lowered({"Slice", {X({-1}), I({0}), I({far})}}), HasSubstr("begin=[0] end=[end]"));
  EXPECT_THAT(lowered({"Slice", {X({-1}), I({1}), I({far})}}), HasSubstr("late Slice ("));
  EXPECT_THAT(lowered({"Slice", {X({-1}), I({0}), I({-1})}}), HasSubstr("late Slice ("));
  EXPECT_THAT(lowered({"Slice", {X({-1}), I({0}), I({2})}}), HasSubstr("FP32[2] = slice"));
  // Fewer axes than starts means the first ones.
  EXPECT_THAT(lowered({"Slice", {X({4, 6}), I({1, 1}), I({2, 2})}}), HasSubstr("begin=[1,1]"));
}

TEST(OnnxLowering, Splits) {
  const auto split = [](const Operand& x, OnnxAttrs attrs, std::vector<Operand> more = {},
                        size_t outputs = 2) {
    more.insert(more.begin(), x);
    return lowered({"Split", std::move(more), std::move(attrs), 13, "", outputs});
  };
  EXPECT_THAT(split(X({2, 5}), {attr("axis", 1)}),
              AllOf(HasSubstr("slice begin=[0,0] end=[end,3]"),
                    HasSubstr("slice begin=[0,3] end=[end,5]")));
  EXPECT_THAT(split(X({2, 5}), {attr("axis", 1)}, {I({1, 4})}),
              HasSubstr("slice begin=[0,1] end=[end,5]"));
  EXPECT_THAT(split(X({2, 5}), {attr("axis", 1), attr("split", {4, 1})}),
              HasSubstr("slice begin=[0,4] end=[end,5]"));
  EXPECT_THAT(split(X({2, 5}), {attr("axis", 1)}, {I({1, 5})}),
              HasSubstr("split does not fit [2,5]"));
  EXPECT_THAT(split(X({2, 5}), {attr("axis", 1)}, {I({-1, 5})}),
              HasSubstr("split does not fit [2,5]"));
  EXPECT_THAT(split(X({2, 5}), {attr("axis", 1)}, {I({5})}),
              HasSubstr("split does not fit the outputs"));
  EXPECT_THAT(split(X({2, 5}), {}, {}, 0), HasSubstr("has no outputs"));
  EXPECT_THAT(split(X({2, -1}), {attr("axis", 1)}), HasSubstr("late Split ("));
  EXPECT_THAT(split(X({2, -1}), {attr("axis", 1)}, {I({1, 2})}), HasSubstr("late Split ("));
  EXPECT_THAT(split(X({2, 5}), {attr("axis", 1)}, {X({2}, kOnnxInt64)}), HasSubstr("late Split ("));
}

const Operand kScale = F({1}, {0.5F});
const Operand kZero = S({1}, kOnnxInt8, {3});

TEST(OnnxLowering, QuantizeAndDequantize) {
  EXPECT_THAT(lowered({"QuantizeLinear", {X({2}), kScale, kZero}}),
              HasSubstr("INT8[2] q(0.5,3) = quantize"));
  EXPECT_THAT(lowered({"QuantizeLinear", {X({2}), kScale}}), HasSubstr("UINT8[2] q(0.5,0)"));
  EXPECT_THAT(lowered({"QuantizeLinear", {X({2}), kScale}, {attr("output_dtype", 2)}, 21}),
              HasSubstr("UINT8[2] q(0.5,0)"));
  EXPECT_THAT(lowered({"QuantizeLinear", {X({2}), kScale}, {attr("output_dtype", 3)}, 21}),
              HasSubstr("INT8[2] q(0.5,0)"));
  EXPECT_THAT(lowered({"QuantizeLinear", {X({2}), kScale}, {attr("output_dtype", 22)}, 21}),
              HasSubstr("unsupported QuantizeLinear 'y': output_dtype 22"));
  EXPECT_THAT(lowered({"QuantizeLinear", {X({2}), kScale, kZero}, {attr("output_dtype", 3)}, 21}),
              HasSubstr("INT8[2] q(0.5,3)"));
  EXPECT_THAT(lowered({"DequantizeLinear", {X({2}, kOnnxInt8), kScale, kZero}}),
              HasSubstr("FP32[2] = dequantize (%0)"));
  EXPECT_THAT(lowered({"DequantizeLinear", {X({2}, kOnnxUInt8), kScale}, {}, 13, "com.microsoft"}),
              HasSubstr("FP32[2] = dequantize (%0)"));
  const Operand w = S({2, 2}, kOnnxInt8, {1, 2, 3, 4});
  EXPECT_THAT(run_floats(file({"DequantizeLinear",
                               {w, F({2}, {0.5F, 2}), S({2}, kOnnxInt8, {0, 1})},
                               {attr("axis", -1)}}),
                         {}),
              ElementsAre(0.5F, 2, 1.5F, 6));

  EXPECT_THAT(lowered({"QuantizeLinear", {X({2}), X({1}), kZero}}),
              AllOf(HasSubstr("binary div"), HasSubstr("INT8[2] = cast")));
  EXPECT_THAT(lowered({"QuantizeLinear", {X({2}), kScale, X({1}, kOnnxInt8)}}),
              AllOf(HasSubstr("clamp clamp=-128..127"), HasSubstr("INT8[2] = cast")));
  // A scale for every two elements of a row.
  EXPECT_THAT(run_floats(file({"DequantizeLinear",
                               {S({1, 3}, kOnnxInt8, {2, 3, 4}), F({1, 2}, {0.5F, 10})},
                               {attr("axis", 1), attr("block_size", 2)},
                               21}),
                         {}),
              ElementsAre(1, 1.5F, 40));
  EXPECT_THAT(lowered({"DequantizeLinear",
                       {X({1, 5}, kOnnxInt8), F({1, 2}, {0.5F, 10})},
                       {attr("axis", 1), attr("block_size", 2)},
                       21}),
              HasSubstr("2 blocks of 2 are not for 5 elements"));
  EXPECT_THAT(lowered({"QuantizeLinear", {X({2}), kScale, S({2}, kOnnxInt8, {1, 1})}}),
              HasSubstr("scale and zero point differ in size"));
  EXPECT_THAT(lowered({"QuantizeLinear", {X({2}), F({0}, {})}}), HasSubstr("Linear"));
  EXPECT_THAT(lowered({"QuantizeLinear", {X({2}), F({1, 1})}}),
              HasSubstr("axis 1 is out of range"));
  EXPECT_THAT(lowered({"QuantizeLinear", {X({2}), kScale, F({1})}}),
              HasSubstr("unsupported QuantizeLinear 'y': zero points of type FP32"));
  EXPECT_THAT(lowered({"QuantizeLinear", {X({2}), F({1}, {-1}), kZero}}),
              HasSubstr("a scale is not a positive number"));
}

TEST(OnnxLowering, ConstantsOfFourBits) {
  constexpr int kUInt4 = 21;
  constexpr int kInt4 = 22;
  const auto dequantized = [](int type) {
    return run_floats(
        file({"DequantizeLinear", {S({3}, type, {0x21, 0x0F}), F({}, {0.5F})}, {}, 21}), {});
  };
  EXPECT_THAT(dequantized(kInt4), ElementsAre(0.5F, 1, -0.5F));
  EXPECT_THAT(dequantized(kUInt4), ElementsAre(0.5F, 1, 7.5F));
  EXPECT_THAT(lowered({"DequantizeLinear", {S({5}, kInt4, {0, 0}), F({}, {1})}, {}, 21}),
              HasSubstr("has 2 bytes of data, [5] needs 3"));
  EXPECT_THAT(lowered({"DequantizeLinear", {X({3}, kInt4), F({}, {1})}, {}, 21}),
              HasSubstr("integers of 4 bits are supported as constants only"));
  EXPECT_THAT(lowered({"QuantizeLinear", {X({3}), F({}, {1}), S({}, kInt4, {0})}, {}, 21}),
              HasSubstr("unsupported QuantizeLinear 'y': an output of 4 bits"));
}

TEST(OnnxLowering, AValueHasOneQuantization) {
  OnnxBuilder b;
  b.input("x", {2}, kOnnxInt8).floats("s", {}, {0.5F}).floats("t", {}, {0.25F});
  b.small("z", {}, kOnnxInt8, {0}).output_without_shape("y");
  b.node("DequantizeLinear", {"x", "s", "z"}, {"a"});
  b.node("DequantizeLinear", {"x", "t", "z"}, {"b"});
  b.node("Add", {"a", "b"}, {"y"});
  EXPECT_THAT(outcome(b.bytes()),
              AllOf(HasSubstr("FP32[2] = dequantize (%0)"), HasSubstr("binary mul")));
}

TEST(OnnxLowering, QuantizedOperators) {
  const auto q = [](const Dims& dims) { return X(dims, kOnnxInt8); };
  const auto ms = [](const char* op, std::vector<Operand> inputs, OnnxAttrs attrs = {}) {
    return lowered({op, std::move(inputs), std::move(attrs), 13, "com.microsoft"});
  };
  const Operand w = S({2, 2, 1, 1}, kOnnxInt8, {1, 2, 3, 4});
  const Operand none_zero = S({1}, kOnnxInt8, {0});
  EXPECT_THAT(lowered({"QLinearConv",
                       {q({1, 2, 3, 3}), kScale, kZero, w, kScale, none_zero, kScale, kZero,
                        S({2}, kOnnxInt32, {5, 6})}}),
              HasSubstr("INT8[1,3,3,2] q(0.5,3) = conv2d kernel=1x1"));
  EXPECT_THAT(lowered({"QLinearConv",
                       {q({1, 2, 3, 3}), kScale, kZero, w, kScale, none_zero, F({2}, {1, 2}),
                        S({2}, kOnnxInt8, {0, 0})}}),
              HasSubstr("unsupported QLinearConv 'y': an output with several scales"));
  EXPECT_THAT(lowered({"QLinearMatMul",
                       {q({1, 2}), kScale, kZero, S({2, 3}, kOnnxInt8, {1, 2, 3, 4, 5, 6}), kScale,
                        none_zero, kScale, kZero}}),
              HasSubstr("INT8[1,3] q(0.5,3) = fully_connected"));
  EXPECT_THAT(lowered({"QLinearMatMul",
                       {q({1, 2}), kScale, kZero, q({2, 3}), kScale, none_zero, kScale, kZero}}),
              HasSubstr("INT8[1,3] q(0.5,3) = matmul"));
  EXPECT_THAT(ms("QLinearAdd", {q({2}), kScale, kZero, q({2}), kScale, kZero, kScale, kZero}),
              HasSubstr("INT8[2] q(0.5,3) = binary add"));
  EXPECT_THAT(ms("QLinearMul", {q({2}), kScale, kZero, q({2}), kScale, kZero, kScale, kZero}),
              HasSubstr("INT8[2] q(0.5,3) = binary mul"));
  EXPECT_THAT(ms("QLinearWhere", {X({2}, kOnnxBool), q({2}), kScale, kZero, q({2}), F({1}, {1}),
                                  kZero, kScale, kZero}),
              AllOf(HasSubstr("requantize (%2)"), HasSubstr("INT8[2] q(0.5,3) = select (%1, ")));
  EXPECT_THAT(ms("QLinearSigmoid", {q({2}), kScale, kZero, kScale, kZero}),
              HasSubstr("unary sigmoid"));
  EXPECT_THAT(ms("QLinearLeakyRelu", {q({2}), kScale, kZero, kScale, kZero}),
              HasSubstr("unary leaky_relu alpha=0.01"));
  EXPECT_THAT(
      ms("QLinearConcat", {kScale, kZero, q({1, 2}), kScale, kZero, q({1, 3}), F({1}, {1}), kZero},
         {attr("axis", 1)}),
      AllOf(HasSubstr("requantize"), HasSubstr("INT8[1,5] q(0.5,3) = concat axis=1")));
  EXPECT_THAT(ms("QLinearConcat", {kScale, kZero}), HasSubstr("has no inputs"));
  EXPECT_THAT(ms("QLinearAveragePool", {q({1, 2, 3, 3}), kScale, kZero, kScale, kZero},
                 {attr("kernel_shape", {3, 3})}),
              HasSubstr("average_pool2d kernel=3x3"));
  EXPECT_THAT(ms("QLinearAveragePool", {q({1, 2, 3, 3}), kScale, kZero, kScale, kZero},
                 {attr("channels_last", 1)}),
              HasSubstr("unsupported com.microsoft.QLinearAveragePool 'y': channels_last"));
  EXPECT_THAT(ms("QLinearGlobalAveragePool", {q({1, 2, 3, 3}), kScale, kZero, kScale, kZero}),
              HasSubstr("INT8[1,2,1,1] q(0.5,3) = reduce mean axes=[2,3]"));
  EXPECT_THAT(ms("QLinearGlobalAveragePool", {q({1, 3, 3, 2}), kScale, kZero, kScale, kZero},
                 {attr("channels_last", 1)}),
              HasSubstr("INT8[1,1,1,2] q(0.5,3) = reduce mean axes=[1,2]"));
}

// A shape that is computed leaves a rank open; what needs it is listed as unsupported.
TEST(OnnxLowering, UnknownRanks) {
  EXPECT_THAT(lowered({"Abs", {unranked()}}), HasSubstr("FP32[...] = unary abs"));
  const Node cases[] = {
      {"Conv", {unranked(), F({1, 1, 1, 1})}},
      {"MaxPool", {unranked()}, {attr("kernel_shape", {1, 1})}},
      {"AveragePool", {unranked()}, {attr("kernel_shape", {1, 1})}},
      {"GlobalAveragePool", {unranked()}},
      {"GlobalMaxPool", {unranked()}},
      {"Upsample", {unranked(), F({4}, {1, 1, 2, 2})}, {}, 9},
      {"DepthToSpace", {unranked()}, {attr("blocksize", 2)}},
      {"MatMul", {unranked(), F({1, 1})}},
      {"MatMul", {F({1, 1}), unranked()}},
      {"ReduceSum", {unranked()}},
      {"Softmax", {unranked()}},
      {"ArgMax", {unranked()}},
      {"Concat", {unranked()}},
      {"Flatten", {unranked()}},
      {"Gather", {unranked(), I({0})}},
      {"Pad", {unranked(), I({0, 0})}},
      {"Slice", {unranked(), I({0}), I({1})}},
      {"Split", {unranked()}},
      {"Squeeze", {unranked()}},
      {"Transpose", {unranked()}},
      {"Unsqueeze", {unranked(), I({0})}},
  };
  for (const Node& node : cases) {
    EXPECT_THAT(lowered(node), HasSubstr(std::string("late ") + node.op + " ("));
  }
}

}  // namespace
}  // namespace inferd::import

// SPDX-License-Identifier: Apache-2.0
//
// Operators that compute each element of the output from one element of each input.
#include <array>

#include "engine/import/tflite/lower.h"

namespace inferd::import::tflite_lower {
namespace {

template <BinaryKind kKind>
Status binary(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId a, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId b, l.input(node, 1));
  INFERD_ASSIGN_OR_RETURN(const Activation act, activation(node));
  return emit(l, node, OpKind::kBinary, std::array{a, b}, BinaryAttrs{kKind, act});
}

// From left to right.
Status add_n(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(ValueId sum, l.input(node, 0));
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(const ValueId next, l.input(node, i));
    const bool last = i + 1 == node.inputs.size();
    INFERD_ASSIGN_OR_RETURN(
        sum, l.builder().op(OpKind::kBinary, {sum, next}, BinaryAttrs{BinaryKind::kAdd, {}},
                            node.name, last ? spec(l, node) : OutputSpec{}));
  }
  return l.set_output(node, 0, sum);
}

template <CompareKind kKind, bool kSwapped = false>
Status compare(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId a, l.input(node, kSwapped ? 1 : 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId b, l.input(node, kSwapped ? 0 : 1));
  return emit(l, node, OpKind::kCompare, std::array{a, b}, CompareAttrs{kKind});
}

// A condition of one dimension selects whole slices along the operands' first, where they have more
// (SELECT, but not SELECT_V2).
Result<ValueId> condition(Lowering& l, const ForeignNode& node, ValueId x) {
  INFERD_ASSIGN_OR_RETURN(const ValueId which, l.input(node, 0));
  if (node.op != "SELECT") return which;
  INFERD_RETURN_IF_ERROR(l.known_rank(which));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const int rank = l.info(x).shape.rank();
  if (l.info(which).shape.rank() != 1 || rank < 2) return which;
  std::vector<int64_t> dims(static_cast<size_t>(rank), 1);
  dims[0] = 0;  // as it is
  return l.builder().reshape(which, std::move(dims), node.name + "/condition");
}

Status select(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId a, l.input(node, 1));
  INFERD_ASSIGN_OR_RETURN(const ValueId b, l.input(node, 2));
  INFERD_ASSIGN_OR_RETURN(const ValueId which, condition(l, node, a));
  return emit(l, node, OpKind::kSelect, std::array{a, b, which}, {});
}

template <UnaryKind kKind>
Status unary(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const float alpha = kKind == UnaryKind::kElu ? 1.F : Lowering::float_attr(node, "alpha", 0.F);
  return emit(l, node, OpKind::kUnary, std::array{x}, UnaryAttrs{kKind, alpha, 0.F});
}

Status gelu(Lowering& l, const ForeignNode& node) {
  const bool approximate = Lowering::int_attr(node, "approximate", 0) != 0;
  return approximate ? unary<UnaryKind::kGeluTanh>(l, node) : unary<UnaryKind::kGelu>(l, node);
}

template <int kMin, int kMax>  // kMax 0: no upper bound
Status relu(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const float max = kMax == 0 ? kInf : static_cast<float>(kMax);
  return emit(l, node, OpKind::kClamp, std::array{x}, ClampAttrs{{static_cast<float>(kMin), max}});
}

Status prelu(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId slope, l.input(node, 1));
  return emit(l, node, OpKind::kPRelu, std::array{x, slope}, {});
}

// Which numbers is left open; here they are the same in every run, as the seeds say, or the
// operator's name where both are 0.
template <RandomKind kKind>
Status random(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId shape, l.input(node, 0));
  const int64_t seed = Lowering::int_attr(node, "seed", 0);
  const int64_t seed2 = Lowering::int_attr(node, "seed2", 0);
  RandomAttrs attrs{.kind = kKind};
  attrs.seed = seed == 0 && seed2 == 0 ? name_seed(node.name) : seed ^ (seed2 << 32);
  ir::Builder& b = l.builder();
  const ValueId zero = b.constant_bytes("", DType::kBool, {1}, {std::byte{0}});
  INFERD_ASSIGN_OR_RETURN(const ValueId like,
                          b.op(OpKind::kExpand, {zero, shape}, {}, node.name + "/shape"));
  return emit(l, node, OpKind::kRandom, std::array{like}, attrs);
}

Status zeros_like(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const DType dtype = l.info(x).dtype;
  ir::Builder& b = l.builder();
  const ValueId zero =
      b.constant_bytes(node.name + "/zero", dtype, {1}, std::vector<std::byte>(dtype_size(dtype)));
  INFERD_ASSIGN_OR_RETURN(const ValueId shape, b.op(OpKind::kShape, {x}, {}, node.name + "/shape",
                                                    OutputSpec::typed("", DType::kInt64)));
  return emit(l, node, OpKind::kExpand, std::array{zero, shape}, {});
}

const Row kRows[] = {
    {"", "ABS", unary<UnaryKind::kAbs>},
    {"", "ADD", binary<BinaryKind::kAdd>},
    {"", "ADD_N", add_n},
    {"", "ATAN2", binary<BinaryKind::kAtan2>},
    {"", "BITWISE_XOR", binary<BinaryKind::kXor>},
    {"", "CEIL", unary<UnaryKind::kCeil>},
    {"", "COS", unary<UnaryKind::kCos>},
    {"", "DIV", binary<BinaryKind::kDiv>},
    {"", "ELU", unary<UnaryKind::kElu>},
    {"", "EQUAL", compare<CompareKind::kEqual>},
    {"", "EXP", unary<UnaryKind::kExp>},
    {"", "FLOOR", unary<UnaryKind::kFloor>},
    {"", "FLOOR_DIV", binary<BinaryKind::kFloorDiv>},
    {"", "FLOOR_MOD", binary<BinaryKind::kFloorMod>},
    {"", "GELU", gelu},
    {"", "GREATER", compare<CompareKind::kLess, true>},
    {"", "GREATER_EQUAL", compare<CompareKind::kLessEqual, true>},
    {"", "HARD_SWISH", unary<UnaryKind::kHardSwish>},
    {"", "LEAKY_RELU", unary<UnaryKind::kLeakyRelu>},
    {"", "LESS", compare<CompareKind::kLess>},
    {"", "LESS_EQUAL", compare<CompareKind::kLessEqual>},
    {"", "LOG", unary<UnaryKind::kLog>},
    {"", "LOGICAL_AND", binary<BinaryKind::kAnd>},
    {"", "LOGICAL_NOT", unary<UnaryKind::kNot>},
    {"", "LOGICAL_OR", binary<BinaryKind::kOr>},
    {"", "LOGISTIC", unary<UnaryKind::kSigmoid>},
    {"", "MAXIMUM", binary<BinaryKind::kMax>},
    {"", "MINIMUM", binary<BinaryKind::kMin>},
    {"", "MUL", binary<BinaryKind::kMul>},
    {"", "NEG", unary<UnaryKind::kNeg>},
    {"", "NOT_EQUAL", compare<CompareKind::kNotEqual>},
    {"", "POW", binary<BinaryKind::kPow>},
    {"", "PRELU", prelu},
    {"", "RANDOM_STANDARD_NORMAL", random<RandomKind::kNormal>},
    {"", "RANDOM_UNIFORM", random<RandomKind::kUniform>},
    {"", "RELU", relu<0, 0>},
    {"", "RELU6", relu<0, 6>},
    {"", "RELU_0_TO_1", relu<0, 1>},
    {"", "RELU_N1_TO_1", relu<-1, 1>},
    {"", "RIGHT_SHIFT", binary<BinaryKind::kShiftRight>},
    {"", "ROUND", unary<UnaryKind::kRound>},
    {"", "RSQRT", unary<UnaryKind::kRsqrt>},
    {"", "SELECT", select},
    {"", "SELECT_V2", select},
    {"", "SIGN", unary<UnaryKind::kSign>},
    {"", "SIN", unary<UnaryKind::kSin>},
    {"", "SQRT", unary<UnaryKind::kSqrt>},
    {"", "SQUARE", unary<UnaryKind::kSquare>},
    {"", "SQUARED_DIFFERENCE", binary<BinaryKind::kSquaredDifference>},
    {"", "SUB", binary<BinaryKind::kSub>},
    {"", "TANH", unary<UnaryKind::kTanh>},
    {"", "ZEROS_LIKE", zeros_like},
};

}  // namespace

std::span<const Row> elementwise_rows() { return kRows; }

}  // namespace inferd::import::tflite_lower

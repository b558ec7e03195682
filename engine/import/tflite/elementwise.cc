// SPDX-License-Identifier: Apache-2.0
//
// Operators that compute each element of the output from one element of each input.
#include <algorithm>
#include <array>
#include <cmath>

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

// How many boundaries are not above x.
Status bucketize(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.known_rank(x));
  const int rank = l.info(x).shape.rank();
  if (rank == kMaxRank) return unimplemented("more than 7 dimensions");
  const auto it = node.attrs.find("boundaries");
  const auto* list =
      it == node.attrs.end() ? nullptr : std::get_if<std::vector<float>>(&it->second);
  const std::vector<float> boundaries = list == nullptr ? std::vector<float>() : *list;
  if (!std::is_sorted(boundaries.begin(), boundaries.end())) {
    return invalid_argument("boundaries are not ascending");
  }
  ir::Builder& b = l.builder();
  const OutputSpec floats = OutputSpec::typed("", DType::kFloat32);
  const ValueId all = b.constant_floats(node.name + "/boundaries",
                                        {static_cast<int64_t>(boundaries.size())}, boundaries);
  if (l.info(x).dtype != DType::kFloat32) {
    INFERD_ASSIGN_OR_RETURN(x, b.op(OpKind::kCast, {x}, {}, node.name, floats));
  }
  std::vector<int64_t> dims(static_cast<size_t>(rank), 0);  // as they are
  dims.push_back(1);
  INFERD_ASSIGN_OR_RETURN(x, b.reshape(x, std::move(dims), node.name));
  INFERD_ASSIGN_OR_RETURN(
      x, b.op(OpKind::kCompare, {all, x}, CompareAttrs{CompareKind::kLessEqual}, node.name));
  INFERD_ASSIGN_OR_RETURN(
      x, b.op(OpKind::kCast, {x}, {}, node.name, OutputSpec::typed("", DType::kInt32)));
  return emit(l, node, OpKind::kReduce, std::array{x},
              ReduceAttrs{ReduceKind::kSum, {rank}, false});
}

// Float numbers as if they were quantized, in levels from min to max of which one is 0.
Status fake_quant(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  const int64_t bits = Lowering::int_attr(node, "num_bits", 8);
  const float min = Lowering::float_attr(node, "min", 0.F);
  const float max = Lowering::float_attr(node, "max", 0.F);
  if (bits < 2 || bits > 16 || !(min < max)) {
    return invalid_argument("needs 2 to 16 bits and min below max");
  }
  const float low = Lowering::int_attr(node, "narrow_range", 0) != 0 ? 1.F : 0.F;
  const auto high = static_cast<float>((int64_t{1} << bits) - 1);
  const float scale = (max - min) / (high - low);
  const float zero = std::round(std::clamp(low - min / scale, low, high));
  const float bottom = (low - zero) * scale;
  ir::Builder& b = l.builder();
  const auto with = [&](BinaryKind kind, ValueId a, float number) {
    const ValueId constant = b.constant_floats("", Shape(), std::array{number});
    return b.op(OpKind::kBinary, {a, constant}, BinaryAttrs{kind, {}}, node.name);
  };
  INFERD_ASSIGN_OR_RETURN(
      x, b.op(OpKind::kClamp, {x}, ClampAttrs{{bottom, (high - zero) * scale}}, node.name));
  INFERD_ASSIGN_OR_RETURN(x, with(BinaryKind::kSub, x, bottom));
  INFERD_ASSIGN_OR_RETURN(x, with(BinaryKind::kMul, x, 1.F / scale));
  INFERD_ASSIGN_OR_RETURN(x, with(BinaryKind::kAdd, x, 0.5F));
  INFERD_ASSIGN_OR_RETURN(
      x, b.op(OpKind::kUnary, {x}, UnaryAttrs{UnaryKind::kFloor, 0.F, 0.F}, node.name));
  INFERD_ASSIGN_OR_RETURN(x, with(BinaryKind::kMul, x, scale));
  const ValueId offset = b.constant_floats("", Shape(), std::array{bottom});
  return emit(l, node, OpKind::kBinary, std::array{x, offset}, BinaryAttrs{BinaryKind::kAdd, {}});
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
    {"", "BUCKETIZE", bucketize},
    {"", "CEIL", unary<UnaryKind::kCeil>},
    {"", "COS", unary<UnaryKind::kCos>},
    {"", "DIV", binary<BinaryKind::kDiv>},
    {"", "ELU", unary<UnaryKind::kElu>},
    {"", "EQUAL", compare<CompareKind::kEqual>},
    {"", "EXP", unary<UnaryKind::kExp>},
    {"", "FAKE_QUANT", fake_quant},
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

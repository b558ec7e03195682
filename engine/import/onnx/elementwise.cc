// SPDX-License-Identifier: Apache-2.0
//
// Operators that compute each element of the output from one element of each input.
#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

#include "engine/base/float16.h"
#include "engine/import/onnx/lower.h"

namespace inferd::import::onnx_lower {
namespace {

constexpr const char* kMicrosoft = "com.microsoft";

bool is_real(DType dtype) {
  return dtype == DType::kFloat32 || dtype == DType::kFloat16 || dtype == DType::kFloat64;
}

template <typename T>
std::vector<std::byte> bytes_of(T value) {
  std::vector<std::byte> bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

// A constant of no dimensions and of x's type; INVALID_ARGUMENT unless that is one of real numbers.
Result<ValueId> number_like(Lowering& l, ValueId x, double value, const std::string& name) {
  const auto constant = [&](std::vector<std::byte> bytes) {
    return l.builder().constant_bytes(name, l.info(x).dtype, Shape{}, std::move(bytes));
  };
  switch (l.info(x).dtype) {
    case DType::kFloat64:
      return constant(bytes_of(value));
    case DType::kFloat32:
      return constant(bytes_of(static_cast<float>(value)));
    case DType::kFloat16:
      return constant(bytes_of(float_to_half(static_cast<float>(value))));
    default:
      return invalid_argument("takes real numbers, not " +
                              std::string(dtype_name(l.info(x).dtype)));
  }
}

// x as `dtype`, itself when it is.
Result<ValueId> as_type(Lowering& l, const ForeignNode& node, ValueId x, DType dtype) {
  if (l.info(x).dtype == dtype) return x;
  return l.builder().op(OpKind::kCast, {x}, {}, node.name, OutputSpec::typed("", dtype));
}

Result<ValueId> binary(Lowering& l, const ForeignNode& node, BinaryKind kind, ValueId a, ValueId b,
                       const OutputSpec& spec = {}) {
  return l.builder().op(OpKind::kBinary, {a, b}, BinaryAttrs{kind, {}}, node.name, spec);
}

template <BinaryKind kKind>
Status binary(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId a, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId b, l.input(node, 1));
  return emit(l, node, OpKind::kBinary, std::array{a, b}, BinaryAttrs{kKind, {}});
}

// As many operands as there are, from left to right.
Result<ValueId> chain(Lowering& l, const ForeignNode& node, BinaryKind kind,
                      const OutputSpec& last) {
  INFERD_ASSIGN_OR_RETURN(ValueId acc, l.input(node, 0));
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(const ValueId next, l.input(node, i));
    INFERD_ASSIGN_OR_RETURN(
        acc, binary(l, node, kind, acc, next, i + 1 == node.inputs.size() ? last : OutputSpec{}));
  }
  return acc;
}

template <BinaryKind kKind>
Status variadic(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId y, chain(l, node, kKind, named(node)));
  return l.set_output(node, 0, y);
}

Status mean(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId sum, chain(l, node, BinaryKind::kAdd, {}));
  INFERD_ASSIGN_OR_RETURN(
      const ValueId count,
      number_like(l, sum, static_cast<double>(node.inputs.size()), node.name + "/count"));
  return emit(l, node, OpKind::kBinary, std::array{sum, count}, BinaryAttrs{BinaryKind::kDiv, {}});
}

Status bit_shift(Lowering& l, const ForeignNode& node) {
  const std::string direction = Lowering::text_attr(node, "direction", "");
  if (direction == "LEFT") return binary<BinaryKind::kShiftLeft>(l, node);
  if (direction == "RIGHT") return binary<BinaryKind::kShiftRight>(l, node);
  return invalid_argument("direction '" + direction + "' is neither LEFT nor RIGHT");
}

Status mod(Lowering& l, const ForeignNode& node) {
  if (Lowering::int_attr(node, "fmod", 0) != 0) return binary<BinaryKind::kMod>(l, node);
  return binary<BinaryKind::kFloorMod>(l, node);
}

// The result has the base's type, whatever the exponent's. Integers meet in 64 bits, an integer
// base and a real exponent in double precision.
Status pow(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(ValueId base, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(ValueId exponent, l.input(node, 1));
  const DType wanted = l.info(base).dtype;
  const DType given = l.info(exponent).dtype;
  if (wanted == given) return binary<BinaryKind::kPow>(l, node);
  const DType common = is_real(wanted) ? wanted : is_real(given) ? DType::kFloat64 : DType::kInt64;
  INFERD_ASSIGN_OR_RETURN(base, as_type(l, node, base, common));
  INFERD_ASSIGN_OR_RETURN(exponent, as_type(l, node, exponent, common));
  if (common == wanted) {
    return emit(l, node, OpKind::kBinary, std::array{base, exponent},
                BinaryAttrs{BinaryKind::kPow, {}});
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId y, binary(l, node, BinaryKind::kPow, base, exponent));
  return emit(l, node, OpKind::kCast, std::array{y}, {},
              OutputSpec::typed(named(node).name, wanted));
}

template <CompareKind kKind, bool kSwapped = false>
Status compare(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId a, l.input(node, kSwapped ? 1 : 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId b, l.input(node, kSwapped ? 0 : 1));
  return emit(l, node, OpKind::kCompare, std::array{a, b}, CompareAttrs{kKind});
}

// Only NaN differs from itself.
Status is_nan(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  return emit(l, node, OpKind::kCompare, std::array{x, x}, CompareAttrs{CompareKind::kNotEqual});
}

Status is_inf(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, 0));
  const bool positive = Lowering::int_attr(node, "detect_positive", 1) != 0;
  const bool negative = Lowering::int_attr(node, "detect_negative", 1) != 0;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  // With neither, nothing is infinite: no number is NaN.
  const double wanted = positive   ? kInfinity
                        : negative ? -kInfinity
                                   : std::numeric_limits<double>::quiet_NaN();
  INFERD_ASSIGN_OR_RETURN(const ValueId infinity,
                          number_like(l, x, wanted, node.name + "/infinity"));
  if (positive && negative) {
    INFERD_ASSIGN_OR_RETURN(
        x, l.builder().op(OpKind::kUnary, {x}, UnaryAttrs{UnaryKind::kAbs}, node.name));
  }
  return emit(l, node, OpKind::kCompare, std::array{x, infinity},
              CompareAttrs{CompareKind::kEqual});
}

Status where(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId which, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId a, l.input(node, 1));
  INFERD_ASSIGN_OR_RETURN(const ValueId b, l.input(node, 2));
  return emit(l, node, OpKind::kSelect, std::array{a, b, which}, {});
}

struct UnaryDefaults {
  const char* alpha_name = "alpha";
  const char* beta_name = "beta";
  float alpha = 0.F, beta = 0.F;
};
constexpr UnaryDefaults defaults_of(UnaryKind kind) {
  switch (kind) {
    case UnaryKind::kLeakyRelu:
      return {.alpha = 0.01F};
    case UnaryKind::kHardSigmoid:
      return {.alpha = 0.2F, .beta = 0.5F};
    case UnaryKind::kElu:
    case UnaryKind::kCelu:
    case UnaryKind::kThresholdedRelu:
      return {.alpha = 1.F};
    case UnaryKind::kShrink:
      return {.alpha_name = "lambd", .beta_name = "bias", .alpha = 0.5F};
    default:
      return {};
  }
}

template <UnaryKind kKind>
Status unary(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  constexpr UnaryDefaults kDefaults = defaults_of(kKind);
  return emit(l, node, OpKind::kUnary, std::array{x},
              UnaryAttrs{kKind, Lowering::float_attr(node, kDefaults.alpha_name, kDefaults.alpha),
                         Lowering::float_attr(node, kDefaults.beta_name, kDefaults.beta)});
}

Status relu(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  return emit(l, node, OpKind::kClamp, std::array{x}, ClampAttrs{{0.F, kInf}});
}

// gamma * elu(x).
Status selu(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const float alpha = Lowering::float_attr(node, "alpha", 1.67326319217681884765625F);
  const float gamma = Lowering::float_attr(node, "gamma", 1.05070102214813232421875F);
  INFERD_ASSIGN_OR_RETURN(
      const ValueId elu,
      l.builder().op(OpKind::kUnary, {x}, UnaryAttrs{UnaryKind::kElu, alpha, 0.F}, node.name));
  INFERD_ASSIGN_OR_RETURN(const ValueId factor, number_like(l, x, gamma, node.name + "/gamma"));
  return emit(l, node, OpKind::kBinary, std::array{elu, factor}, BinaryAttrs{BinaryKind::kMul, {}});
}

// x * sigmoid(alpha * x).
Status swish(Lowering& l, const ForeignNode& node, float alpha) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  if (alpha == 1.F) {
    return emit(l, node, OpKind::kUnary, std::array{x}, UnaryAttrs{UnaryKind::kSilu});
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId factor, number_like(l, x, alpha, node.name + "/alpha"));
  INFERD_ASSIGN_OR_RETURN(ValueId gate, binary(l, node, BinaryKind::kMul, x, factor));
  INFERD_ASSIGN_OR_RETURN(
      gate, l.builder().op(OpKind::kUnary, {gate}, UnaryAttrs{UnaryKind::kSigmoid}, node.name));
  return emit(l, node, OpKind::kBinary, std::array{x, gate}, BinaryAttrs{BinaryKind::kMul, {}});
}
Status swish(Lowering& l, const ForeignNode& node) {
  return swish(l, node, Lowering::float_attr(node, "alpha", 1.F));
}
Status quick_gelu(Lowering& l, const ForeignNode& node) {
  return swish(l, node, Lowering::float_attr(node, "alpha", 1.702F));
}

Status gelu(Lowering& l, const ForeignNode& node) {
  const std::string approximate = Lowering::text_attr(node, "approximate", "none");
  if (approximate == "none") return unary<UnaryKind::kGelu>(l, node);
  if (approximate == "tanh") return unary<UnaryKind::kGeluTanh>(l, node);
  return invalid_argument("approximate '" + approximate + "' is neither none nor tanh");
}

// gelu(x + bias), the bias being optional.
template <UnaryKind kKind>
Status biased_gelu(Lowering& l, const ForeignNode& node) {
  if (!l.has(node, 1)) return unary<kKind>(l, node);
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId bias, l.input(node, 1));
  INFERD_ASSIGN_OR_RETURN(const ValueId sum, binary(l, node, BinaryKind::kAdd, x, bias));
  return emit(l, node, OpKind::kUnary, std::array{sum}, UnaryAttrs{kKind});
}

// A bound that a clamp can hold: absent, or a number known now.
bool is_known(Lowering& l, const ForeignNode& node, size_t i) {
  if (!l.has(node, i)) return true;
  const Result<ValueId> bound = l.input(node, i);
  return bound.ok() && l.info(*bound).is_constant();
}

Result<Activation> clip_range(Lowering& l, const ForeignNode& node) {
  Activation range{Lowering::float_attr(node, "min", -kInf),
                   Lowering::float_attr(node, "max", kInf)};
  if (l.has(node, 1)) {
    INFERD_ASSIGN_OR_RETURN(range.min, l.scalar(node, 1));
  }
  if (l.has(node, 2)) {
    INFERD_ASSIGN_OR_RETURN(range.max, l.scalar(node, 2));
  }
  return range;
}

// A clamp's bounds are float32; others, and computed ones, are operands of maximum and minimum.
Status clip(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  const bool exact = l.info(x).dtype == DType::kFloat32 || l.info(x).dtype == DType::kFloat16;
  const bool absent = !l.has(node, 1) && !l.has(node, 2);
  if (absent || (exact && is_known(l, node, 1) && is_known(l, node, 2))) {
    INFERD_ASSIGN_OR_RETURN(const Activation range, clip_range(l, node));
    return emit(l, node, OpKind::kClamp, std::array{x}, ClampAttrs{range});
  }
  ValueId y = x;
  if (l.has(node, 1)) {
    INFERD_ASSIGN_OR_RETURN(const ValueId low, l.input(node, 1));
    INFERD_ASSIGN_OR_RETURN(
        y, binary(l, node, BinaryKind::kMax, y, low, l.has(node, 2) ? OutputSpec{} : named(node)));
  }
  if (l.has(node, 2)) {
    INFERD_ASSIGN_OR_RETURN(const ValueId high, l.input(node, 2));
    INFERD_ASSIGN_OR_RETURN(y, binary(l, node, BinaryKind::kMin, y, high, named(node)));
  }
  return l.set_output(node, 0, y);
}

// The slope is broadcast from the left of x's channels: [C] or [C,1,1] against NCHW.
Status prelu(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId slope, l.input(node, 1));
  return emit(l, node, OpKind::kPRelu, std::array{x, slope}, {});
}

Status reciprocal(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_ASSIGN_OR_RETURN(const ValueId one, number_like(l, x, 1, node.name + "/one"));
  return emit(l, node, OpKind::kBinary, std::array{one, x}, BinaryAttrs{BinaryKind::kDiv, {}});
}

// An identity unless it trains; its mask says which elements stay, and all do.
Status dropout(Lowering& l, const ForeignNode& node) {
  if (l.has(node, 2)) {
    INFERD_ASSIGN_OR_RETURN(const ValueId training, l.input(node, 2));
    const ir::Value& v = l.info(training);
    const bool off =
        v.is_constant() && v.constant->size() == 1 && v.constant->bytes()[0] == std::byte{0};
    if (!off) return unimplemented("training_mode");
  }
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  INFERD_RETURN_IF_ERROR(l.set_output(node, 0, x));
  const bool wants_mask = node.outputs.size() > 1 && !node.outputs[1].empty();
  constexpr int kBoolMask = 10;  // since this opset; before, of x's type
  if (!wants_mask || node.version < kBoolMask) return ok_status();
  ir::Builder& b = l.builder();
  INFERD_ASSIGN_OR_RETURN(const ValueId shape, b.op(OpKind::kShape, {x}, {}, node.name + "/shape",
                                                    OutputSpec::typed("", DType::kInt64)));
  const ValueId yes = b.constant_bytes(node.name + "/true", DType::kBool, {1}, {std::byte{1}});
  INFERD_ASSIGN_OR_RETURN(const ValueId mask, b.op(OpKind::kExpand, {yes, shape}, {},
                                                   node.name + "/mask", named(node, 1)));
  return l.set_output(node, 1, mask);
}

struct Row {
  const char* domain;
  const char* op;
  Lowering::LowerNode lower;
};
const Row kRows[] = {
    {"", "Abs", unary<UnaryKind::kAbs>},
    {"", "Acos", unary<UnaryKind::kAcos>},
    {"", "Acosh", unary<UnaryKind::kAcosh>},
    {"", "Add", binary<BinaryKind::kAdd>},
    {"", "And", binary<BinaryKind::kAnd>},
    {"", "Asin", unary<UnaryKind::kAsin>},
    {"", "Asinh", unary<UnaryKind::kAsinh>},
    {"", "Atan", unary<UnaryKind::kAtan>},
    {"", "Atanh", unary<UnaryKind::kAtanh>},
    {"", "BitShift", bit_shift},
    {"", "BitwiseAnd", binary<BinaryKind::kAnd>},
    {"", "BitwiseNot", unary<UnaryKind::kNot>},
    {"", "BitwiseOr", binary<BinaryKind::kOr>},
    {"", "BitwiseXor", binary<BinaryKind::kXor>},
    {"", "Ceil", unary<UnaryKind::kCeil>},
    {"", "Celu", unary<UnaryKind::kCelu>},
    {"", "Clip", clip},
    {"", "Cos", unary<UnaryKind::kCos>},
    {"", "Cosh", unary<UnaryKind::kCosh>},
    {"", "Div", binary<BinaryKind::kDiv>},
    {"", "Dropout", dropout},
    {"", "Elu", unary<UnaryKind::kElu>},
    {"", "Equal", compare<CompareKind::kEqual>},
    {"", "Erf", unary<UnaryKind::kErf>},
    {"", "Exp", unary<UnaryKind::kExp>},
    {"", "Floor", unary<UnaryKind::kFloor>},
    {"", "Gelu", gelu},
    {"", "Greater", compare<CompareKind::kLess, true>},
    {"", "GreaterOrEqual", compare<CompareKind::kLessEqual, true>},
    {"", "HardSigmoid", unary<UnaryKind::kHardSigmoid>},
    {"", "HardSwish", unary<UnaryKind::kHardSwish>},
    {"", "IsInf", is_inf},
    {"", "IsNaN", is_nan},
    {"", "LeakyRelu", unary<UnaryKind::kLeakyRelu>},
    {"", "Less", compare<CompareKind::kLess>},
    {"", "LessOrEqual", compare<CompareKind::kLessEqual>},
    {"", "Log", unary<UnaryKind::kLog>},
    {"", "Max", variadic<BinaryKind::kMax>},
    {"", "Mean", mean},
    {"", "Min", variadic<BinaryKind::kMin>},
    {"", "Mish", unary<UnaryKind::kMish>},
    {"", "Mod", mod},
    {"", "Mul", binary<BinaryKind::kMul>},
    {"", "Neg", unary<UnaryKind::kNeg>},
    {"", "Not", unary<UnaryKind::kNot>},
    {"", "Or", binary<BinaryKind::kOr>},
    {"", "PRelu", prelu},
    {"", "Pow", pow},
    {"", "Reciprocal", reciprocal},
    {"", "Relu", relu},
    {"", "Round", unary<UnaryKind::kRound>},
    {"", "Selu", selu},
    {"", "Shrink", unary<UnaryKind::kShrink>},
    {"", "Sigmoid", unary<UnaryKind::kSigmoid>},
    {"", "Sign", unary<UnaryKind::kSign>},
    {"", "Sin", unary<UnaryKind::kSin>},
    {"", "Sinh", unary<UnaryKind::kSinh>},
    {"", "Softplus", unary<UnaryKind::kSoftplus>},
    {"", "Softsign", unary<UnaryKind::kSoftsign>},
    {"", "Sqrt", unary<UnaryKind::kSqrt>},
    {"", "Sub", binary<BinaryKind::kSub>},
    {"", "Sum", variadic<BinaryKind::kAdd>},
    {"", "Swish", swish},
    {"", "Tan", unary<UnaryKind::kTan>},
    {"", "Tanh", unary<UnaryKind::kTanh>},
    {"", "ThresholdedRelu", unary<UnaryKind::kThresholdedRelu>},
    {"", "Where", where},
    {"", "Xor", binary<BinaryKind::kXor>},
    {kMicrosoft, "BiasGelu", biased_gelu<UnaryKind::kGelu>},
    {kMicrosoft, "FastGelu", biased_gelu<UnaryKind::kGeluTanh>},
    {kMicrosoft, "Gelu", unary<UnaryKind::kGelu>},
    {kMicrosoft, "QuickGelu", quick_gelu},
};

}  // namespace

Lowering::LowerNode find_elementwise(const ForeignNode& node) {
  const auto row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) {
    return node.domain == r.domain && node.op == r.op;
  });
  return row == std::end(kRows) ? nullptr : row->lower;
}

}  // namespace inferd::import::onnx_lower

// SPDX-License-Identifier: Apache-2.0
//
// Operators that work element by element. What opset 17 lacks is written as what it consists of.
#include <cmath>
#include <numbers>

#include "engine/export/onnx/operators.h"

namespace inferd::exporter {
namespace {

bool is_float32(const Emit& e, const ir::Node& node) {
  return e.tensors.info(node.inputs[0]).dtype == DType::kFloat32;
}
bool is_bool(const Emit& e, const ir::Node& node) {
  return e.tensors.info(node.inputs[0]).dtype == DType::kBool;
}

const char* binary_name(BinaryKind kind) {
  switch (kind) {
    case BinaryKind::kAdd:
      return "Add";
    case BinaryKind::kSub:
      return "Sub";
    case BinaryKind::kMul:
      return "Mul";
    case BinaryKind::kDiv:
      return "Div";
    case BinaryKind::kMin:
      return "Min";
    case BinaryKind::kMax:
      return "Max";
    case BinaryKind::kPow:
      return "Pow";
    case BinaryKind::kAnd:
      return "And";
    case BinaryKind::kOr:
      return "Or";
    case BinaryKind::kXor:
      return "Xor";
    default:
      return nullptr;
  }
}

bool is_logical(BinaryKind kind) {
  return kind == BinaryKind::kAnd || kind == BinaryKind::kOr || kind == BinaryKind::kXor;
}

struct UnaryName {
  UnaryKind kind;
  const char* op;
  const char* alpha = nullptr;  // the attributes' names
  const char* beta = nullptr;
};
const UnaryName kUnaryNames[] = {
    {UnaryKind::kSigmoid, "Sigmoid"},
    {UnaryKind::kTanh, "Tanh"},
    {UnaryKind::kHardSwish, "HardSwish"},
    {UnaryKind::kHardSigmoid, "HardSigmoid", "alpha", "beta"},
    {UnaryKind::kLeakyRelu, "LeakyRelu", "alpha"},
    {UnaryKind::kElu, "Elu", "alpha"},
    {UnaryKind::kExp, "Exp"},
    {UnaryKind::kLog, "Log"},
    {UnaryKind::kSqrt, "Sqrt"},
    {UnaryKind::kNeg, "Neg"},
    {UnaryKind::kAbs, "Abs"},
    {UnaryKind::kFloor, "Floor"},
    {UnaryKind::kCeil, "Ceil"},
    {UnaryKind::kRound, "Round"},
    {UnaryKind::kSign, "Sign"},
    {UnaryKind::kSin, "Sin"},
    {UnaryKind::kCos, "Cos"},
    {UnaryKind::kTan, "Tan"},
    {UnaryKind::kAsin, "Asin"},
    {UnaryKind::kAcos, "Acos"},
    {UnaryKind::kAtan, "Atan"},
    {UnaryKind::kSinh, "Sinh"},
    {UnaryKind::kCosh, "Cosh"},
    {UnaryKind::kAsinh, "Asinh"},
    {UnaryKind::kAcosh, "Acosh"},
    {UnaryKind::kAtanh, "Atanh"},
    {UnaryKind::kErf, "Erf"},
    {UnaryKind::kSoftplus, "Softplus"},
    {UnaryKind::kSoftsign, "Softsign"},
    {UnaryKind::kCelu, "Celu", "alpha"},
    {UnaryKind::kThresholdedRelu, "ThresholdedRelu", "alpha"},
    {UnaryKind::kShrink, "Shrink", "lambd", "bias"},
};

// (1 + inner) * x / 2, the end of both forms of GELU.
void emit_half_of_both(Emit& e, const ir::Node& node, const std::string& x, std::string inner,
                       Layout layout) {
  emit_inner(e, node, "Add", {inner, e.document.scalar(1.F)}, &inner);
  emit_inner(e, node, "Mul", {inner, x}, &inner);
  emit(e, node, "Mul", {inner, e.document.scalar(0.5F)}, layout);
}

// Functions that are several operators of ONNX; false: it is none of them.
bool write_composed(Emit& e, const ir::Node& node, UnaryKind kind, const std::string& x,
                    Layout layout) {
  std::string inner;
  switch (kind) {
    case UnaryKind::kSilu:
      emit_inner(e, node, "Sigmoid", {x}, &inner);
      emit(e, node, "Mul", {x, inner}, layout);
      return true;
    case UnaryKind::kRsqrt:
      emit_inner(e, node, "Sqrt", {x}, &inner);
      emit(e, node, "Reciprocal", {inner}, layout);
      return true;
    case UnaryKind::kSquare:
      emit(e, node, "Mul", {x, x}, layout);
      return true;
    case UnaryKind::kMish:
      emit_inner(e, node, "Softplus", {x}, &inner);
      emit_inner(e, node, "Tanh", {inner}, &inner);
      emit(e, node, "Mul", {x, inner}, layout);
      return true;
    case UnaryKind::kGelu:
      emit_inner(e, node, "Mul", {x, e.document.scalar(std::sqrt(0.5F))}, &inner);
      emit_inner(e, node, "Erf", {inner}, &inner);
      emit_half_of_both(e, node, x, inner, layout);
      return true;
    case UnaryKind::kGeluTanh: {
      constexpr float kCube = 0.044715F;
      const float scale = std::sqrt(2.F * std::numbers::inv_pi_v<float>);
      emit_inner(e, node, "Mul", {x, x}, &inner);
      emit_inner(e, node, "Mul", {inner, e.document.scalar(kCube)}, &inner);
      emit_inner(e, node, "Add", {inner, e.document.scalar(1.F)}, &inner);
      emit_inner(e, node, "Mul", {inner, x}, &inner);
      emit_inner(e, node, "Mul", {inner, e.document.scalar(scale)}, &inner);
      emit_inner(e, node, "Tanh", {inner}, &inner);
      emit_half_of_both(e, node, x, inner, layout);
      return true;
    }
    default:
      return false;
  }
}

}  // namespace

Status write_binary(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<BinaryAttrs>(node.attrs);
  const Layout layout = layout_of(e, node);
  const std::string a = e.tensors.name(node.inputs[0], layout);
  const std::string b = e.tensors.name(node.inputs[1], layout);
  std::string inner;
  switch (attrs.kind) {
    case BinaryKind::kSquaredDifference:
      emit_inner(e, node, "Sub", {a, b}, &inner);
      emit(e, node, "Mul", {inner, inner}, layout, attrs.activation);
      return ok_status();
    case BinaryKind::kFloorDiv:
      if (!is_float32(e, node)) return unimplemented("division of integers that rounds down");
      emit_inner(e, node, "Div", {a, b}, &inner);
      emit(e, node, "Floor", {inner}, layout, attrs.activation);
      return ok_status();
    case BinaryKind::kMod:
      emit(e, node, "Mod", {a, b}, layout, attrs.activation).attr("fmod", int64_t{1});
      return ok_status();
    case BinaryKind::kFloorMod:
      if (is_float32(e, node))
        return unimplemented("a remainder of floats with the divisor's sign");
      emit(e, node, "Mod", {a, b}, layout, attrs.activation);
      return ok_status();
    default:
      break;
  }
  const char* op = binary_name(attrs.kind);
  if (op == nullptr) return unimplemented("this operation");
  if (is_logical(attrs.kind) && !is_bool(e, node)) return unimplemented("bits of integers");
  emit(e, node, op, {a, b}, layout, attrs.activation);
  return ok_status();
}

Status write_compare(Emit& e, const ir::Node& node) {
  const Layout layout = layout_of(e, node);
  const std::string a = e.tensors.name(node.inputs[0], layout);
  const std::string b = e.tensors.name(node.inputs[1], layout);
  std::string equal;
  switch (std::get<CompareAttrs>(node.attrs).kind) {
    case CompareKind::kEqual:
      emit(e, node, "Equal", {a, b}, layout);
      break;
    case CompareKind::kNotEqual:
      emit_inner(e, node, "Equal", {a, b}, &equal);
      emit(e, node, "Not", {equal}, layout);
      break;
    case CompareKind::kLess:
      emit(e, node, "Less", {a, b}, layout);
      break;
    case CompareKind::kLessEqual:
      emit(e, node, "LessOrEqual", {a, b}, layout);
      break;
  }
  return ok_status();
}

Status write_select(Emit& e, const ir::Node& node) {
  const Layout layout = layout_of(e, node);
  const std::string a = e.tensors.name(node.inputs[0], layout);
  const std::string b = e.tensors.name(node.inputs[1], layout);
  emit(e, node, "Where", {e.tensors.name(node.inputs[2], layout), a, b}, layout);
  return ok_status();
}

Status write_unary(Emit& e, const ir::Node& node) {
  const auto& attrs = std::get<UnaryAttrs>(node.attrs);
  const Layout layout = layout_of(e, node);
  const std::string x = e.tensors.name(node.inputs[0], layout);
  if (attrs.kind == UnaryKind::kNot) {
    if (!is_bool(e, node)) return unimplemented("bits of integers");
    emit(e, node, "Not", {x}, layout);
    return ok_status();
  }
  if (write_composed(e, node, attrs.kind, x, layout)) return ok_status();
  for (const UnaryName& name : kUnaryNames) {
    if (name.kind != attrs.kind) continue;
    NodeBuilder unary = emit(e, node, name.op, {x}, layout);
    if (name.alpha != nullptr) unary.attr(name.alpha, attrs.alpha);
    if (name.beta != nullptr) unary.attr(name.beta, attrs.beta);
    return ok_status();
  }
  return unimplemented("this function");
}

Status write_prelu(Emit& e, const ir::Node& node) {
  const Layout layout = layout_of(e, node);
  emit(e, node, "PRelu",
       {e.tensors.name(node.inputs[0], layout), e.tensors.name(node.inputs[1], layout)}, layout);
  return ok_status();
}

}  // namespace inferd::exporter

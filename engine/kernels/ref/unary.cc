// SPDX-License-Identifier: Apache-2.0
//
// Functions of one operand: kUnary and kClamp.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <type_traits>

#include "engine/kernels/ref/broadcast.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

template <typename T>
T sign(T x) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(x)) return x;
  }
  return static_cast<T>((x > 0 ? 1 : 0) - (x < 0 ? 1 : 0));
}

template <typename T>
T softplus(T x) {
  return std::max(x, T{0}) + std::log1p(std::exp(-std::fabs(x)));
}

template <typename T>
T gelu(T x) {
  return x * (T{1} + std::erf(x / std::numbers::sqrt2_v<T>)) / 2;
}

template <typename T>
T gelu_tanh(T x) {
  const T root = std::sqrt(2 * std::numbers::inv_pi_v<T>);
  return x * (T{1} + std::tanh(root * (x + static_cast<T>(0.044715) * x * x * x))) / 2;
}

// T: float or double.
template <typename T>
T apply(const UnaryAttrs& attrs, T x) {
  const auto alpha = static_cast<T>(attrs.alpha);
  const auto beta = static_cast<T>(attrs.beta);
  switch (attrs.kind) {
    case UnaryKind::kSigmoid:
      return T{1} / (T{1} + std::exp(-x));
    case UnaryKind::kTanh:
      return std::tanh(x);
    case UnaryKind::kHardSwish:
      return x * std::min(std::max(x + T{3}, T{0}), T{6}) / T{6};
    case UnaryKind::kHardSigmoid:
      return std::min(std::max(alpha * x + beta, T{0}), T{1});
    case UnaryKind::kLeakyRelu:
      return x < 0 ? alpha * x : x;
    case UnaryKind::kElu:
      return x < 0 ? alpha * std::expm1(x) : x;
    case UnaryKind::kSilu:
      return x / (T{1} + std::exp(-x));
    case UnaryKind::kExp:
      return std::exp(x);
    case UnaryKind::kLog:
      return std::log(x);
    case UnaryKind::kSqrt:
      return std::sqrt(x);
    case UnaryKind::kRsqrt:
      return T{1} / std::sqrt(x);
    case UnaryKind::kSquare:
      return x * x;
    case UnaryKind::kNeg:
      return -x;
    case UnaryKind::kAbs:
      return std::fabs(x);
    case UnaryKind::kFloor:
      return std::floor(x);
    case UnaryKind::kCeil:
      return std::ceil(x);
    case UnaryKind::kRound:
      return std::nearbyint(x);
    case UnaryKind::kSign:
      return sign(x);
    case UnaryKind::kSin:
      return std::sin(x);
    case UnaryKind::kCos:
      return std::cos(x);
    case UnaryKind::kTan:
      return std::tan(x);
    case UnaryKind::kAsin:
      return std::asin(x);
    case UnaryKind::kAcos:
      return std::acos(x);
    case UnaryKind::kAtan:
      return std::atan(x);
    case UnaryKind::kSinh:
      return std::sinh(x);
    case UnaryKind::kCosh:
      return std::cosh(x);
    case UnaryKind::kAsinh:
      return std::asinh(x);
    case UnaryKind::kAcosh:
      return std::acosh(x);
    case UnaryKind::kAtanh:
      return std::atanh(x);
    case UnaryKind::kErf:
      return std::erf(x);
    case UnaryKind::kGelu:
      return gelu(x);
    case UnaryKind::kGeluTanh:
      return gelu_tanh(x);
    case UnaryKind::kSoftplus:
      return softplus(x);
    case UnaryKind::kSoftsign:
      return x / (T{1} + std::fabs(x));
    case UnaryKind::kMish:
      return x * std::tanh(softplus(x));
    case UnaryKind::kCelu:
      return x < 0 ? alpha * std::expm1(x / alpha) : x;
    case UnaryKind::kThresholdedRelu:
      return x > alpha ? x : T{0};
    case UnaryKind::kShrink:
      return x < -alpha ? x + beta : x > alpha ? x - beta : T{0};
    case UnaryKind::kNot:
      break;  // not for these types
  }
  return 0;
}

bool has_integer_form(UnaryKind kind) {
  return kind == UnaryKind::kSquare || kind == UnaryKind::kNeg || kind == UnaryKind::kAbs ||
         kind == UnaryKind::kSign || kind == UnaryKind::kNot;
}

// Wraps around, as the negative of the smallest number does.
template <typename T>
T apply_int(UnaryKind kind, T x) {
  const auto bits = static_cast<uint64_t>(x);
  switch (kind) {
    case UnaryKind::kSquare:
      return static_cast<T>(bits * bits);
    case UnaryKind::kNeg:
      return static_cast<T>(uint64_t{0} - bits);
    case UnaryKind::kAbs:
      return x < 0 ? static_cast<T>(uint64_t{0} - bits) : x;
    case UnaryKind::kSign:
      return sign(x);
    default:
      return static_cast<T>(~bits);
  }
}

// y = f(x) for real values of stored ones. An 8-bit function is a table of 256 bytes, indexed by
// the stored byte.
template <typename F>
void run_stored(const RunArgs& args, F f) {
  const Operand& x = args.op.inputs[0];
  const Operand& y = args.op.outputs[0];
  const QuantRange range = type_range(y.dtype);
  const int64_t count = x.elements();
  if (!is_8bit(x.dtype) || !is_8bit(y.dtype)) {
    for (int64_t i = 0; i < count; ++i) {
      store_real(y, args.outputs[0], i, f(load_real(x, args.inputs[0], i)), range);
    }
    return;
  }
  std::array<std::byte, 256> table{};
  for (int64_t i = 0; i < 256; ++i) {
    const auto byte = static_cast<std::byte>(i);
    store_real(y, table.data(), i, f(load_real(x, &byte, 0)), range);
  }
  for (int64_t i = 0; i < count; ++i) {
    args.outputs[0][i] = table[std::to_integer<size_t>(args.inputs[0][i])];
  }
}

template <typename T, typename F>
void run_numbers(const RunArgs& args, F f) {
  const T* x = args.input<T>(0);
  T* y = args.output<T>(0);
  const int64_t count = args.op.inputs[0].elements();
  for (int64_t i = 0; i < count; ++i) y[i] = f(x[i]);
}

bool both_stored(const OpDesc& op) { return is_stored(op.inputs[0]) && is_stored(op.outputs[0]); }

// One type that is a number.
bool is_number(const OpDesc& op) {
  const DType dtype = op.inputs[0].dtype;
  return dtype == op.outputs[0].dtype && dtype != DType::kFloat16 && dtype != DType::kBool;
}

}  // namespace

bool accepts_unary(const OpDesc& op) {
  const UnaryKind kind = op.attrs_as<UnaryAttrs>().kind;
  const DType dtype = op.inputs[0].dtype;
  if (dtype == DType::kBool) return kind == UnaryKind::kNot && op.outputs[0].dtype == dtype;
  const bool real = dtype == DType::kFloat32 || dtype == DType::kFloat64;
  if (real || is_stored(op.outputs[0])) {
    return kind != UnaryKind::kNot && (real ? is_number(op) : both_stored(op));
  }
  return is_number(op) && has_integer_form(kind);
}

void run_unary(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<UnaryAttrs>();
  const DType dtype = args.op.inputs[0].dtype;
  if (both_stored(args.op)) return run_stored(args, [&](float x) { return apply(attrs, x); });
  if (dtype == DType::kBool) {
    return run_numbers<uint8_t>(args, [](uint8_t x) -> uint8_t { return x == 0 ? 1 : 0; });
  }
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    run_numbers<T>(args, [&](T x) {
      if constexpr (std::is_floating_point_v<T>) {
        return apply(attrs, x);
      } else {
        return apply_int(attrs.kind, x);
      }
    });
  });
}

bool accepts_clamp(const OpDesc& op) {
  return is_stored(op.outputs[0]) ? both_stored(op) : is_number(op);
}

void run_clamp(const RunArgs& args) {
  const Activation& range = args.op.attrs_as<ClampAttrs>().range;
  if (both_stored(args.op)) return run_stored(args, [&](float x) { return clamp(x, range); });
  with_type(args.op.inputs[0].dtype, [&](auto type) {
    using T = decltype(type);
    const T low = convert<T>(range.min);
    const T high = convert<T>(range.max);
    // NaN passes through.
    run_numbers<T>(args, [=](T x) { return x < low ? low : x > high ? high : x; });
  });
}

}  // namespace inferd::kernels::ref

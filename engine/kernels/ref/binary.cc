// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "engine/kernels/ref/broadcast.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

template <typename T>
using Function = T (*)(T, T);

// float and double.
template <typename T>
Function<T> float_function(BinaryKind kind) {
  switch (kind) {
    case BinaryKind::kAdd:
      return [](T a, T b) { return a + b; };
    case BinaryKind::kSub:
      return [](T a, T b) { return a - b; };
    case BinaryKind::kMul:
      return [](T a, T b) { return a * b; };
    case BinaryKind::kDiv:
      return [](T a, T b) { return a / b; };
    case BinaryKind::kMin:
      return [](T a, T b) { return a < b || std::isnan(a) ? a : b; };
    case BinaryKind::kMax:
      return [](T a, T b) { return a > b || std::isnan(a) ? a : b; };
    case BinaryKind::kPow:
      return [](T a, T b) { return std::pow(a, b); };
    case BinaryKind::kFloorDiv:
      return [](T a, T b) { return std::floor(a / b); };
    case BinaryKind::kMod:
      return [](T a, T b) { return std::fmod(a, b); };
    case BinaryKind::kFloorMod:
      return [](T a, T b) {
        const T rest = std::fmod(a, b);
        return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
      };
    case BinaryKind::kAtan2:
      return [](T a, T b) { return std::atan2(a, b); };
    case BinaryKind::kSquaredDifference:
      return [](T a, T b) { return (a - b) * (a - b); };
    case BinaryKind::kAnd:
    case BinaryKind::kOr:
    case BinaryKind::kXor:
    case BinaryKind::kShiftLeft:
    case BinaryKind::kShiftRight:
      break;
  }
  return nullptr;
}

// Wraps around; x / 0 is 0, and the one overflowing quotient wraps too.
template <typename T>
T quotient(T a, T b) {
  if (b == 0) return 0;
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return static_cast<T>(uint64_t{0} - static_cast<uint64_t>(a));
  }
  return static_cast<T>(a / b);
}

template <typename T>
T remainder(T a, T b) {
  return static_cast<T>(static_cast<uint64_t>(a) -
                        static_cast<uint64_t>(quotient(a, b)) * static_cast<uint64_t>(b));
}

// Whether rounding the quotient down differs from rounding it towards zero.
template <typename T>
bool rounds_away(T a, T b) {
  if constexpr (std::is_signed_v<T>) {
    return b != 0 && remainder(a, b) != 0 && (a < 0) != (b < 0);
  } else {
    return false;
  }
}

template <typename T>
T power(T base, T exponent) {
  if constexpr (std::is_signed_v<T>) {
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  }
  uint64_t result = 1;
  for (auto square = static_cast<uint64_t>(base); exponent > 0; exponent /= 2, square *= square) {
    if (exponent % 2 == 1) result *= square;
  }
  return static_cast<T>(result);
}

template <typename T>
bool shifts_out(T bits) {
  return bits < 0 || static_cast<uint64_t>(bits) >= 8 * sizeof(T);
}

template <typename T>
T shifted_left(T a, T bits) {
  return shifts_out(bits) ? T{0} : static_cast<T>(static_cast<uint64_t>(a) << bits);
}
template <typename T>
T shifted_right(T a, T bits) {
  return shifts_out(bits) ? static_cast<T>(a < 0 ? -1 : 0) : static_cast<T>(a >> bits);
}

// Products and sums are taken modulo 2^64, of which the low bits are the wrapped result.
template <typename T>
Function<T> int_function(BinaryKind kind) {
  using U = uint64_t;
  switch (kind) {
    case BinaryKind::kAdd:
      return [](T a, T b) { return static_cast<T>(static_cast<U>(a) + static_cast<U>(b)); };
    case BinaryKind::kSub:
      return [](T a, T b) { return static_cast<T>(static_cast<U>(a) - static_cast<U>(b)); };
    case BinaryKind::kMul:
      return [](T a, T b) { return static_cast<T>(static_cast<U>(a) * static_cast<U>(b)); };
    case BinaryKind::kDiv:
      return quotient<T>;
    case BinaryKind::kMin:
      return [](T a, T b) { return std::min(a, b); };
    case BinaryKind::kMax:
      return [](T a, T b) { return std::max(a, b); };
    case BinaryKind::kPow:
      return power<T>;
    case BinaryKind::kFloorDiv:
      return [](T a, T b) { return static_cast<T>(quotient(a, b) - (rounds_away(a, b) ? 1 : 0)); };
    case BinaryKind::kMod:
      return [](T a, T b) { return b == 0 ? T{0} : remainder(a, b); };
    case BinaryKind::kFloorMod:
      return [](T a, T b) {
        if (b == 0) return T{0};
        return static_cast<T>(remainder(a, b) + (rounds_away(a, b) ? b : T{0}));
      };
    case BinaryKind::kAtan2:
      return nullptr;
    case BinaryKind::kSquaredDifference:
      return [](T a, T b) {
        const U difference = static_cast<U>(a) - static_cast<U>(b);
        return static_cast<T>(difference * difference);
      };
    case BinaryKind::kAnd:
      return [](T a, T b) { return static_cast<T>(a & b); };
    case BinaryKind::kOr:
      return [](T a, T b) { return static_cast<T>(a | b); };
    case BinaryKind::kXor:
      return [](T a, T b) { return static_cast<T>(a ^ b); };
    case BinaryKind::kShiftLeft:
      return shifted_left<T>;
    case BinaryKind::kShiftRight:
      return shifted_right<T>;
  }
  return nullptr;
}

template <typename T>
Function<T> function_of(BinaryKind kind) {
  if constexpr (std::is_floating_point_v<T>) {
    return float_function<T>(kind);
  } else {
    return int_function<T>(kind);
  }
}

template <typename T>
void run_numbers(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<BinaryAttrs>();
  const Function<T> f = function_of<T>(attrs.kind);
  const T low = convert<T>(attrs.activation.min);
  const T high = convert<T>(attrs.activation.max);
  const T* a = args.input<T>(0);
  const T* b = args.input<T>(1);
  T* y = args.output<T>(0);
  for_pairs(args.op, [=](int64_t i, int64_t j, int64_t k) {
    const T value = f(a[i], b[j]);
    y[k] = value < low ? low : value > high ? high : value;  // NaN passes through
  });
}

// 8-bit addition, subtraction and multiplication by the rules of requantize.h.
bool run_exactly(const RunArgs& args, QuantRange range) {
  const auto& attrs = args.op.attrs_as<BinaryAttrs>();
  const Operand& a = args.op.inputs[0];
  const Operand& b = args.op.inputs[1];
  const Operand& y = args.op.outputs[0];
  const int32_t za = a.quantization.zero_point();
  const int32_t zb = b.quantization.zero_point();
  const int32_t zy = y.quantization.zero_point();
  const auto each = [&](auto f) {
    for_pairs(args.op, [&](int64_t i, int64_t j, int64_t k) {
      store8(args.outputs[0], k,
             f(load8(args.inputs[0], i, a.dtype), load8(args.inputs[1], j, b.dtype)));
    });
    return true;
  };
  if (attrs.kind == BinaryKind::kAdd || attrs.kind == BinaryKind::kSub) {
    const bool subtract = attrs.kind == BinaryKind::kSub;
    if (attrs.rounding == Rounding::kFloat) {
      const FloatAddParams p =
          float_add_params(a.quantization, b.quantization, y.quantization, subtract);
      return each([&](int32_t va, int32_t vb) { return quantized_add(p, va, vb, range); });
    }
    const AddParams p = add_params(a.quantization.scale(), b.quantization.scale(),
                                   y.quantization.scale(), subtract);
    return each(
        [&](int32_t va, int32_t vb) { return quantized_add(p, va, za, vb, zb, zy, range); });
  }
  if (attrs.kind != BinaryKind::kMul) return false;
  const float m = a.quantization.scale() * b.quantization.scale() / y.quantization.scale();
  return each([&](int32_t va, int32_t vb) {
    return requantize(static_cast<float>((va - za) * (vb - zb)) * m, zy, range);
  });
}

void run_quantized(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<BinaryAttrs>();
  const Operand& a = args.op.inputs[0];
  const Operand& b = args.op.inputs[1];
  const Operand& y = args.op.outputs[0];
  const QuantRange range = activation_range(attrs.activation, y.dtype, y.quantization);
  const bool bytes = is_8bit(a.dtype) && is_8bit(b.dtype) && is_8bit(y.dtype);
  if (bytes && run_exactly(args, range)) return;
  const Function<float> f = float_function<float>(attrs.kind);
  for_pairs(args.op, [&](int64_t i, int64_t j, int64_t k) {
    const float real = f(load_real(a, args.inputs[0], i), load_real(b, args.inputs[1], j));
    store_real(y, args.outputs[0], k, real, range);
  });
}

}  // namespace

bool accepts_binary(const OpDesc& op) {
  const auto& attrs = op.attrs_as<BinaryAttrs>();
  const Operand& a = op.inputs[0];
  const Operand& b = op.inputs[1];
  const Operand& y = op.outputs[0];
  if (is_stored(y)) {
    return is_stored(a) && is_stored(b) && float_function<float>(attrs.kind) != nullptr;
  }
  if (a.dtype != b.dtype || a.dtype != y.dtype || a.dtype == DType::kFloat16) return false;
  const bool logical = attrs.kind == BinaryKind::kAnd || attrs.kind == BinaryKind::kOr ||
                       attrs.kind == BinaryKind::kXor;
  if (a.dtype == DType::kBool) return logical && attrs.activation.none();
  bool known = false;
  with_type(a.dtype,
            [&](auto type) { known = function_of<decltype(type)>(attrs.kind) != nullptr; });
  return known;
}

void run_binary(const RunArgs& args) {
  if (is_stored(args.op.outputs[0])) return run_quantized(args);
  with_type(args.op.inputs[0].dtype, [&](auto type) { run_numbers<decltype(type)>(args); });
}

}  // namespace inferd::kernels::ref

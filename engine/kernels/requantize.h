// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of quantized operators, fixed once for every kernel on every ISA.
//
// From accumulator to output:   y = clamp(round_half_even(float(acc) * m), lo - z, hi - z) + z
// with the product in binary32 and m = input_scale * weight_scale / output_scale, evaluated left to
// right in binary32. Conversion, one multiplication and rounding to integer are exactly defined by
// IEEE 754, so the result is the same on every machine. This is the rule of XNNPACK's "fp32"
// requantization, hence of TensorFlow Lite with its default delegate; it is within one step of the
// TFLite specification's fixed-point rule.
//
// The accumulator is the exact integer sum of (x - x_zero) * (w - w_zero) plus bias, in int32.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "engine/base/op.h"
#include "inferd/engine/tensor.h"

namespace inferd::kernels {

// Stored-value bounds of a quantized output: the type's range, narrowed by a fused activation.
struct QuantRange {
  int32_t low = 0;
  int32_t high = 0;
};

inline QuantRange type_range(DType dtype) {
  switch (dtype) {
    case DType::kInt8:
      return {-128, 127};
    case DType::kUInt8:
      return {0, 255};
    case DType::kInt16:
      return {-32768, 32767};
    case DType::kUInt16:
      return {0, 65535};
    default:
      return {INT32_MIN, INT32_MAX};
  }
}

// round_half_away(real / scale) + zero_point, as TFLite computes activation bounds; saturates.
inline int32_t quantize_bound(float real, float scale, int32_t zero_point, QuantRange range) {
  const float stored = std::round(real / scale) + static_cast<float>(zero_point);
  if (!(stored > static_cast<float>(range.low))) return range.low;
  if (stored >= static_cast<float>(range.high)) return range.high;
  return static_cast<int32_t>(stored);
}

inline QuantRange activation_range(const Activation& activation, DType dtype,
                                   const Quantization& q) {
  QuantRange range = type_range(dtype);
  const QuantRange full = range;
  if (activation.min != -kInf) {
    range.low = quantize_bound(activation.min, q.scale(), q.zero_point(), full);
  }
  if (activation.max != kInf) {
    range.high = quantize_bound(activation.max, q.scale(), q.zero_point(), full);
  }
  return range;
}

// `value` is float(acc) * m.
inline int32_t requantize(float value, int32_t zero_point, QuantRange range) {
  const float low = static_cast<float>(range.low - zero_point);
  const float high = static_cast<float>(range.high - zero_point);
  // Clamping before rounding gives the same result as after (the bounds are integers) and keeps the
  // conversion in range.
  const float clamped = std::min(std::max(value, low), high);
  return static_cast<int32_t>(std::nearbyint(clamped)) + zero_point;
}

// Activations of 16 bits: y = (acc * m + 2^(shift - 1)) >> shift in 64 bits, with m the 15 most
// significant bits, rounded, of scale_x * scale_w / scale_y. TensorFlow Lite's rule for them.
struct WideMultiplier {
  int64_t multiplier = 0;
  int shift = 1;
};
inline WideMultiplier wide_multiplier(float scale_x, float scale_w, float scale_y) {
  int exponent = 0;  // ratio = f * 2^exponent with f in [0.5, 1)
  const double f = std::frexp(double{scale_x} * double{scale_w} / double{scale_y}, &exponent);
  // First 31 bits, then 15 of those, as the published rule rounds twice.
  const auto bits31 = static_cast<int64_t>(std::round(f * 2147483648.0));
  const int64_t bits15 = std::min<int64_t>((bits31 + (1 << 15)) >> 16, 0x7FFF);
  // Beyond these bounds every output is 0 or saturated.
  if (exponent < -47) return {0, 1};
  return {bits15, std::max(15 - exponent, 1)};
}
// The sum, kept where requantize_wide() cannot overflow.
inline int64_t add_wide_bias(int64_t sum, int64_t bias) {
  constexpr int64_t kMost = int64_t{1} << 46;
  return std::clamp(sum, -kMost, kMost) + std::clamp(bias, -kMost, kMost);
}
inline int32_t requantize_wide(int64_t acc, WideMultiplier m, QuantRange range) {
  const int64_t scaled = (acc * m.multiplier + (int64_t{1} << (m.shift - 1))) >> m.shift;
  return static_cast<int32_t>(std::clamp<int64_t>(scaled, range.low, range.high));
}

// Real -> stored: round_half_even(real / scale) + zero_point, clamped (ONNX QuantizeLinear). NaN
// gives the zero point.
inline int32_t quantize(float real, float scale, int32_t zero_point, QuantRange range) {
  const float value = real / scale;
  return std::isnan(value) ? zero_point : requantize(value, zero_point, range);
}

// Quantized addition and subtraction: y = z + ((a - za) * ma + (b - zb) * mb, rounded half up >>
// shift) with ma, mb = round_half_even(scale_a / scale_y * 2^shift) and shift chosen so that the
// larger has 21 bits: integers only, as in XNNPACK's qs8-vadd. Subtraction negates mb.
struct AddParams {
  int32_t multiplier_a = 0;
  int32_t multiplier_b = 0;
  int32_t shift = 0;  // 13..31
};

inline AddParams add_params(float scale_a, float scale_b, float scale_y, bool subtract) {
  const float ratio_a = scale_a / scale_y;
  const float ratio_b = scale_b / scale_y;
  int exponent = 0;  // larger ratio = f * 2^exponent with f in [0.5, 1)
  std::frexp(std::max(ratio_a, ratio_b), &exponent);
  AddParams p;
  // Ratios from 2^-10 to 2^8 are within XNNPACK's range; beyond, precision degrades but stays
  // defined.
  p.shift = std::clamp(21 - exponent, 1, 31);
  p.multiplier_a = static_cast<int32_t>(std::nearbyint(std::ldexp(ratio_a, p.shift)));
  p.multiplier_b = static_cast<int32_t>(std::nearbyint(std::ldexp(ratio_b, p.shift)));
  if (subtract) p.multiplier_b = -p.multiplier_b;
  return p;
}

// a and b are stored values.
inline int32_t quantized_add(const AddParams& p, int32_t a, int32_t za, int32_t b, int32_t zb,
                             int32_t zy, QuantRange range) {
  const int64_t sum = int64_t{a - za} * p.multiplier_a + int64_t{b - zb} * p.multiplier_b;
  const int64_t rounded = (sum + (int64_t{1} << (p.shift - 1))) >> p.shift;
  return static_cast<int32_t>(std::clamp<int64_t>(rounded + zy, range.low, range.high));
}

// Requantization between two values of one 8-bit type: y = z + ((x - zx) * m + 128 >> 8) with m =
// round_half_even(scale_x / scale_y * 256), as in XNNPACK's vcvt. Its range of ratios, outside of
// which TensorFlow Lite rounds better.
inline bool requantizes_in_fixed_point(float ratio) { return ratio >= 1.F / 256 && ratio <= 128.F; }
inline int32_t requantize_multiplier(float ratio) {
  return static_cast<int32_t>(std::nearbyint(ratio * 256.F));
}
inline int32_t requantize_fixed(int32_t distance, int32_t multiplier, int32_t zero_point,
                                QuantRange range) {
  return std::clamp(((distance * multiplier + 128) >> 8) + zero_point, range.low, range.high);
}

// The same as quantized_add in binary32, evaluated in this order, rounded half to even
// (Rounding::kFloat): ONNX Runtime's QLinearAdd.
struct FloatAddParams {
  float ratio_a = 0;
  float ratio_b = 0;
  float fixed = 0;  // what the zero points contribute
};

inline FloatAddParams float_add_params(const Quantization& a, const Quantization& b,
                                       const Quantization& y, bool subtract) {
  FloatAddParams p;
  p.ratio_a = a.scale() / y.scale();
  p.ratio_b = (subtract ? -b.scale() : b.scale()) / y.scale();
  // Fused, as the compiled reference has it: found by comparing results bit for bit.
  p.fixed =
      static_cast<float>(y.zero_point()) - std::fma(p.ratio_a, static_cast<float>(a.zero_point()),
                                                    p.ratio_b * static_cast<float>(b.zero_point()));
  return p;
}

inline int32_t quantized_add(const FloatAddParams& p, int32_t a, int32_t b, QuantRange range) {
  const float sum =
      (p.ratio_a * static_cast<float>(a) + p.fixed) + p.ratio_b * static_cast<float>(b);
  return requantize(sum, 0, range);
}

}  // namespace inferd::kernels

// SPDX-License-Identifier: Apache-2.0
//
// Fixed-point arithmetic as TensorFlow Lite's integer kernels define it, for operators whose
// results must equal that runtime's bit for bit. Sources: TensorFlow Lite's 8-bit quantization
// specification and gemmlowp's doc/quantization.md and fixedpoint.h, whose functions are evaluated
// here in the same order with the same roundings.
//
// Numbers "with n integer bits" are int16 that stand for value * 2^(n - 15).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace inferd::kernels {

// A positive factor as multiplier * 2^(shift - 31), the multiplier in [2^30, 2^31) or 0.
struct FixedFactor {
  int32_t multiplier = 0;
  int shift = 0;  // -31..30
};

inline FixedFactor fixed_factor(double factor) {
  int shift = 0;
  auto multiplier = static_cast<int64_t>(std::round(std::ldexp(std::frexp(factor, &shift), 31)));
  if (multiplier == int64_t{1} << 31) {
    multiplier /= 2;
    ++shift;
  }
  if (factor == 0.0 || shift < -31) return {};
  if (shift > 30) return {INT32_MAX, 30};
  return {static_cast<int32_t>(multiplier), shift};
}

// x / 2^exponent to the nearest integer, halves away from zero. exponent: 0..31.
inline int32_t rounding_shift(int32_t x, int exponent) {
  const auto mask = static_cast<int32_t>((int64_t{1} << exponent) - 1);
  const int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> exponent) + ((x & mask) > threshold ? 1 : 0);
}

// x * factor: rounded once after the multiplication and once more after a shift to the right. What
// does not fit 32 bits wraps.
inline int32_t multiply(int32_t x, FixedFactor factor) {
  const int left = std::max(factor.shift, 0);
  const auto shifted = static_cast<int32_t>(static_cast<uint32_t>(x) << left);
  const int64_t product = int64_t{shifted} * factor.multiplier;
  const int64_t nudge = product >= 0 ? int64_t{1} << 30 : 1 - (int64_t{1} << 30);
  const auto high = static_cast<int32_t>((product + nudge) / (int64_t{1} << 31));
  return rounding_shift(high, std::max(-factor.shift, 0));
}

inline int16_t saturate16(int64_t x) {
  return static_cast<int16_t>(std::clamp<int64_t>(x, INT16_MIN, INT16_MAX));
}

namespace fixed16 {

inline constexpr int16_t kOne = INT16_MAX;  // with no integer bits, nearly

inline int16_t wrap(int32_t x) { return static_cast<int16_t>(x); }

// a * b; the integer bits of the factors add up.
inline int16_t product(int16_t a, int16_t b) {
  if (a == INT16_MIN && b == INT16_MIN) return INT16_MAX;
  const int32_t ab = int32_t{a} * b;
  const int32_t nudge = ab >= 0 ? 1 << 14 : 1 - (1 << 14);
  return wrap((ab + nudge) / (1 << 15));
}

// With fewer integer bits: x * 2^bits, saturating.
inline int16_t widen_fraction(int16_t x, int bits) { return saturate16(int64_t{x} << bits); }

// A constant given with 32 bits.
inline constexpr int16_t from32(int32_t x) {
  return static_cast<int16_t>((x >> 16) + ((x & 0xffff) > 0x7fff + (x < 0 ? 1 : 0) ? 1 : 0));
}

// exp(x) for x in [-1/4, 0), by its series around -1/8; no integer bits in and out.
inline int16_t exp_of_last_quarter(int16_t x) {
  constexpr int16_t kExpOfMinusEighth = from32(1895147668);
  constexpr int16_t kThird = from32(715827883);
  const int16_t d = wrap(x + (1 << 12));
  const int16_t d2 = product(d, d);
  const int16_t d3 = product(d2, d);
  const int16_t d4 = product(d2, d2);
  const int16_t d4_quarter = wrap(rounding_shift(d4, 2));
  const int16_t sum = wrap(product(wrap(d4_quarter + d3), kThird) + d2);
  const int16_t series = wrap(d + wrap(rounding_shift(sum, 1)));
  return saturate16(int32_t{kExpOfMinusEighth} + product(kExpOfMinusEighth, series));
}

// exp(x) for x <= 0 with `integer_bits` (0..7); the result has none.
inline int16_t exp_of_negative(int16_t x, int integer_bits) {
  const int fraction_bits = 15 - integer_bits;
  const auto quarter = static_cast<int16_t>(1 << (fraction_bits - 2));
  const int16_t last = wrap((x & (quarter - 1)) - quarter);
  int16_t result = exp_of_last_quarter(widen_fraction(last, integer_bits));
  const int16_t rest = wrap(last - x);
  // exp(-2^i) for every bit of what remains, from 2^-2 on.
  constexpr int16_t kFactors[] = {from32(1672461947), from32(1302514674), from32(790015084),
                                  from32(290630308),  from32(39332535),   from32(720401),
                                  from32(242)};
  for (int i = 0; i < 7 && integer_bits > i - 2; ++i) {
    if ((rest & (1 << (fraction_bits + i - 2))) != 0) result = product(result, kFactors[i]);
  }
  if (integer_bits > 5 && x < -(1 << (20 - integer_bits))) result = 0;  // below -32
  return x == 0 ? kOne : result;
}

// 1 / ((1 + x) / 2) with two integer bits for x in (0, 1) with none, by three steps of Newton.
inline int16_t twice_reciprocal_of_one_plus(int16_t x) {
  constexpr int16_t k48By17 = from32(1515870810);
  constexpr int16_t kMinus32By17 = from32(-1010580540);
  constexpr int16_t kOneOf2Bits = 1 << 13;
  const auto half = static_cast<int16_t>((int32_t{x} + kOne + 1) / 2);
  int16_t r = wrap(k48By17 + product(half, kMinus32By17));
  for (int i = 0; i < 3; ++i) {
    const int16_t error = wrap(kOneOf2Bits - product(half, r));
    r = wrap(r + widen_fraction(product(r, error), 2));
  }
  return r;
}

// The logistic function of x with three integer bits; the result has none.
inline int16_t sigmoid(int16_t x) {
  if (x == 0) return 1 << 14;
  const int16_t negative = x > 0 ? wrap(-x) : x;
  const int16_t positive_result =
      widen_fraction(twice_reciprocal_of_one_plus(exp_of_negative(negative, 3)), 1);
  return x > 0 ? positive_result : wrap(kOne - positive_result);
}

// The hyperbolic tangent of x with `integer_bits` (0..6); the result has none.
inline int16_t tanh(int16_t x, int integer_bits) {
  if (x == 0) return 0;
  const int16_t negative = x > 0 ? wrap(-x) : x;
  const int16_t r = twice_reciprocal_of_one_plus(exp_of_negative(negative, integer_bits + 1));
  const int16_t result = widen_fraction(wrap(r - (1 << 13)), 2);
  return x > 0 ? result : wrap(-result);
}

}  // namespace fixed16
}  // namespace inferd::kernels

// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of pictures on their way into tensors, in integers, so that every instruction set
// gives the same bits. A value of a pixel is held as (value - 128) * 256 in 16 bits ("centred"):
// 8 bits of fraction, -32768 for 0 and 32512 for 255.
//
// Only always-inlined functions: files compiled for different instruction sets include this.
#pragma once

#include <cmath>
#include <cstdint>

namespace inferd::media {

// Every centred value lies below this and above -32769.
inline constexpr int kLargest = 127 * 256;

// Weights of two rows add up to this, which is one more than fits into 16 bits: where one of them
// has it all, nothing is blended.
inline constexpr int kOneRow = 1 << 15;

// Weights of two neighbours in a row add up to this, so that their sum is a centred value as it is.
inline constexpr int kOnePixel = 1 << 8;
[[gnu::always_inline]] inline int pixel_weight(int row_weight) {
  constexpr int kRatio = kOneRow / kOnePixel;
  return (row_weight + kRatio / 2) / kRatio;
}

// Two neighbours in a row of the picture. Centred.
[[gnu::always_inline]] inline int16_t blend_bytes(int a, int b, int w0, int w1) {
  return static_cast<int16_t>(a * w0 + b * w1 - 128 * kOnePixel);
}

// Two rows of centred values. Each product is rounded for itself, as vector units do that multiply
// fractions of 16 bits.
[[gnu::always_inline]] inline int weighted(int a, int w) { return (a * w + kOneRow / 2) >> 15; }
[[gnu::always_inline]] inline int16_t blend_rows(int a, int b, int w0, int w1) {
  return static_cast<int16_t>(weighted(a, w0) + weighted(b, w1));
}

// Weights of neighbours where a lens has bent lines: sums of two bytes fit into 16 bits.
inline constexpr int kWarpOne = 1 << 6;

// Four neighbours: two above two, the lower ones with weight `down`, the right ones with `right`.
[[gnu::always_inline]] inline int16_t blend_four(int a, int b, int c, int d, int up, int down,
                                                 int left, int right) {
  const int sum = (a * up + c * down) * left + (b * up + d * down) * right;
  return static_cast<int16_t>((sum + 8 - 128 * kWarpOne * kWarpOne) >> 4);
}

// What coefficients of colours are fractions of.
inline constexpr int kOne = 1 << 14;

// From Y, U and V to R, G and B in 1/kOne: R = luma * (Y - black) + red_v * (V - 128), and so on;
// `offset` is what centring and rounding add. Each fits into 16 bits; that of blue is over 2 and
// comes in two halves.
struct YuvMatrix {
  int luma, red_v, green_u, green_v, blue_u0, blue_u1, offset;
};
// From the luma weights of red and blue: BT.601 0.299 and 0.114, BT.709 0.2126 and 0.0722.
constexpr YuvMatrix yuv_matrix(double red, double blue, bool full) {
  const double green = 1 - red - blue;
  const double c = full ? 1.0 : 255.0 / 224.0;
  const auto fixed = [](double v) { return static_cast<int>(v * kOne + 0.5); };
  const int luma = full ? kOne : fixed(255.0 / 219.0);
  const int blue_u = fixed(c * 2 * (1 - blue));
  return {luma,
          fixed(c * 2 * (1 - red)),
          -fixed(c * 2 * (1 - blue) * blue / green),
          -fixed(c * 2 * (1 - red) * red / green),
          blue_u / 2,
          blue_u - blue_u / 2,
          (luma * (full ? 128 : 112) - 128 * kOne) * 256 + kOne / 2};
}
inline constexpr YuvMatrix kYuvMatrices[] = {
    yuv_matrix(0.299, 0.114, false), yuv_matrix(0.299, 0.114, true),
    yuv_matrix(0.2126, 0.0722, false), yuv_matrix(0.2126, 0.0722, true)};  // as in ColorSpace

[[gnu::always_inline]] inline int16_t to_centred(int sum) {
  const int value = sum >> 14;
  return static_cast<int16_t>(value < -32768 ? -32768 : value > kLargest ? kLargest : value);
}

// All centred. No sum overflows: the largest is 1.8e9.
[[gnu::always_inline]] inline void yuv_to_rgb(const YuvMatrix& m, int y, int u, int v, int16_t& r,
                                              int16_t& g, int16_t& b) {
  const int luma = m.luma * y + m.offset;
  r = to_centred(luma + m.red_v * v);
  g = to_centred(luma + m.green_u * u + m.green_v * v);
  b = to_centred(luma + m.blue_u0 * u + m.blue_u1 * u);
}

// Luma of BT.601, whose weights add up to one.
inline constexpr int kLumaRed = 4899, kLumaGreen = 9617, kLumaBlue = 1868;
static_assert(kLumaRed + kLumaGreen + kLumaBlue == kOne);
[[gnu::always_inline]] inline int16_t luma_of(int r, int g, int b) {
  return static_cast<int16_t>((kLumaRed * r + kLumaGreen * g + kLumaBlue * b + kOne / 2) >> 14);
}

// The pixel itself, rounded (halves up), minus 128.
[[gnu::always_inline]] inline int to_byte(int centred) { return (centred + 128) >> 8; }

// How a centred value becomes a real one: (value - middle) * factor.
struct Affine {
  float middle = 0, factor = 1;
};
[[gnu::always_inline]] inline float to_real(int centred, const Affine& a) {
  return (static_cast<float>(centred) - a.middle) * a.factor;
}

// And that, rounded half to even, an 8-bit one: clamped to low..high before zero is added, which
// makes it -128..127.
struct Steps {
  Affine affine;
  float low = -128, high = 127;
  int zero = 0;
};
[[gnu::always_inline]] inline int to_step(int centred, const Steps& s) {
  const float real = to_real(centred, s.affine);
  const float clamped = real < s.low ? s.low : real > s.high ? s.high : real;
  return static_cast<int>(std::nearbyintf(clamped)) + s.zero;
}

}  // namespace inferd::media

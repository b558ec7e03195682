// SPDX-License-Identifier: Apache-2.0
#include <arm_neon.h>

#include "media/resample/rows_run.h"

namespace inferd::media {
namespace {

struct Neon {
  static constexpr int kLanes = 1;
  using Bytes = uint8x16_t;
  using Words = int16x8_t;
  struct Sums {
    int32x4_t low, high;
  };

  static Bytes zero() { return vdupq_n_u8(0); }
  static Bytes load(const uint8_t* p) { return vld1q_u8(p); }
  static Bytes load(const uint8_t* p, const uint8_t*) { return vld1q_u8(p); }
  static Bytes load_pixels(const uint8_t* row, const int32_t* at) {
    return vcombine_u8(vld1_u8(row + at[0]), vld1_u8(row + at[1]));
  }
  static Bytes pick(Bytes x, const uint8_t* table) { return vqtbl1q_u8(x, vld1q_u8(table)); }
  static Bytes pick_same(Bytes x, const uint8_t* table) { return pick(x, table); }
  static Bytes either(Bytes a, Bytes b) { return vorrq_u8(a, b); }
  static Bytes load_corners(const uint8_t* p, const uint8_t*, size_t stride) {
    return vcombine_u8(vld1_u8(p), vld1_u8(p + stride));
  }
  static Words words(Bytes x) { return vreinterpretq_s16_u8(x); }
  static Words add_pairs(Bytes x, Bytes w) {
    return vreinterpretq_s16_u16(
        vpaddq_u16(vmull_u8(vget_low_u8(x), vget_low_u8(w)), vmull_high_u8(x, w)));
  }
  static int32x4_t add_word_pairs(Words x, Words w) {
    return vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(w)), vmull_high_s16(x, w));
  }
  static Words zip_low16(Words a, Words b) { return vzip1q_s16(a, b); }
  static Words zip_high16(Words a, Words b) { return vzip2q_s16(a, b); }
  static Words zip_low64(Words a, Words b) {
    return vcombine_s16(vget_low_s16(a), vget_low_s16(b));
  }
  static Words zip_high64(Words a, Words b) {
    return vcombine_s16(vget_high_s16(a), vget_high_s16(b));
  }
  static Bytes zip_low32(Bytes a, Bytes b) {
    return vreinterpretq_u8_u32(vzip1q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
  }
  static Bytes zip_high32(Bytes a, Bytes b) {
    return vreinterpretq_u8_u32(vzip2q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
  }
  static Bytes zip_low64(Bytes a, Bytes b) {
    return vreinterpretq_u8_u64(vzip1q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
  }
  static Bytes zip_high64(Bytes a, Bytes b) {
    return vreinterpretq_u8_u64(vzip2q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
  }

  static Words load(const int16_t* p) { return vld1q_s16(p); }
  static void store(int16_t* p, Words x) { vst1q_s16(p, x); }
  static Words least(Words x, int limit) {
    return vminq_s16(x, vdupq_n_s16(static_cast<int16_t>(limit)));
  }

  static Words blend_pairs(Bytes x, Bytes w) {
    return veorq_s16(add_pairs(x, w), vdupq_n_s16(INT16_MIN));
  }
  static Words scaled(Words x, int w) { return vqrdmulhq_n_s16(x, static_cast<int16_t>(w)); }
  static Words plus(Words x, Words y) { return vaddq_s16(x, y); }
  static Sums dot(Words a, Words b, int wa, int wb) {
    const auto first = static_cast<int16_t>(wa);
    const auto second = static_cast<int16_t>(wb);
    return {vmlal_n_s16(vmull_n_s16(vget_low_s16(a), first), vget_low_s16(b), second),
            vmlal_high_n_s16(vmull_high_n_s16(a, first), b, second)};
  }
  static Sums add(Sums s, Sums t) { return {vaddq_s32(s.low, t.low), vaddq_s32(s.high, t.high)}; }
  static Sums add(Sums s, int n) { return add(s, {vdupq_n_s32(n), vdupq_n_s32(n)}); }
  template <int N>
  static Words narrow(Sums s) {
    return vqshrn_high_n_s32(vqshrn_n_s32(s.low, N), s.high, N);
  }

  static Words to_bytes(Words x) { return vrshrq_n_s16(x, 8); }
  static float32x4_t real(int32x4_t four, const Affine& a) {
    const float32x4_t x = vsubq_f32(vcvtq_f32_s32(four), vdupq_n_f32(a.middle));
    return vmulq_f32(x, vdupq_n_f32(a.factor));
  }
  static int32x4_t step(int32x4_t four, const Steps& s) {
    const float32x4_t clamped =
        vminq_f32(vmaxq_f32(real(four, s.affine), vdupq_n_f32(s.low)), vdupq_n_f32(s.high));
    return vaddq_s32(vcvtnq_s32_f32(clamped), vdupq_n_s32(s.zero));
  }
  static Words to_steps(Words x, const Steps& s) {
    const int16x4_t low = vmovn_s32(step(vmovl_s16(vget_low_s16(x)), s));
    return vmovn_high_s32(low, step(vmovl_high_s16(x), s));
  }
  static uint8x16_t packed(const Words* x, uint8_t flip) {
    const int8x16_t bytes = vmovn_high_s16(vmovn_s16(x[0]), x[1]);
    return veorq_u8(vreinterpretq_u8_s8(bytes), vdupq_n_u8(flip));
  }
  static void store_bytes(const Words* x, uint8_t flip, uint8_t* out) {
    vst1q_u8(out, packed(x, flip));
  }
  static void mix_bytes(const Words (*x)[2], uint8_t flip, uint8_t* out) {
    vst3q_u8(out, {{packed(x[0], flip), packed(x[1], flip), packed(x[2], flip)}});
  }
  static void store_reals(float* out, const Words* x, const Affine& a) {
    for (int i = 0; i < 2; ++i) {
      vst1q_f32(out + 8 * i, real(vmovl_s16(vget_low_s16(x[i])), a));
      vst1q_f32(out + 8 * i + 4, real(vmovl_high_s16(x[i]), a));
    }
  }

  static void mix_reals(const float* a, const float* b, const float* c, float* out) {
    vst3q_f32(out, {{vld1q_f32(a), vld1q_f32(b), vld1q_f32(c)}});
  }
};

}  // namespace

const RowKernels kNeonRows = Rows<Neon>::table("neon");

}  // namespace inferd::media

// SPDX-License-Identifier: Apache-2.0
//
// Inner loops for every arm64: int16 products summed in 32 bits (smlal), float with fmla.
#include <arm_neon.h>

#include <cstring>
#include <span>

#include "engine/kernels/folders.h"
#include "engine/kernels/generic/rows.h"
#include "engine/kernels/neon/common.h"

namespace inferd::kernels::neon {
namespace {

int16x8_t widen8(const int8_t* x) { return vmovl_s8(vld1_s8(x)); }
int16x8_t widen8(const uint8_t* x) { return vreinterpretq_s16_u16(vmovl_u8(vld1_u8(x))); }

struct Quantized {
  using A = int16_t;
  using B = int16_t;
  static constexpr int kStep = 4;  // depth taken at once: one lane of a's registers each
  static constexpr bool kSplitsDepth = false;
  static constexpr generic::Tile kTile{
      .rows = 4, .columns = 16, .narrow = 16, .depth_multiple = kStep};
  static constexpr generic::Lanes kLanes = generic::Lanes::kS16;
  static constexpr int kDepthwiseInterleave = 1;
  static constexpr int kBlock = 8;
  static constexpr int kDepthwiseChannels = kBlock;
  static constexpr bool kMasksChannels = false;
  static constexpr double kMacsPerCycle = 8;

  template <typename In>
  static void convert(const In* x, int64_t n, int32_t offset, int16_t* out) {
    const int16x8_t zero = vdupq_n_s16(static_cast<int16_t>(offset));
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) vst1q_s16(out + i, vsubq_s16(widen8(x + i), zero));
    for (; i < n; ++i) out[i] = static_cast<int16_t>(x[i] - offset);
  }

  // One step in depth, lane L of every row of a.
  template <int M, int L>
  static void accumulate(const int16x4_t (&a)[M], const int16_t* b, int32x4_t (&acc)[M][4]) {
    const int16x8_t b0 = vld1q_s16(b + L * kTile.columns);
    const int16x8_t b1 = vld1q_s16(b + L * kTile.columns + 8);
#pragma GCC unroll 4
    for (int m = 0; m < M; ++m) {
      acc[m][0] = vmlal_lane_s16(acc[m][0], vget_low_s16(b0), a[m], L);
      acc[m][1] = vmlal_high_lane_s16(acc[m][1], b0, a[m], L);
      acc[m][2] = vmlal_lane_s16(acc[m][2], vget_low_s16(b1), a[m], L);
      acc[m][3] = vmlal_high_lane_s16(acc[m][3], b1, a[m], L);
    }
  }

  template <int M, int N, typename Out>
  static void tile(const generic::QuantizedTileArgs<A, B, Out>& t) {
    int32x4_t acc[M][4];
    load_bias<M>(t, acc);
    const int16_t* b = t.b;
    for (int64_t s = 0; s < t.rows.segment_count; ++s) {
      const int16_t* x = t.rows.a + t.rows.segments[s];
      for (int64_t k = 0; k < t.rows.segment_depth; k += kStep, b += kStep * N) {
        int16x4_t a[M];
#pragma GCC unroll 4
        for (int m = 0; m < M; ++m) a[m] = vld1_s16(x + m * t.rows.a_stride + k);
        accumulate<M, 0>(a, b, acc);
        accumulate<M, 1>(a, b, acc);
        accumulate<M, 2>(a, b, acc);
        accumulate<M, 3>(a, b, acc);
      }
    }
    store_tile<M>(acc, t);
  }

  template <typename In, typename Out>
  static void depthwise(const generic::QuantizedDepthwiseArgs<In, Out>& d) {
    int32x4_t low = vld1q_s32(d.bias);
    int32x4_t high = vld1q_s32(d.bias + 4);
    for (int64_t t = 0; t < d.tap_count; ++t) {
      const int16x8_t x = widen8(d.taps[t] + d.offset);
      const int16x8_t w = vld1q_s16(d.w + t * kBlock);
      low = vmlal_s16(low, vget_low_s16(x), vget_low_s16(w));
      high = vmlal_high_s16(high, x, w);
    }
    const int16x8_t y = vcombine_s16(vmovn_s32(requantize(low, d.scale, d.requant)),
                                     vmovn_s32(requantize(high, d.scale + 4, d.requant)));
    const int8x8_t bytes = vmovn_s16(y);
    if (d.channels == kBlock) {
      vst1_s8(reinterpret_cast<int8_t*>(d.y), bytes);
    } else {
      int8_t all[8];
      vst1_s8(all, bytes);
      std::memcpy(d.y, all, static_cast<size_t>(d.channels));
    }
  }
};

void store_floats(float* y, float32x4_t value, int count) {
  if (count >= 4) {
    vst1q_f32(y, value);
  } else if (count > 0) {
    float all[4];
    vst1q_f32(all, value);
    std::memcpy(y, all, static_cast<size_t>(count) * sizeof(float));
  }
}

struct Clamp {
  float32x4_t low, high;
  float32x4_t operator()(float32x4_t v) const { return vminq_f32(vmaxq_f32(v, low), high); }
};

struct Float {
  static constexpr bool kSplitsDepth = false;
  static constexpr generic::Tile kTile{.rows = 6, .columns = 16, .narrow = 16};
  static constexpr int kBlock = 8;
  static constexpr int kDepthwiseChannels = kBlock;
  static constexpr bool kMasksChannels = false;
  static constexpr double kMacsPerCycle = 8;

  template <int M, int N>
  static void tile(const generic::FloatTileArgs& t) {
    float32x4_t acc[M][4];
#pragma GCC unroll 6
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) acc[m][v] = vld1q_f32(t.bias + 4 * v);
    }
    const float* b = t.b;
    for (int64_t s = 0; s < t.rows.segment_count; ++s) {
      const float* x = t.rows.a + t.rows.segments[s];
      for (int64_t k = 0; k < t.rows.segment_depth; ++k, b += N) {
        const float32x4_t b0 = vld1q_f32(b);
        const float32x4_t b1 = vld1q_f32(b + 4);
        const float32x4_t b2 = vld1q_f32(b + 8);
        const float32x4_t b3 = vld1q_f32(b + 12);
#pragma GCC unroll 6
        for (int m = 0; m < M; ++m) {
          const float32x4_t a = vld1q_dup_f32(x + m * t.rows.a_stride + k);
          acc[m][0] = vfmaq_f32(acc[m][0], a, b0);
          acc[m][1] = vfmaq_f32(acc[m][1], a, b1);
          acc[m][2] = vfmaq_f32(acc[m][2], a, b2);
          acc[m][3] = vfmaq_f32(acc[m][3], a, b3);
        }
      }
    }
    const Clamp clamp{vdupq_n_f32(t.low), vdupq_n_f32(t.high)};
#pragma GCC unroll 6
    for (int m = 0; m < M; ++m) {
      float* y = t.y + m * t.y_stride;
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) store_floats(y + 4 * v, clamp(acc[m][v]), t.columns - 4 * v);
    }
  }

  static void depthwise(const generic::FloatDepthwiseArgs& d) {
    float32x4_t low = vld1q_f32(d.bias);
    float32x4_t high = vld1q_f32(d.bias + 4);
    for (int64_t t = 0; t < d.tap_count; ++t) {
      const float* x = d.taps[t] + d.offset;
      const float* w = d.w + t * kBlock;
      low = vfmaq_f32(low, vld1q_f32(x), vld1q_f32(w));
      high = vfmaq_f32(high, vld1q_f32(x + 4), vld1q_f32(w + 4));
    }
    const Clamp clamp{vdupq_n_f32(d.low), vdupq_n_f32(d.high)};
    store_floats(d.y, clamp(low), d.channels);
    store_floats(d.y + 4, clamp(high), d.channels - 4);
  }
};

struct Elements {
  static constexpr double kElementsPerCycle = 4;

  // tbl looks up in 64 bytes and gives 0 beyond them, tbx keeps what it had: the four quarters of
  // the table in turn, the index less where each begins.
  static void lookup(const uint8_t* table, const uint8_t* x, int64_t n, uint8_t* y) {
    const uint8x16x4_t t0 = vld1q_u8_x4(table);
    const uint8x16x4_t t1 = vld1q_u8_x4(table + 64);
    const uint8x16x4_t t2 = vld1q_u8_x4(table + 128);
    const uint8x16x4_t t3 = vld1q_u8_x4(table + 192);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
      const uint8x16_t index = vld1q_u8(x + i);
      uint8x16_t out = vqtbl4q_u8(t0, index);
      out = vqtbx4q_u8(out, t1, vsubq_u8(index, vdupq_n_u8(64)));
      out = vqtbx4q_u8(out, t2, vsubq_u8(index, vdupq_n_u8(128)));
      out = vqtbx4q_u8(out, t3, vsubq_u8(index, vdupq_n_u8(192)));
      vst1q_u8(y + i, out);
    }
    for (; i < n; ++i) y[i] = table[x[i]];
  }
};

}  // namespace

std::span<const Kernel> rows() {
  constexpr Isa kIsa = Isa::kNeon;
  static constexpr auto kTable = generic::joined(
      generic::kQuantizedMatrixRows<Quantized, kIsa, generic::accepts_quantized_matrix>,
      generic::kQuantizedDepthwiseRows<Quantized, kIsa>, generic::kFloatRows<Float, kIsa>,
      generic::kElementwiseRows<Elements, kIsa>);
  return kTable;
}

}  // namespace inferd::kernels::neon

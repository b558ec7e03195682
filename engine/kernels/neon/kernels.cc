// SPDX-License-Identifier: Apache-2.0
//
// Inner loops for every arm64: pairs of 8-bit products summed in 16 bits (smull, smlal, sadalp),
// int16 products summed in 32 bits (smlal) for weights whose pairs do not fit, float with fmla.
#include <arm_neon.h>

#include <algorithm>
#include <array>
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
  static constexpr bool kSplitsDepth = true;
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
  [[gnu::noinline]] static void tile(const generic::QuantizedTileArgs<A, B, Out>& t) {
    int32x4_t acc[M][4] = {};
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
    if (!complete<M, 4>(t, acc)) return;
    add_bias<M, 4>(t, acc);
    store_tile<M, 4>(acc, t);
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
    const Requantizer<Out> requantizer(d.requant);
    const int16x8_t y = requantizer.scaled(low, high, d.scale);
    store_bytes(d.y, vget_low_u8(requantizer.narrow(y, y)), d.channels);
  }
};

// Eight neighbours in depth at a time, for weights that accepts_narrow_byte_matrix takes: twice as
// many products for each instruction as with int16.
struct Pairs {
  using A = int8_t;
  using B = int8_t;
  static constexpr int kStep = 8;
  static constexpr bool kSplitsDepth = true;
  static constexpr generic::Tile kTile{
      .rows = 2, .columns = 8, .interleave = kStep, .depth_multiple = kStep};
  static constexpr generic::Lanes kLanes = generic::Lanes::kS8S8;
  static constexpr double kMacsPerCycle = 12;

  template <typename In>
  static void convert(const In* x, int64_t n, int32_t offset, int8_t* out) {
    convert_to_s8(x, n, offset, out);
  }

  // Two columns at a time, and what comes next loaded ahead, so that in-order cores have other work
  // while products and loads are under way.
  template <int M, int N, typename Out>
  [[gnu::noinline]] static void tile(const generic::QuantizedTileArgs<A, B, Out>& t) {
    int32x4_t acc[M][N] = {};  // four partial sums of each element
    const int8_t* b = t.b;
    const int64_t stride = t.rows.a_stride;
    for (int64_t s = 0; s < t.rows.segment_count; ++s) {
      const int8_t* a = t.rows.a + t.rows.segments[s];
      int64_t left = t.rows.segment_depth;
      if (left >= 2 * kStep) {
        int8x8_t x[2][M];
#pragma GCC unroll 4
        for (int m = 0; m < M; ++m) {
          x[0][m] = vld1_s8(a + m * stride);
          x[1][m] = vld1_s8(a + m * stride + kStep);
        }
        int8x8_t w[2] = {vld1_s8(b), vld1_s8(b + kStep)};
        do {
          left -= 2 * kStep;
          const bool more = left >= 2 * kStep;  // the last time, loads ahead repeat earlier ones
          const int8_t* const next_a = more ? a + 2 * kStep : a;
          const int8_t* const next_b = more ? b + 2 * kStep * N : b;
#pragma GCC unroll 4
          for (int n = 0; n < N; n += 2) {
            const bool last = n + 2 == N;
            const int8_t* const second = b + kStep * (N + n);
            const int8x8_t w1[2] = {vld1_s8(second), vld1_s8(second + kStep)};
            int16x8_t pairs[2][M];
#pragma GCC unroll 2
            for (int i = 0; i < 2; ++i) {
#pragma GCC unroll 4
              for (int m = 0; m < M; ++m) pairs[i][m] = vmull_s8(x[0][m], w[i]);
            }
            const int8_t* const next = last ? next_b : b + kStep * (n + 2);
            w[0] = vld1_s8(next);
            w[1] = vld1_s8(next + kStep);
#pragma GCC unroll 4
            for (int m = 0; last && m < M; ++m) x[0][m] = vld1_s8(next_a + m * stride);
#pragma GCC unroll 2
            for (int i = 0; i < 2; ++i) {
#pragma GCC unroll 4
              for (int m = 0; m < M; ++m) pairs[i][m] = vmlal_s8(pairs[i][m], x[1][m], w1[i]);
            }
#pragma GCC unroll 4
            for (int m = 0; last && m < M; ++m) x[1][m] = vld1_s8(next_a + m * stride + kStep);
#pragma GCC unroll 2
            for (int i = 0; i < 2; ++i) {
#pragma GCC unroll 4
              for (int m = 0; m < M; ++m) acc[m][n + i] = vpadalq_s16(acc[m][n + i], pairs[i][m]);
            }
          }
          a += 2 * kStep;
          b += 2 * kStep * N;
        } while (left >= 2 * kStep);
      }
      if (left > 0) {
#pragma GCC unroll 8
        for (int n = 0; n < N; ++n) {
          const int8x8_t w = vld1_s8(b + kStep * n);
#pragma GCC unroll 4
          for (int m = 0; m < M; ++m) {
            acc[m][n] = vpadalq_s16(acc[m][n], vmull_s8(vld1_s8(a + m * stride), w));
          }
        }
        b += kStep * N;
      }
    }
    int32x4_t sums[M][N / 4];
#pragma GCC unroll 4
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < N / 4; ++v) {
        const int32x4_t* const x = &acc[m][4 * v];
        sums[m][v] = vpaddq_s32(vpaddq_s32(x[0], x[1]), vpaddq_s32(x[2], x[3]));
      }
    }
    if (!complete<M, N / 4>(t, sums)) return;
    add_bias<M, N / 4>(t, sums);
    store_tile<M, N / 4>(sums, t);
  }
};

struct PairsDepthwise {
  using A = int8_t;
  static constexpr generic::ByteDepthwiseTile kTile{
      .block = 16, .interleave = 1, .lanes = generic::Lanes::kS8S8};
  static constexpr double kMacsPerCycle = 12;

  template <typename In>
  static void convert(const In* x, int64_t n, int32_t offset, int8_t* out) {
    convert_to_s8(x, n, offset, out);
  }

  struct Products {
    int16x8_t low, high;
    Products(int8x16_t x, int8x16_t w)
        : low(vmull_s8(vget_low_s8(x), vget_low_s8(w))), high(vmull_high_s8(x, w)) {}
    void add(int8x16_t x, int8x16_t w) {
      low = vmlal_s8(low, vget_low_s8(x), vget_low_s8(w));
      high = vmlal_high_s8(high, x, w);
    }
    void add_to(int32x4_t (&acc)[4]) const {
      acc[0] = vaddw_s16(acc[0], vget_low_s16(low));
      acc[1] = vaddw_high_s16(acc[1], low);
      acc[2] = vaddw_s16(acc[2], vget_low_s16(high));
      acc[3] = vaddw_high_s16(acc[3], high);
    }
  };

  // kTaps: how many there are, 0 where that is known only at run time.
  template <int kTaps, bool Paired, bool Whole, typename Out>
  [[gnu::noinline]] static void any_window(const generic::ByteDepthwiseArgs<Out, int8_t>& args) {
    const ChannelBlock<Paired, Whole, Out> block(args);
    const generic::ByteDepthwiseArgs<Out, int8_t> t = args;  // a copy, as in ChannelBlock
    int64_t known[kTaps + 1];
    std::copy_n(t.taps, kTaps, known);
    const int64_t* const offsets = kTaps > 0 ? known : t.taps;
    const int64_t taps = kTaps > 0 ? kTaps : t.quads;
    for (int64_t i = 0; i < t.count; ++i) {
      const int64_t first = i * t.pixel_stride;
      int32x4_t acc[4];
      block.load_bias(acc);
      int64_t q = 0;
#pragma GCC unroll 4
      for (; q + 2 <= taps; q += 2) {
        Products products(block.load(first + offsets[q]), vld1q_s8(t.w + 16 * q));
        products.add(block.load(first + offsets[q + 1]), vld1q_s8(t.w + 16 * q + 16));
        products.add_to(acc);
      }
      if (q < taps) {
        Products(block.load(first + offsets[q]), vld1q_s8(t.w + 16 * q)).add_to(acc);
      }
      block.store(i, acc);
    }
  }

  template <bool Paired, bool Streams, typename Out>
  static void pixels(const generic::ByteDepthwiseArgs<Out, int8_t>& t) {
    if (t.channels < (Paired ? 8 : 16)) return any_window<0, Paired, false>(t);
    t.quads == 9 ? any_window<9, Paired, true>(t) : any_window<0, Paired, true>(t);
  }
};

float32x4_t load_floats(const float* x, int count) {
  if (count >= 4) return vld1q_f32(x);
  float all[4] = {};
  if (count > 0) std::memcpy(all, x, static_cast<size_t>(count) * sizeof(float));
  return vld1q_f32(all);
}

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
  static constexpr int kInterleave = 1;
  static constexpr bool kSplitsDepth = true;
  static constexpr generic::Tile kTile{.rows = 8, .columns = 8};
  static constexpr int kBlock = 8;
  static constexpr int kDepthwiseChannels = kBlock;
  static constexpr bool kMasksChannels = false;
  static constexpr double kMacsPerCycle = 8;

  using Acc = float32x4_t;
  using Vector = float32x4_t;
  static float32x4_t load(const float* p) { return vld1q_f32(p); }
  static float32x4_t load(const generic::Half* p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
  }
  static float32x4_t load_lane(const float* p) { return vld1q_dup_f32(p); }
  static void widen(const generic::Half* x, int64_t n, float* out) {
    for (int64_t i = 0; i < n; i += 4) vst1q_f32(out + i, load(x + i));
  }
  template <int L>
  static float32x4_t multiply_add(float32x4_t acc, float32x4_t w, float32x4_t a) {
    return vfmaq_laneq_f32(acc, w, a, L);
  }

  template <int M, int N, typename B>
  [[gnu::noinline]] static void tile(const generic::FloatTileArgs<B>& t) {
    constexpr int V = N / 4;
    float32x4_t acc[M][V];
    LaneTile<Float, M, V, float, B>::accumulate(t.rows, t.b, acc);
    if (!complete<M, V>(t, acc)) return;
    const Clamp clamp{vdupq_n_f32(t.low), vdupq_n_f32(t.high)};
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      float* y = t.y + m * t.y_stride;
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        const float32x4_t sum = vaddq_f32(acc[m][v], vld1q_f32(t.bias + 4 * v));
        store_floats(y + 4 * v, clamp(sum), t.columns - 4 * v);
      }
    }
  }

  static void depthwise_pixels(const generic::FloatDepthwisePixelsArgs& d) {
    d.channels == kBlock ? pixels<true>(d) : pixels<false>(d);
  }

  // Four pixels at once share each load of weights.
  template <bool Whole>
  [[gnu::noinline]] static void pixels(const generic::FloatDepthwisePixelsArgs& d) {
    int64_t i = 0;
    for (; i + 4 <= d.count; i += 4) some_pixels<Whole, 4>(d, i);
    for (; i < d.count; ++i) some_pixels<Whole, 1>(d, i);
  }

  template <bool Whole, int N>
  [[gnu::always_inline]] static void some_pixels(const generic::FloatDepthwisePixelsArgs& d,
                                                 int64_t first) {
    const int channels = Whole ? kBlock : d.channels;
    float32x4_t acc[N][2];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      acc[n][0] = vld1q_f32(d.bias);
      acc[n][1] = vld1q_f32(d.bias + 4);
    }
    const float* w = d.w;
    for (int64_t t = 0; t < d.tap_count; ++t, w += kBlock) {
      const float* x = d.taps[t] + d.offset + first * d.step;
      const float32x4_t low = vld1q_f32(w);
      const float32x4_t high = vld1q_f32(w + 4);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n, x += d.step) {
        acc[n][0] = vfmaq_f32(acc[n][0], load_floats(x, channels), low);
        acc[n][1] = vfmaq_f32(acc[n][1], load_floats(x + 4, channels - 4), high);
      }
    }
    const Clamp clamp{vdupq_n_f32(d.low), vdupq_n_f32(d.high)};
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      float* y = d.y + (first + n) * d.y_step;
      store_floats(y, clamp(acc[n][0]), channels);
      store_floats(y + 4, clamp(acc[n][1]), channels - 4);
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

constexpr std::array kPairsRows = {
    Kernel{"conv2d_q8_pairs", OpKind::kConv2d, Isa::kNeon, generic::accepts_narrow_byte_matrix,
           generic::QuantizedMatrix<Pairs>::cost, generic::QuantizedMatrix<Pairs>::pack,
           generic::QuantizedMatrix<Pairs>::prepare, generic::QuantizedMatrix<Pairs>::run,
           kByLines | kSpreadsPixels},
    Kernel{"fully_connected_q8_pairs", OpKind::kFullyConnected, Isa::kNeon,
           generic::accepts_narrow_byte_matrix, generic::QuantizedMatrix<Pairs>::cost,
           generic::QuantizedMatrix<Pairs>::pack, generic::QuantizedMatrix<Pairs>::prepare,
           generic::QuantizedMatrix<Pairs>::run},
    Kernel{"depthwise_conv2d_q8_pairs", OpKind::kDepthwiseConv2d, Isa::kNeon,
           generic::accepts_narrow_byte_depthwise, generic::ByteDepthwise<PairsDepthwise>::cost,
           generic::ByteDepthwise<PairsDepthwise>::pack,
           generic::ByteDepthwise<PairsDepthwise>::prepare,
           generic::ByteDepthwise<PairsDepthwise>::run, kByLines | kSpreadsPixels},
};

}  // namespace

std::span<const Kernel> rows() {
  constexpr Isa kIsa = Isa::kNeon;
  static constexpr auto kTable = generic::joined(
      kPairsRows, generic::kQuantizedMatrixRows<Quantized, kIsa, generic::accepts_quantized_matrix>,
      generic::kQuantizedDepthwiseRows<Quantized, kIsa>, generic::kFloatRows<Float, kIsa>);
  return kTable;
}

}  // namespace inferd::kernels::neon

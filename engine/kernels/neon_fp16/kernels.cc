// SPDX-License-Identifier: Apache-2.0
//
// Inner loops for arm64 with arithmetic in half precision (Cortex-A55, A75 and later): fmla of
// eight lanes. Depthwise layers stay float32: they are bound by loading and storing float32
// activations, and rounding those would take longer than the products.
#include <arm_neon.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "engine/kernels/folders.h"
#include "engine/kernels/generic/half_matrix_run.h"

namespace inferd::kernels::neon_fp16 {
namespace {

using generic::Half;

float16x8_t load8(const Half* p) { return vreinterpretq_f16_u16(vld1q_u16(p)); }

// acc + w * a[L]. GCC makes of vfmaq_laneq_f16 a dup, which several vectors of weights then share,
// and a fmla of whole vectors: more registers than there are. Only v0 to v15 ("x") have lanes.
template <int L>
[[gnu::always_inline]] inline float16x8_t multiply_add(float16x8_t acc, float16x8_t w,
                                                       float16x8_t a) {
  asm("fmla %0.8h, %1.8h, %2.h[%3]" : "+w"(acc) : "w"(w), "x"(a), "i"(L));
  return acc;
}

// The steps of a tile of M rows and V vectors of columns. Few accumulators cannot hide the latency
// of a multiply-add, so small tiles keep U partial sums each.
template <int M, int V>
struct HalfTile {
  static constexpr int U = M * V >= 8 ? 1 : M * V >= 4 ? 2 : 4;
  static constexpr int kStep = 8 * V;  // weights of one step in depth
  using Accumulators = float16x8_t[U][M][V];

  // acc += a * b over eight steps in depth: each lane of a row's register in turn.
  [[gnu::always_inline]] static void eight_steps(const Half* a, int64_t stride, const Half* b,
                                                 Accumulators& acc) {
    float16x8_t x[M];
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) x[m] = load8(a + m * stride);
    Weights w;
    load(b, w);
    steps_from<0>(x, b, w, acc);
  }
  [[gnu::always_inline]] static void one_step(const Half* a, int64_t stride, const Half* b,
                                              Accumulators& acc) {
    float16x8_t x[M];
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) x[m] = vreinterpretq_f16_u16(vld1q_dup_u16(a + m * stride));
    Weights w;
    load(b, w);
    step<0>(x, w, acc);
  }

  [[gnu::always_inline]] static void clear(Accumulators& acc) {
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) {
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) acc[u][m][v] = vdupq_n_f16(0);
      }
    }
  }

  // Ends a stretch: sums += scale * acc.
  [[gnu::always_inline]] static void add_to(float (&sums)[M][8 * V], const float* scale,
                                            const Accumulators& acc) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      const float32x4_t low_scale = vld1q_f32(scale + 8 * v);
      const float32x4_t high_scale = vld1q_f32(scale + 8 * v + 4);
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
        float32x4_t low = vld1q_f32(sums[m] + 8 * v);
        float32x4_t high = vld1q_f32(sums[m] + 8 * v + 4);
#pragma GCC unroll 4
        for (int u = 0; u < U; ++u) {
          low = vfmaq_f32(low, vcvt_f32_f16(vget_low_f16(acc[u][m][v])), low_scale);
          high = vfmaq_f32(high, vcvt_high_f32_f16(acc[u][m][v]), high_scale);
        }
        vst1q_f32(sums[m] + 8 * v, low);
        vst1q_f32(sums[m] + 8 * v + 4, high);
      }
    }
  }

 private:
  using Weights = float16x8_t[V];

  [[gnu::always_inline]] static void load(const Half* b, Weights& w) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) w[v] = load8(b + 8 * v);
  }
  template <int L>
  [[gnu::always_inline]] static void step(const float16x8_t (&x)[M], const Weights& w,
                                          Accumulators& acc) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
        acc[L % U][m][v] = multiply_add<L>(acc[L % U][m][v], w[v], x[m]);
      }
    }
  }
  // Steps L to 7, each with the next one's weights on their way, which in-order cores would wait
  // for.
  template <int L>
  [[gnu::always_inline]] static void steps_from(const float16x8_t (&x)[M], const Half* b,
                                                const Weights& w, Accumulators& acc) {
    if constexpr (L < 7) {
      Weights next;
      load(b + (L + 1) * kStep, next);
      step<L>(x, w, acc);
      steps_from<L + 1>(x, b, next, acc);
    } else {
      step<L>(x, w, acc);
    }
  }
};

// 8 rows of 16 columns: 16 accumulators and 8 registers of a, with five multiplications for each
// load. Float32 sums lie on the stack, where a stretch's end finds them in the first-level cache.
struct HalfPrecision {
  static constexpr generic::Tile kTile{.rows = 8, .columns = 16, .narrow = 8};
  static constexpr bool kSplitsDepth = true;
  static constexpr double kMacsPerCycle = 14;

  static void convert(const float* x, int64_t n, Half* out) {
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
      const float16x8_t halves =
          vcvt_high_f16_f32(vcvt_f16_f32(vld1q_f32(x + i)), vld1q_f32(x + i + 4));
      vst1q_u16(out + i, vreinterpretq_u16_f16(halves));
    }
    for (; i < n; ++i) {
      const auto half = static_cast<float16_t>(x[i]);
      std::memcpy(out + i, &half, sizeof(half));
    }
  }

  template <int M, int N>
  [[gnu::noinline]] static void tile(const generic::HalfTileArgs& t) {
    constexpr int V = N / 8;
    alignas(16) float sums[M][N];
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m)
      std::copy_n(t.part.first ? t.bias : t.part.sums + m * N, N, sums[m]);
    using Tile = HalfTile<M, V>;
    typename Tile::Accumulators acc;
    Tile::clear(acc);
    const Half* b = t.b;
    const int64_t stride = t.rows.a_stride;
    int64_t room = generic::kHalfStretch;
    for (int64_t s = 0; s < t.rows.segment_count; ++s) {
      const Half* a = t.rows.a + t.rows.segments[s];
      for (int64_t left = t.rows.segment_depth; left > 0;) {
        int64_t count = std::min(left, room);
        left -= count;
        room -= count;
        for (; count >= 8; count -= 8, a += 8, b += 8 * N) Tile::eight_steps(a, stride, b, acc);
#pragma GCC unroll 1
        for (; count > 0; --count, ++a, b += N) Tile::one_step(a, stride, b, acc);
        if (room > 0) continue;
        Tile::add_to(sums, t.scale, acc);
        Tile::clear(acc);
        room = generic::kHalfStretch;
      }
    }
    Tile::add_to(sums, t.scale, acc);
    if (!t.part.last) {
      for (int m = 0; m < M; ++m) std::copy_n(sums[m], N, t.part.sums + m * N);
      return;
    }
    store<M, N>(t, sums);
  }

  template <int M, int N>
  static void store(const generic::HalfTileArgs& t, const float (&sums)[M][N]) {
    const float32x4_t low = vdupq_n_f32(t.low);
    const float32x4_t high = vdupq_n_f32(t.high);
    for (int m = 0; m < M; ++m) {
      float* const y = t.y + m * t.y_stride;
      for (int n = 0; n < t.columns; n += 4) {
        const float32x4_t value = vminq_f32(vmaxq_f32(vld1q_f32(sums[m] + n), low), high);
        if (n + 4 <= t.columns) {
          vst1q_f32(y + n, value);
        } else {
          float some[4];
          vst1q_f32(some, value);
          std::copy_n(some, t.columns - n, y + n);
        }
      }
    }
  }
};

}  // namespace

std::span<const Kernel> rows() {
  static constexpr auto kTable = generic::kHalfMatrixRows<HalfPrecision, Isa::kNeonFp16>;
  return kTable;
}

}  // namespace inferd::kernels::neon_fp16

// SPDX-License-Identifier: Apache-2.0
//
// Inner loop for arm64 with 8-bit matrix instructions (Cortex-A510, A710, Neoverse V1 and later):
// smmla multiplies two rows with two columns, eight deep, and adds the four sums to its lanes.
#include <arm_neon.h>

#include <algorithm>
#include <span>

#include "engine/kernels/folders.h"
#include "engine/kernels/generic/rows.h"
#include "engine/kernels/neon/common.h"

namespace inferd::kernels::neon_i8mm {
namespace {

// 4 rows of 16 columns: rows have to be paired in registers, which wide tiles do least often.
struct Quantized {
  using A = int8_t;
  using B = int8_t;
  static constexpr int kInterleave = 8;
  static constexpr bool kSplitsDepth = true;
  static constexpr generic::Tile kTile{.rows = 4,
                                       .columns = 16,
                                       .narrow = 8,
                                       .interleave = kInterleave,
                                       .depth_multiple = kInterleave};
  static constexpr generic::Lanes kLanes = generic::Lanes::kS8S8;
  static constexpr double kMacsPerCycle = 50;

  template <typename In>
  static void convert(const In* x, int64_t n, int32_t offset, int8_t* out) {
    convert_to_s8(x, n, offset, out);
  }

  // Sums of rows 2p and 2p + 1 and columns 2c and 2c + 1, row by row, are acc[p][c].
  template <int P, int C>
  [[gnu::always_inline]] static void step(const int8x16_t (&a)[P], const int8_t* b,
                                          int32x4_t (&acc)[P][C]) {
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
      const int8x16_t w = vld1q_s8(b + 16 * c);
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) acc[p][c] = vmmlaq_s32(acc[p][c], a[p], w);
    }
  }

  template <int M, int N, typename Out>
  [[gnu::noinline]] static void tile(const generic::QuantizedTileArgs<A, B, Out>& t) {
    constexpr int P = (M + 1) / 2;
    constexpr int C = N / 2;
    int32x4_t acc[P][C] = {};
    const int8_t* b = t.b;
    // An odd last row is paired with itself.
    const int64_t stride = t.rows.a_stride;
    const auto row = [&](const int8_t* a, int m) { return a + std::min(m, M - 1) * stride; };
    for (int64_t s = 0; s < t.rows.segment_count; ++s) {
      const int8_t* a = t.rows.a + t.rows.segments[s];
      int64_t left = t.rows.segment_depth;
      for (; left >= 16; left -= 16, a += 16, b += 16 * N) {
        int8x16_t first[P];
        int8x16_t second[P];
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) {
          const int64x2_t x = vreinterpretq_s64_s8(vld1q_s8(row(a, 2 * p)));
          const int64x2_t y = vreinterpretq_s64_s8(vld1q_s8(row(a, 2 * p + 1)));
          first[p] = vreinterpretq_s8_s64(vzip1q_s64(x, y));
          second[p] = vreinterpretq_s8_s64(vzip2q_s64(x, y));
        }
        step<P, C>(first, b, acc);
        step<P, C>(second, b + 8 * N, acc);
      }
      if (left > 0) {
        int8x16_t pair[P];
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) {
          pair[p] = vcombine_s8(vld1_s8(row(a, 2 * p)), vld1_s8(row(a, 2 * p + 1)));
        }
        step<P, C>(pair, b, acc);
        b += 8 * N;
      }
    }
    int32x4_t sums[M][N / 4];
#pragma GCC unroll 4
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < N / 4; ++v) {
        const int64x2_t x = vreinterpretq_s64_s32(acc[m / 2][2 * v]);
        const int64x2_t y = vreinterpretq_s64_s32(acc[m / 2][2 * v + 1]);
        sums[m][v] = vreinterpretq_s32_s64(m % 2 == 0 ? vzip1q_s64(x, y) : vzip2q_s64(x, y));
      }
    }
    if (!complete<M, N / 4>(t, sums)) return;
    add_bias<M, N / 4>(t, sums);
    store_tile<M, N / 4>(sums, t);
  }
};

}  // namespace

std::span<const Kernel> rows() {
  constexpr Isa kIsa = Isa::kNeonI8mm;
  return generic::kQuantizedMatrixRows<Quantized, kIsa, generic::accepts_byte_matrix>;
}

}  // namespace inferd::kernels::neon_i8mm

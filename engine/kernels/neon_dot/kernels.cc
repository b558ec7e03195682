// SPDX-License-Identifier: Apache-2.0
//
// Inner loop for arm64 with dot product instructions (Cortex-A55, A75 and later): sdot adds four
// 8-bit products to each lane.
#include <arm_neon.h>

#include <cstring>
#include <span>

#include "engine/kernels/folders.h"
#include "engine/kernels/generic/rows.h"
#include "engine/kernels/neon/common.h"

namespace inferd::kernels::neon_dot {
namespace {

struct Quantized {
  using A = int8_t;
  using B = int8_t;
  static constexpr int kInterleave = 4;
  static constexpr int kStep = 8;  // depth taken at once: two lanes of a's registers
  static constexpr bool kSplitsDepth = false;
  static constexpr generic::Tile kTile{
      .rows = 4, .columns = 16, .narrow = 16, .interleave = kInterleave, .depth_multiple = kStep};
  static constexpr generic::Lanes kLanes = generic::Lanes::kS8S8;
  static constexpr double kMacsPerCycle = 30;

  // x - offset, which is 0 for int8_t and 128 for uint8_t: flips the sign bit or nothing.
  template <typename In>
  static void convert(const In* x, int64_t n, int32_t offset, int8_t* out) {
    const auto flip = static_cast<uint8_t>(offset);
    const auto* from = reinterpret_cast<const uint8_t*>(x);
    auto* to = reinterpret_cast<uint8_t*>(out);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) vst1q_u8(to + i, veorq_u8(vld1q_u8(from + i), vdupq_n_u8(flip)));
    for (; i < n; ++i) to[i] = static_cast<uint8_t>(from[i] ^ flip);
  }

  template <int M, int L>
  static void accumulate(const int8x8_t (&a)[M], const int8_t* b, int32x4_t (&acc)[M][4]) {
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const int8x16_t weights = vld1q_s8(b + (L * 4 + v) * 16);
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) acc[m][v] = vdotq_lane_s32(acc[m][v], weights, a[m], L);
    }
  }

  template <int M, int N, typename Out>
  static void tile(const generic::QuantizedTileArgs<A, B, Out>& t) {
    int32x4_t acc[M][4];
    load_bias<M>(t, acc);
    const int8_t* b = t.b;
    for (int64_t s = 0; s < t.rows.segment_count; ++s) {
      const int8_t* x = t.rows.a + t.rows.segments[s];
      for (int64_t k = 0; k < t.rows.segment_depth; k += kStep, b += kStep * N) {
        int8x8_t a[M];
#pragma GCC unroll 4
        for (int m = 0; m < M; ++m) a[m] = vld1_s8(x + m * t.rows.a_stride + k);
        accumulate<M, 0>(a, b, acc);
        accumulate<M, 1>(a, b, acc);
      }
    }
    store_tile<M>(acc, t);
  }
};

}  // namespace

std::span<const Kernel> rows() {
  constexpr Isa kIsa = Isa::kNeonDot;
  return generic::kQuantizedMatrixRows<Quantized, kIsa, generic::accepts_byte_matrix>;
}

}  // namespace inferd::kernels::neon_dot

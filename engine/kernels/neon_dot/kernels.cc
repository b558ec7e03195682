// SPDX-License-Identifier: Apache-2.0
//
// Inner loops for arm64 with dot product instructions (Cortex-A55, A75 and later): sdot adds four
// 8-bit products to each lane.
#include <arm_neon.h>

#include <cstring>
#include <span>

#include "engine/kernels/folders.h"
#include "engine/kernels/generic/rows.h"
#include "engine/kernels/neon/common.h"

namespace inferd::kernels::neon_dot {
namespace {

// 8 rows of 8 columns: 16 accumulators, and with 8 registers of a the fewest loads for each sdot
// that leave room for weights.
struct Quantized {
  using A = int8_t;
  using B = int8_t;
  static constexpr int kInterleave = 4;
  static constexpr bool kSplitsDepth = true;
  static constexpr generic::Tile kTile{
      .rows = 8, .columns = 8, .interleave = kInterleave, .depth_multiple = kInterleave};
  static constexpr generic::Lanes kLanes = generic::Lanes::kS8S8;
  static constexpr double kMacsPerCycle = 30;

  template <typename In>
  static void convert(const In* x, int64_t n, int32_t offset, int8_t* out) {
    convert_to_s8(x, n, offset, out);
  }

  using Acc = int32x4_t;
  using Vector = int8x16_t;
  static int8x16_t load(const int8_t* p) { return vld1q_s8(p); }
  static int8x16_t load_lane(const int8_t* p) {
    int32_t four;
    std::memcpy(&four, p, sizeof(four));
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
  }
  template <int L>
  static int32x4_t multiply_add(int32x4_t acc, int8x16_t w, int8x16_t a) {
    return vdotq_laneq_s32(acc, w, a, L);
  }

  template <int M, int N, typename Out>
  [[gnu::noinline]] static void tile(const generic::QuantizedTileArgs<A, B, Out>& t) {
    int32x4_t acc[M][N / 4];
    LaneTile<Quantized, M, N / 4, A, B>::accumulate(t.rows, t.b, acc);
    if (!complete<M, N / 4>(t, acc)) return;
    add_bias<M, N / 4>(t, acc);
    store_tile<M, N / 4>(acc, t);
  }
};

struct QuantizedDepthwise {
  using A = int8_t;
  static constexpr generic::ByteDepthwiseTile kTile{
      .block = 16, .interleave = 4, .lanes = generic::Lanes::kS8S8};
  static constexpr double kMacsPerCycle = 16;

  template <typename In>
  static void convert(const In* x, int64_t n, int32_t offset, int8_t* out) {
    convert_to_s8(x, n, offset, out);
  }

  // The bytes of four taps interleaved: four channels in each vector.
  struct Quads {
    int8x16_t v[4];
    Quads() = default;
    [[gnu::always_inline]] Quads(int8x16_t x0, int8x16_t x1, int8x16_t x2, int8x16_t x3) {
      const int16x8_t low01 = vreinterpretq_s16_s8(vzip1q_s8(x0, x1));
      const int16x8_t high01 = vreinterpretq_s16_s8(vzip2q_s8(x0, x1));
      const int16x8_t low23 = vreinterpretq_s16_s8(vzip1q_s8(x2, x3));
      const int16x8_t high23 = vreinterpretq_s16_s8(vzip2q_s8(x2, x3));
      v[0] = vreinterpretq_s8_s16(vzip1q_s16(low01, low23));
      v[1] = vreinterpretq_s8_s16(vzip2q_s16(low01, low23));
      v[2] = vreinterpretq_s8_s16(vzip1q_s16(high01, high23));
      v[3] = vreinterpretq_s8_s16(vzip2q_s16(high01, high23));
    }
  };

  template <bool Paired, bool Whole, bool Centered, typename Out>
  class Block : public ChannelBlock<Paired, Whole, Out> {
   public:
    using Acc = int32x4_t;
    using ChannelBlock<Paired, Whole, Out>::ChannelBlock;
    using ChannelBlock<Paired, Whole, Out>::load;
    using ChannelBlock<Paired, Whole, Out>::t_;

    // Column of a 3x3 window.
    [[gnu::always_inline]] Quads column(int64_t offset) const {
      return {load(offset), load(offset + t_.line_pitch), load(offset + 2 * t_.line_pitch),
              vdupq_n_s8(0)};
    }
    [[gnu::always_inline]] void add(const Quads& quads, int64_t quad, int32x4_t (&acc)[4]) const {
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) {
        acc[v] = vdotq_s32(acc[v], quads.v[v], vld1q_s8(t_.w + 64 * quad + 16 * v));
        if constexpr (Centered) {
          acc[v] = vdotq_s32(acc[v], quads.v[v], vld1q_s8(t_.center + 16 * v));
        }
      }
    }
    [[gnu::always_inline]] void pixel3x3(int64_t pixel, const Quads& left, const Quads& middle,
                                         const Quads& right) const {
      int32x4_t acc[4];
      this->load_bias(acc);
      add(left, 0, acc);
      add(middle, 1, acc);
      add(right, 2, acc);
      this->store(pixel, acc);
    }
  };

  template <bool Paired, bool Streams, typename Out>
  static void pixels(const generic::ByteDepthwiseArgs<Out, int8_t>& t) {
    if (t.center != nullptr) return pixels<Paired, Streams, false, true>(t);
    t.channels == (Paired ? 8 : 16) ? pixels<Paired, Streams, true, false>(t)
                                    : pixels<Paired, Streams, false, false>(t);
  }

  template <bool Paired, bool Streams, bool Whole, bool Centered, typename Out>
  [[gnu::noinline]] static void pixels(const generic::ByteDepthwiseArgs<Out, int8_t>& t) {
    const Block<Paired, Whole, Centered, Out> block(t);
    const generic::ByteDepthwiseArgs<Out, int8_t> args = t;  // a copy, as in ChannelBlock
    Streams ? generic::stream(block, args) : generic::any_window<Quads>(block, args);
  }
};

}  // namespace

std::span<const Kernel> rows() {
  constexpr Isa kIsa = Isa::kNeonDot;
  static constexpr auto kTable =
      generic::joined(generic::kQuantizedMatrixRows<Quantized, kIsa, generic::accepts_byte_matrix>,
                      generic::kByteDepthwiseRows<QuantizedDepthwise, kIsa>);
  return kTable;
}

}  // namespace inferd::kernels::neon_dot

// SPDX-License-Identifier: Apache-2.0
//
// What the arm64 folders share: conversion, the tile of accumulators for instructions that take one
// 32-bit lane of a row, and the way back to 8 bits. In an unnamed namespace, because each folder
// compiles it with its own flags.
#pragma once

#include <arm_neon.h>

#include <cstring>
#include <type_traits>

#include "engine/kernels/generic/byte_depthwise_run.h"
#include "engine/kernels/generic/matrix_run.h"

namespace inferd::kernels {
namespace {

// x - offset for Lanes::kS8S8: the offset is 0 for int8_t and 128 for uint8_t, which flips the sign
// bit.
template <typename In>
void convert_to_s8(const In* x, int64_t n, int32_t offset, int8_t* out) {
  const auto flip = static_cast<uint8_t>(offset);
  const auto* from = reinterpret_cast<const uint8_t*>(x);
  auto* to = reinterpret_cast<uint8_t*>(out);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) vst1q_u8(to + i, veorq_u8(vld1q_u8(from + i), vdupq_n_u8(flip)));
  for (; i < n; ++i) to[i] = static_cast<uint8_t>(from[i] ^ flip);
}

// The first `count` of 8 bytes.
inline void store_bytes(void* to, uint8x8_t bytes, int count) {
  auto* y = static_cast<uint8_t*>(to);
  if (count >= 8) {
    vst1_u8(y, bytes);
    return;
  }
  uint64_t rest = vget_lane_u64(vreinterpret_u64_u8(bytes), 0);
  if ((count & 4) != 0) {
    std::memcpy(y, &rest, 4);
    y += 4;
    rest >>= 32;
  }
  if ((count & 2) != 0) {
    std::memcpy(y, &rest, 2);
    y += 2;
    rest >>= 16;
  }
  if ((count & 1) != 0) *y = static_cast<uint8_t>(rest);
}

inline void store_bytes(void* to, uint8x16_t bytes, int count) {
  if (count >= 16) {
    vst1q_u8(static_cast<uint8_t*>(to), bytes);
    return;
  }
  store_bytes(to, vget_low_u8(bytes), count);
  if (count > 8) store_bytes(static_cast<uint8_t*>(to) + 8, vget_high_u8(bytes), count - 8);
}

// Accumulators to stored values. Every step saturates, so bounds may be applied last, 16 at a time.
template <typename Out>
class Requantizer {
 public:
  explicit Requantizer(const generic::RequantParams& q)
      : zero_(vdupq_n_s16(static_cast<int16_t>(q.zero_point))),
        low_(vdupq_n_u8(static_cast<uint8_t>(static_cast<int>(q.low) + q.zero_point))),
        high_(vdupq_n_u8(static_cast<uint8_t>(static_cast<int>(q.high) + q.zero_point))) {}

  // Rounded, zero point added.
  [[gnu::always_inline]] int16x8_t scaled(int32x4_t a, int32x4_t b, const float* scale) const {
    const int16x4_t low = vqmovn_s32(rounded(a, scale));
    return vqaddq_s16(vqmovn_high_s32(low, rounded(b, scale + 4)), zero_);
  }
  [[gnu::always_inline]] uint8x16_t narrow(int16x8_t a, int16x8_t b) const {
    if constexpr (std::is_same_v<Out, uint8_t>) {
      const uint8x16_t bytes = vqmovun_high_s16(vqmovun_s16(a), b);
      return vminq_u8(vmaxq_u8(bytes, low_), high_);
    } else {
      const int8x16_t bytes = vqmovn_high_s16(vqmovn_s16(a), b);
      return vreinterpretq_u8_s8(
          vminq_s8(vmaxq_s8(bytes, vreinterpretq_s8_u8(low_)), vreinterpretq_s8_u8(high_)));
    }
  }

 private:
  static int32x4_t rounded(int32x4_t acc, const float* scale) {
    return vcvtnq_s32_f32(vmulq_f32(vcvtq_f32_s32(acc), vld1q_f32(scale)));
  }

  int16x8_t zero_;
  uint8x16_t low_;
  uint8x16_t high_;
};

// V vectors of sums for each row; two rows of 8 columns share the last steps.
template <int M, int V, typename A, typename B, typename Out>
[[gnu::always_inline]] inline void store_tile(const int32x4_t (&acc)[M][V],
                                              const generic::QuantizedTileArgs<A, B, Out>& t) {
  const Requantizer<Out> requantizer(t.requant);
  if constexpr (V == 4) {
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      store_bytes(t.y + m * t.y_stride,
                  requantizer.narrow(requantizer.scaled(acc[m][0], acc[m][1], t.scale),
                                     requantizer.scaled(acc[m][2], acc[m][3], t.scale + 8)),
                  t.columns);
    }
  } else {
    static_assert(V == 2);
#pragma GCC unroll 8
    for (int m = 0; m < M; m += 2) {
      const int other = m + 1 < M ? m + 1 : m;
      const uint8x16_t bytes =
          requantizer.narrow(requantizer.scaled(acc[m][0], acc[m][1], t.scale),
                             requantizer.scaled(acc[other][0], acc[other][1], t.scale));
      store_bytes(t.y + m * t.y_stride, vget_low_u8(bytes), t.columns);
      if (m + 1 < M) store_bytes(t.y + other * t.y_stride, vget_high_u8(bytes), t.columns);
    }
  }
}

inline int32x4_t load4(const int32_t* p) { return vld1q_s32(p); }
inline float32x4_t load4(const float* p) { return vld1q_f32(p); }
inline void store4(int32_t* p, int32x4_t v) { vst1q_s32(p, v); }
inline void store4(float* p, float32x4_t v) { vst1q_f32(p, v); }

// Adds what an earlier part of the depth left. False when a later part will go on: then the sums
// are put down for it.
template <int M, int V, typename Args, typename Acc>
[[gnu::always_inline]] inline bool complete(const Args& t, Acc (&acc)[M][V]) {
  if (!t.part.first) {
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[m][v] += load4(t.part.sums + 4 * (m * V + v));
    }
  }
  if (t.part.last) return true;
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store4(t.part.sums + 4 * (m * V + v), acc[m][v]);
  }
  return false;
}

// acc += bias of the columns and of the row.
template <int M, int V, typename Args>
[[gnu::always_inline]] inline void add_bias(const Args& t, int32x4_t (&acc)[M][V]) {
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
    const int32x4_t row = vdupq_n_s32(t.row_bias == nullptr ? 0 : t.row_bias[m]);
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      acc[m][v] = vaddq_s32(acc[m][v], vaddq_s32(vld1q_s32(t.bias + 4 * v), row));
    }
  }
}

// What depthwise loops share: 16 channels of a pixel, or 8 of the pixels of two lines; `Whole` when
// all of them exist.
template <bool Paired, bool Whole, typename Out>
class ChannelBlock {
 public:
  using Args = generic::ByteDepthwiseArgs<Out, int8_t>;

  explicit ChannelBlock(const Args& t) : t_(t), requantizer_(t.requant) {}

  [[gnu::always_inline]] int8x16_t load(int64_t offset) const {
    if constexpr (Paired) {
      return vcombine_s8(vld1_s8(t_.a[0] + offset), vld1_s8(t_.a[1] + offset));
    } else {
      return vld1q_s8(t_.a[0] + offset);
    }
  }
  [[gnu::always_inline]] void load_bias(int32x4_t (&acc)[4]) const {
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) acc[v] = vld1q_s32(t_.bias + 4 * v);
  }
  [[gnu::always_inline]] void store(int64_t pixel, const int32x4_t (&acc)[4]) const {
    const uint8x16_t bytes = requantizer_.narrow(requantizer_.scaled(acc[0], acc[1], t_.scale),
                                                 requantizer_.scaled(acc[2], acc[3], t_.scale + 8));
    const int channels = Whole ? (Paired ? 8 : 16) : t_.channels;
    if constexpr (Paired) {
      store_bytes(t_.y[0] + pixel * t_.y_stride, vget_low_u8(bytes), channels);
      store_bytes(t_.y[1] + pixel * t_.y_stride, vget_high_u8(bytes), channels);
    } else {
      store_bytes(t_.y[0] + pixel * t_.y_stride, bytes, channels);
    }
  }

 protected:
  const Args t_;  // a copy: y cannot alias it

 private:
  const Requantizer<Out> requantizer_;
};

// acc[m][v] = sum over depth of a[m] * b[v], for a P whose multiply-add takes a vector of weights
// and one 32-bit lane, kInterleave neighbours, of a row:
//   Vector                        four lanes of a row, or the weights of four columns
//   load(p), load_lane(p)         a Vector; one lane of it in all
//   multiply_add<L>(acc, w, a)
// Few accumulators cannot hide the latency of a multiply-add, so small tiles keep U partial sums
// each.
template <typename P, int M, int V, typename A, typename B>
class LaneTile {
 public:
  using Acc = typename P::Acc;
  using Vector = typename P::Vector;

  [[gnu::always_inline]] static void accumulate(const generic::Rows<A>& rows, const B* b,
                                                Acc (&acc)[M][V]) {
    Acc part[U][M][V] = {};
    for (int64_t s = 0; s < rows.segment_count; ++s) {
      const A* a = rows.a + rows.segments[s];
      int64_t left = rows.segment_depth;
      for (; left >= 4 * kGroup; left -= 4 * kGroup, a += 4 * kGroup, b += 4 * kStep) {
        Vector x[M];
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m) x[m] = P::load(a + m * rows.a_stride);
        step<0>(x, b, part[0]);
        step<1>(x, b + kStep, part[1 % U]);
        step<2>(x, b + 2 * kStep, part[2 % U]);
        step<3>(x, b + 3 * kStep, part[3 % U]);
      }
#pragma GCC unroll 1
      for (; left > 0; left -= kGroup, a += kGroup, b += kStep) {
        Vector x[M];
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m) x[m] = P::load_lane(a + m * rows.a_stride);
        step<0>(x, b, part[0]);
      }
    }
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        acc[m][v] = part[0][m][v];
#pragma GCC unroll 4
        for (int u = 1; u < U; ++u) acc[m][v] += part[u][m][v];
      }
    }
  }

 private:
  static constexpr int kGroup = P::kInterleave;
  static constexpr int kStep = 4 * kGroup * V;  // weights of one lane's depth
  static constexpr int U = M * V >= 8 ? 1 : M * V >= 4 ? 2 : 4;

  template <int L>
  [[gnu::always_inline]] static void step(const Vector (&x)[M], const B* b, Acc (&acc)[M][V]) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const Vector w = P::load(b + 4 * kGroup * v);
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) acc[m][v] = P::template multiply_add<L>(acc[m][v], w, x[m]);
    }
  }
};

}  // namespace
}  // namespace inferd::kernels

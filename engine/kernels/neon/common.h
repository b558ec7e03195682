// SPDX-License-Identifier: Apache-2.0
//
// What the arm64 folders share: the beginning and end of a quantized tile of 16 columns. In an
// unnamed namespace, because each folder compiles it with its own flags.
#pragma once

#include <arm_neon.h>

#include <cstring>

#include "engine/kernels/generic/matrix_run.h"

namespace inferd::kernels {
namespace {

// Four accumulators to four stored values, as int32.
inline int32x4_t requantize(int32x4_t acc, const float* scale, const generic::RequantParams& q) {
  const float32x4_t value = vmulq_f32(vcvtq_f32_s32(acc), vld1q_f32(scale));
  const float32x4_t clamped = vminq_f32(vmaxq_f32(value, vdupq_n_f32(q.low)), vdupq_n_f32(q.high));
  return vaddq_s32(vcvtnq_s32_f32(clamped), vdupq_n_s32(q.zero_point));
}

template <int M, typename Args>
void load_bias(const Args& t, int32x4_t (&acc)[M][4]) {
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
    const int32x4_t row = vdupq_n_s32(t.row_bias == nullptr ? 0 : t.row_bias[m]);
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) acc[m][v] = vaddq_s32(vld1q_s32(t.bias + 4 * v), row);
  }
}

// Values lie within Out's range already, so narrowing drops only zero or sign bits.
template <int M, typename Args>
void store_tile(const int32x4_t (&acc)[M][4], const Args& t) {
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
    int16x4_t part[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      part[v] = vmovn_s32(requantize(acc[m][v], t.scale + 4 * v, t.requant));
    }
    const int8x16_t bytes = vcombine_s8(vmovn_s16(vcombine_s16(part[0], part[1])),
                                        vmovn_s16(vcombine_s16(part[2], part[3])));
    auto* y = reinterpret_cast<int8_t*>(t.y + m * t.y_stride);
    if (t.columns == 16) {
      vst1q_s8(y, bytes);
    } else {
      int8_t all[16];
      vst1q_s8(all, bytes);
      std::memcpy(y, all, static_cast<size_t>(t.columns));
    }
  }
}

}  // namespace
}  // namespace inferd::kernels

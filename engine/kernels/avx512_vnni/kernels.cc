// SPDX-License-Identifier: Apache-2.0
//
// Inner loop for AVX-512 with VNNI: vpdpbusd adds four products of uint8 and int8 to each lane,
// without saturation.
#include <immintrin.h>

#include <cstring>
#include <span>

#include "engine/kernels/folders.h"
#include "engine/kernels/generic/matrix_run.h"

namespace inferd::kernels::avx512_vnni {
namespace {

// The lowest `count` of 64 or 16 lanes.
__mmask64 first_bytes(int64_t count) {
  return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1;
}
__mmask16 first_lanes(int count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffff : (1 << count) - 1);
}

struct Quantized {
  using A = uint8_t;
  using B = int8_t;
  static constexpr int kInterleave = 4;
  static constexpr generic::Tile kTile{
      .rows = 12, .columns = 32, .interleave = kInterleave, .depth_multiple = kInterleave};
  static constexpr generic::Lanes kLanes = generic::Lanes::kU8S8;
  static constexpr double kMacsPerCycle = 60;

  // x - offset, which is 0 for uint8_t and -128 for int8_t: flips the sign bit or nothing.
  template <typename In>
  static void convert(const In* x, int64_t n, int32_t offset, uint8_t* out) {
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(offset));
    for (int64_t i = 0; i < n; i += 64) {
      const __mmask64 mask = first_bytes(n - i);
      _mm512_mask_storeu_epi8(out + i, mask,
                              _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, x + i), flip));
    }
  }

  // 16 accumulators to their first `count` stored bytes. Values lie within the output's range.
  static void store(__m512i acc, const float* scale, const generic::RequantParams& q, int count,
                    void* y) {
    const __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_loadu_ps(scale));
    const __m512 clamped =
        _mm512_min_ps(_mm512_max_ps(value, _mm512_set1_ps(q.low)), _mm512_set1_ps(q.high));
    const __m512i stored =
        _mm512_add_epi32(_mm512_cvtps_epi32(clamped), _mm512_set1_epi32(q.zero_point));
    _mm512_mask_cvtepi32_storeu_epi8(y, first_lanes(count), stored);
  }

  template <int M, typename Out>
  static void tile(const generic::QuantizedTileArgs<A, B, Out>& t) {
    __m512i acc[M][2];
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m) {
      acc[m][0] = _mm512_loadu_si512(t.bias);
      acc[m][1] = _mm512_loadu_si512(t.bias + 16);
    }
    const int8_t* b = t.b;
    for (int64_t k = 0; k < t.depth; k += kInterleave, b += kInterleave * kTile.columns) {
      const __m512i b0 = _mm512_loadu_si512(b);
      const __m512i b1 = _mm512_loadu_si512(b + 64);
#pragma GCC unroll 12
      for (int m = 0; m < M; ++m) {
        int32_t four;
        std::memcpy(&four, t.a + m * t.a_stride + k, sizeof(four));
        const __m512i a = _mm512_set1_epi32(four);
        acc[m][0] = _mm512_dpbusd_epi32(acc[m][0], a, b0);
        acc[m][1] = _mm512_dpbusd_epi32(acc[m][1], a, b1);
      }
    }
#pragma GCC unroll 12
    for (int m = 0; m < M; ++m) {
      Out* y = t.y + m * t.y_stride;
      store(acc[m][0], t.scale, t.requant, t.columns, y);
      if (t.columns > 16) store(acc[m][1], t.scale + 16, t.requant, t.columns - 16, y + 16);
    }
  }
};

using QMatrix = generic::QuantizedMatrix<Quantized>;

constexpr Kernel kRows[] = {
    {"conv2d_q8_avx512_vnni", OpKind::kConv2d, Isa::kAvx512Vnni, generic::accepts_symmetric_matrix,
     QMatrix::cost, QMatrix::pack, QMatrix::prepare, QMatrix::run},
    {"fully_connected_q8_avx512_vnni", OpKind::kFullyConnected, Isa::kAvx512Vnni,
     generic::accepts_symmetric_matrix, QMatrix::cost, QMatrix::pack, QMatrix::prepare,
     QMatrix::run},
};

}  // namespace

std::span<const Kernel> rows() { return kRows; }

}  // namespace inferd::kernels::avx512_vnni

// SPDX-License-Identifier: Apache-2.0
//
// Inner loop for AVX-VNNI (Alder Lake-N and later): vpdpbusd with 256-bit registers adds four
// products of uint8 and int8 to each lane, without saturation.
#include <immintrin.h>

#include <cstring>
#include <span>

#include "engine/kernels/avx2/common.h"
#include "engine/kernels/folders.h"
#include "engine/kernels/generic/matrix_run.h"

namespace inferd::kernels::avx_vnni {
namespace {

struct Quantized {
  using A = uint8_t;
  using B = int8_t;
  static constexpr int kInterleave = 4;
  static constexpr generic::Tile kTile{
      .rows = 6, .columns = 16, .interleave = kInterleave, .depth_multiple = kInterleave};
  static constexpr generic::Lanes kLanes = generic::Lanes::kU8S8;
  static constexpr double kMacsPerCycle = 30;

  // x - offset, which is 0 for uint8_t and -128 for int8_t: flips the sign bit or nothing.
  template <typename In>
  static void convert(const In* x, int64_t n, int32_t offset, uint8_t* out) {
    const __m256i flip = _mm256_set1_epi8(static_cast<char>(offset));
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                          _mm256_xor_si256(load256(x + i), flip));
    }
    for (; i < n; ++i) out[i] = static_cast<uint8_t>(x[i] - offset);
  }

  template <int M, typename Out>
  static void tile(const generic::QuantizedTileArgs<A, B, Out>& t) {
    __m256i acc[M][2];
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      acc[m][0] = load256(t.bias);
      acc[m][1] = load256(t.bias + 8);
    }
    const int8_t* b = t.b;
    for (int64_t k = 0; k < t.depth; k += kInterleave, b += kInterleave * kTile.columns) {
      const __m256i b0 = load256(b);
      const __m256i b1 = load256(b + 32);
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
        int32_t four;
        std::memcpy(&four, t.a + m * t.a_stride + k, sizeof(four));
        const __m256i a = _mm256_set1_epi32(four);
        acc[m][0] = _mm256_dpbusd_avx_epi32(acc[m][0], a, b0);
        acc[m][1] = _mm256_dpbusd_avx_epi32(acc[m][1], a, b1);
      }
    }
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      store_bytes(t.y + m * t.y_stride,
                  narrow<Out>(requantize(acc[m][0], t.scale, t.requant),
                              requantize(acc[m][1], t.scale + 8, t.requant)),
                  t.columns);
    }
  }
};

using QMatrix = generic::QuantizedMatrix<Quantized>;

constexpr Kernel kRows[] = {
    {"conv2d_q8_avx_vnni", OpKind::kConv2d, Isa::kAvxVnni, generic::accepts_symmetric_matrix,
     QMatrix::cost, QMatrix::pack, QMatrix::prepare, QMatrix::run},
    {"fully_connected_q8_avx_vnni", OpKind::kFullyConnected, Isa::kAvxVnni,
     generic::accepts_symmetric_matrix, QMatrix::cost, QMatrix::pack, QMatrix::prepare,
     QMatrix::run},
};

}  // namespace

std::span<const Kernel> rows() { return kRows; }

}  // namespace inferd::kernels::avx_vnni

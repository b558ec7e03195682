// SPDX-License-Identifier: Apache-2.0
//
// Inner loop for AVX-VNNI (Alder Lake-N and later): vpdpbusd with 256-bit registers adds four
// products of uint8 and int8 to each lane, without saturation.
#include <immintrin.h>

#include <cstring>
#include <span>

#include "engine/kernels/avx2/common.h"
#include "engine/kernels/folders.h"
#include "engine/kernels/generic/broadcast_tile.h"
#include "engine/kernels/generic/rows.h"

namespace inferd::kernels::avx_vnni {
namespace {

struct Quantized : SumsOf32Bits {
  using A = uint8_t;
  using B = int8_t;
  static constexpr int kInterleave = 4;
  static constexpr generic::Tile kTile{.rows = 6,
                                       .columns = 16,
                                       .narrow = 8,
                                       .interleave = kInterleave,
                                       .depth_multiple = kInterleave};
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

  static __m256i multiply_add(__m256i acc, __m256i a, __m256i w) {
    return _mm256_dpbusd_avx_epi32(acc, a, w);
  }

  template <int M, int N, typename Out>
  static void tile(const generic::QuantizedTileArgs<A, B, Out>& t) {
    __m256i acc[M][N / 8];
    if (!generic::accumulate_quantized<Quantized, M, N / 8>(t, acc)) return;
    store_tile<M, N / 8>(acc, t);
  }
};

}  // namespace

std::span<const Kernel> rows() {
  constexpr Isa kIsa = Isa::kAvxVnni;
  return generic::kQuantizedMatrixRows<Quantized, kIsa, generic::accepts_byte_matrix>;
}

}  // namespace inferd::kernels::avx_vnni

// SPDX-License-Identifier: Apache-2.0
//
// What the folders with 256-bit registers share: loads, and the end of a quantized tile of 16
// columns. In an unnamed namespace, because each folder compiles it with its own flags.
#pragma once

#include <immintrin.h>

#include <cstring>
#include <type_traits>

#include "engine/kernels/generic/matrix_run.h"

namespace inferd::kernels {
namespace {

inline __m256i load256(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

inline __m128i load64(const void* p) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }

inline __m128i load128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }

// Sums of int32 for broadcast_tile.h, whatever multiplies.
struct SumsOf32Bits {
  using Acc = __m256i;
  using Weights = __m256i;
  static constexpr bool kSplitsDepth = true;
  static constexpr int kLanes32 = 8;
  static __m256i zero() { return _mm256_setzero_si256(); }
  static __m256i load_sums(const int32_t* p) { return load256(p); }
  static void store_sums(int32_t* p, __m256i v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
  }
  static __m256i load_weights(const void* p) { return load256(p); }
  static __m256i add(__m256i x, __m256i y) { return _mm256_add_epi32(x, y); }
  static __m256i add_row(__m256i acc, int32_t v) { return add(acc, _mm256_set1_epi32(v)); }
  // The four bytes at `a` in every lane.
  static __m256i broadcast(const void* a) {
    int32_t group;
    std::memcpy(&group, a, sizeof(group));
    return _mm256_set1_epi32(group);
  }
};

// Eight accumulators to eight stored values, as int32.
inline __m256i requantize(__m256i acc, const float* scale, const generic::RequantParams& q) {
  const __m256 value = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_loadu_ps(scale));
  const __m256 clamped =
      _mm256_min_ps(_mm256_max_ps(value, _mm256_set1_ps(q.low)), _mm256_set1_ps(q.high));
  return _mm256_add_epi32(_mm256_cvtps_epi32(clamped), _mm256_set1_epi32(q.zero_point));
}

template <typename Out>
__m128i narrow(__m128i low, __m128i high) {  // int16 to Out
  if constexpr (std::is_same_v<Out, uint8_t>) {
    return _mm_packus_epi16(low, high);
  } else {
    return _mm_packs_epi16(low, high);
  }
}

// int32 x 16, within Out's range, to 16 bytes in the same order.
template <typename Out>
__m128i narrow(__m256i low, __m256i high) {
  const __m256i words =
      _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), _MM_SHUFFLE(3, 1, 2, 0));
  return narrow<Out>(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

// The first `count` bytes of `value`.
inline void store_bytes(void* y, __m128i value, int count) {
  if (count == 16) {
    _mm_storeu_si128(static_cast<__m128i*>(y), value);
    return;
  }
  alignas(16) char bytes[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(bytes), value);
  std::memcpy(y, bytes, static_cast<size_t>(count));
}

// Requantizes and stores M rows of one or two vectors.
template <int M, int V, typename Args>
void store_tile(const __m256i (&acc)[M][V], const Args& t) {
  using Out = std::remove_pointer_t<decltype(t.y)>;
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
    const __m256i low = requantize(acc[m][0], t.scale, t.requant);
    const __m256i high = V > 1 ? requantize(acc[m][V - 1], t.scale + 8, t.requant) : low;
    store_bytes(t.y + m * t.y_stride, narrow<Out>(low, high), t.columns);
  }
}

}  // namespace
}  // namespace inferd::kernels

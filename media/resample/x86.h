// SPDX-License-Identifier: Apache-2.0
//
// What SSE4.1 and AVX2 share: mixing three rows of real values.
#pragma once

#include <immintrin.h>

#include "media/resample/rows_run.h"

namespace inferd::media {
namespace {

inline __m128i load128(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline void store128(void* p, __m128i v) { _mm_storeu_si128(static_cast<__m128i*>(p), v); }

// Two pixels of up to 8 bytes.
inline __m128i load_two(const uint8_t* first, const uint8_t* second) {
  const __m128i low = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(first));
  const __m128d two = _mm_loadh_pd(_mm_castsi128_pd(low), reinterpret_cast<const double*>(second));
  return _mm_castpd_si128(two);
}

// scaled(x, kToByte) is to_byte(x).
constexpr int kToByte = kOneRow / 256;

struct Mixing {
  static void mix_reals(const float* a, const float* b, const float* c, float* out) {
    const __m128 x = _mm_loadu_ps(a);
    const __m128 y = _mm_loadu_ps(b);
    const __m128 z = _mm_loadu_ps(c);
    const __m128 xy = _mm_unpacklo_ps(x, y);                 // x0 y0 x1 y1
    const __m128 zx = _mm_shuffle_ps(z, x, 0x50);            // z0 z0 x1 x1
    _mm_storeu_ps(out, _mm_shuffle_ps(xy, zx, 0x84));        // x0 y0 z0 x1
    const __m128 yz = _mm_unpacklo_ps(y, z);                 // y0 z0 y1 z1
    const __m128 xy2 = _mm_unpackhi_ps(x, y);                // x2 y2 x3 y3
    _mm_storeu_ps(out + 4, _mm_shuffle_ps(yz, xy2, 0x4e));   // y1 z1 x2 y2
    const __m128 yz2 = _mm_unpackhi_ps(y, z);                // y2 z2 y3 z3
    const __m128 zx2 = _mm_shuffle_ps(z, x, 0xf2);           // z2 z0 x3 x3
    _mm_storeu_ps(out + 8, _mm_shuffle_ps(zx2, yz2, 0xe8));  // z2 x3 y3 z3
  }
};

}  // namespace
}  // namespace inferd::media

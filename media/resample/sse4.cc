// SPDX-License-Identifier: Apache-2.0
#include "media/resample/x86.h"

namespace inferd::media {
namespace {

struct Sse4 : Mixing {
  static constexpr int kLanes = 1;
  using Bytes = __m128i;
  using Words = __m128i;
  struct Sums {
    __m128i low, high;
  };

  static Bytes zero() { return _mm_setzero_si128(); }
  static Bytes load(const uint8_t* p, const uint8_t*) { return load128(p); }
  static Bytes load_pixels(const uint8_t* row, const int32_t* at) {
    return load_two(row + at[0], row + at[1]);
  }
  static Bytes pick(Bytes x, const uint8_t* table) { return _mm_shuffle_epi8(x, load128(table)); }
  static Bytes pick_same(Bytes x, const uint8_t* table) { return pick(x, table); }
  static Bytes either(Bytes a, Bytes b) { return _mm_or_si128(a, b); }
  static Bytes load_corners(const uint8_t* p, const uint8_t*, size_t stride) {
    return load_two(p, p + stride);
  }
  static Words words(Bytes x) { return x; }
  static Words add_pairs(Bytes x, Bytes w) { return _mm_maddubs_epi16(x, w); }
  static __m128i add_word_pairs(Words x, Words w) { return _mm_madd_epi16(x, w); }
  static Words zip_low16(Words a, Words b) { return _mm_unpacklo_epi16(a, b); }
  static Words zip_high16(Words a, Words b) { return _mm_unpackhi_epi16(a, b); }
  static Bytes zip_low32(Bytes a, Bytes b) { return _mm_unpacklo_epi32(a, b); }
  static Bytes zip_high32(Bytes a, Bytes b) { return _mm_unpackhi_epi32(a, b); }
  static Bytes zip_low64(Bytes a, Bytes b) { return _mm_unpacklo_epi64(a, b); }
  static Bytes zip_high64(Bytes a, Bytes b) { return _mm_unpackhi_epi64(a, b); }

  static Words load(const int16_t* p) { return load128(p); }
  static void store(int16_t* p, Words x) { store128(p, x); }
  static Words least(Words x, int limit) {
    return _mm_min_epi16(x, _mm_set1_epi16(static_cast<int16_t>(limit)));
  }

  static Sums dot_pairs(Bytes x, const int16_t* w) {
    return {_mm_madd_epi16(_mm_cvtepu8_epi16(x), load128(w)),
            _mm_madd_epi16(_mm_unpackhi_epi8(x, zero()), load128(w + 8))};
  }
  static Sums dot(Words a, Words b, int wa, int wb) {
    const __m128i w = _mm_unpacklo_epi16(_mm_set1_epi16(static_cast<int16_t>(wa)),
                                         _mm_set1_epi16(static_cast<int16_t>(wb)));
    return {_mm_madd_epi16(_mm_unpacklo_epi16(a, b), w),
            _mm_madd_epi16(_mm_unpackhi_epi16(a, b), w)};
  }
  static Sums add(Sums s, Sums t) {
    return {_mm_add_epi32(s.low, t.low), _mm_add_epi32(s.high, t.high)};
  }
  static Sums add(Sums s, int n) { return add(s, {_mm_set1_epi32(n), _mm_set1_epi32(n)}); }
  template <int N>
  static Words narrow(Sums s) {
    return _mm_packs_epi32(_mm_srai_epi32(s.low, N), _mm_srai_epi32(s.high, N));
  }

  static Packed flipped(__m128i low, __m128i high, uint8_t flip) {
    return _mm_xor_si128(_mm_packs_epi16(low, high), _mm_set1_epi8(static_cast<char>(flip)));
  }
  static __m128i byte(Words x) {
    const __m128i odd = _mm_and_si128(_mm_srai_epi16(x, 8), _mm_set1_epi16(1));
    return _mm_srai_epi16(_mm_add_epi16(_mm_add_epi16(x, _mm_set1_epi16(127)), odd), 8);
  }
  static Packed to_bytes(const Words* x, uint8_t flip) {
    return flipped(byte(x[0]), byte(x[1]), flip);
  }
  static __m128 real(__m128i four, const Affine& a) {
    const __m128 x = _mm_sub_ps(_mm_cvtepi32_ps(four), _mm_set1_ps(a.middle));
    return _mm_mul_ps(x, _mm_set1_ps(a.factor));
  }
  static __m128i step(__m128i four, const Steps& s) {
    const __m128 clamped =
        _mm_min_ps(_mm_max_ps(real(four, s.affine), _mm_set1_ps(s.low)), _mm_set1_ps(s.high));
    return _mm_add_epi32(_mm_cvtps_epi32(clamped), _mm_set1_epi32(s.zero));
  }
  static __m128i low_half(Words x) { return _mm_cvtepi16_epi32(x); }
  static __m128i high_half(Words x) { return _mm_cvtepi16_epi32(_mm_srli_si128(x, 8)); }
  static __m128i eight_steps(Words x, const Steps& s) {
    return _mm_packs_epi32(step(low_half(x), s), step(high_half(x), s));
  }
  static Packed to_steps(const Words* x, const Steps& s, uint8_t flip) {
    return flipped(eight_steps(x[0], s), eight_steps(x[1], s), flip);
  }
  static void store_reals(float* out, const Words* x, const Affine& a) {
    for (int i = 0; i < 2; ++i) {
      _mm_storeu_ps(out + 8 * i, real(low_half(x[i]), a));
      _mm_storeu_ps(out + 8 * i + 4, real(high_half(x[i]), a));
    }
  }
};

}  // namespace

const RowKernels kSse4Rows = Rows<Sse4>::table("sse4.1");

}  // namespace inferd::media

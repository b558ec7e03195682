// SPDX-License-Identifier: Apache-2.0
#include "media/resample/x86.h"

namespace inferd::media {
namespace {

// How pairs of two rows' bytes and a third row become three times 16 bytes of triples: what pshufb
// takes for byte l of the k-th from eight pairs, those from kFirstPair[k] on, and from the third
// row; nothing where it is the other's.
constexpr int kFirstPair[] = {0, 5, 8};
struct Triples {
  alignas(16) uint8_t pairs[3][16], third[3][16];
  constexpr Triples() : pairs(), third() {
    for (int i = 0; i < 48; ++i) {
      const int k = i / 16, triple = i / 3, of = i % 3;
      const int pair = 2 * (triple - kFirstPair[k]) + of;
      pairs[k][i % 16] = static_cast<uint8_t>(of < 2 ? pair : Gather::kNothing);
      third[k][i % 16] = static_cast<uint8_t>(of < 2 ? Gather::kNothing : triple);
    }
  }
};
constexpr Triples kTriples;

struct Sse4 : Mixing {
  static constexpr int kLanes = 1;
  using Bytes = __m128i;
  using Words = __m128i;
  struct Sums {
    __m128i low, high;
  };

  static Bytes zero() { return _mm_setzero_si128(); }
  static Bytes load(const uint8_t* p) { return load128(p); }
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

  static Words blend_pairs(Bytes x, Bytes w) {
    return _mm_maddubs_epi16(w, _mm_xor_si128(x, _mm_set1_epi8(-128)));
  }
  static Words scaled(Words x, int w) {
    return _mm_mulhrs_epi16(x, _mm_set1_epi16(static_cast<int16_t>(w)));
  }
  static Words plus(Words x, Words y) { return _mm_add_epi16(x, y); }
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

  static Words to_bytes(Words x) { return scaled(x, kToByte); }
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
  static Words to_steps(Words x, const Steps& s) {
    return _mm_packs_epi32(step(low_half(x), s), step(high_half(x), s));
  }
  static __m128i packed(const Words* x, uint8_t flip) {
    return _mm_xor_si128(_mm_packs_epi16(x[0], x[1]), _mm_set1_epi8(static_cast<char>(flip)));
  }
  static void store_bytes(const Words* x, uint8_t flip, uint8_t* out) {
    store128(out, packed(x, flip));
  }
  static void mix_bytes(const Words (*x)[2], uint8_t flip, uint8_t* out) {
    const __m128i a = packed(x[0], flip), b = packed(x[1], flip), c = packed(x[2], flip);
    const __m128i low = _mm_unpacklo_epi8(a, b);
    const __m128i high = _mm_unpackhi_epi8(a, b);
    const __m128i pairs[] = {low, _mm_alignr_epi8(high, low, 2 * kFirstPair[1]), high};
#pragma GCC unroll 3
    for (int k = 0; k < 3; ++k) {
      store128(out + 16 * k, _mm_or_si128(_mm_shuffle_epi8(pairs[k], load128(kTriples.pairs[k])),
                                          _mm_shuffle_epi8(c, load128(kTriples.third[k]))));
    }
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

// SPDX-License-Identifier: Apache-2.0
#include "media/resample/x86.h"

namespace inferd::media {
namespace {

inline __m256i load256(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline __m256i both(__m128i low, __m128i high) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

// How eight bytes of two rows, one row behind the other, and eight of a third become triples: what
// pshufb takes for byte l of the k-th 16; nothing where it is the other's.
struct EightTriples {
  alignas(16) uint8_t two[2][16], third[2][16];
  constexpr EightTriples() : two(), third() {
    for (int i = 0; i < 32; ++i) {
      const int k = i / 16, triple = i / 3, of = i % 3;
      const bool none = i >= 24;
      two[k][i % 16] = static_cast<uint8_t>(none || of == 2 ? Gather::kNothing : 8 * of + triple);
      third[k][i % 16] = static_cast<uint8_t>(none || of < 2 ? Gather::kNothing : triple);
    }
  }
};
constexpr EightTriples kEightTriples;

struct Avx2 : Mixing {
  static constexpr int kLanes = 2;
  using Bytes = __m256i;
  using Words = __m256i;
  struct Sums {
    __m256i low, high;  // of each lane
  };

  static Bytes zero() { return _mm256_setzero_si256(); }
  static Bytes load(const uint8_t* p) { return load256(p); }
  static Bytes load(const uint8_t* p0, const uint8_t* p1) { return both(load128(p0), load128(p1)); }
  static Bytes load_pixels(const uint8_t* row, const int32_t* at) {
    return both(load_two(row + at[0], row + at[1]), load_two(row + at[2], row + at[3]));
  }
  static Bytes pick(Bytes x, const uint8_t* table) {
    return _mm256_shuffle_epi8(x, load256(table));
  }
  static Bytes pick_same(Bytes x, const uint8_t* table) {
    return _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(load128(table)));
  }
  static Bytes either(Bytes a, Bytes b) { return _mm256_or_si256(a, b); }
  static Bytes load_corners(const uint8_t* p0, const uint8_t* p1, size_t stride) {
    return both(load_two(p0, p0 + stride), load_two(p1, p1 + stride));
  }
  static Words words(Bytes x) { return x; }
  static Words add_pairs(Bytes x, Bytes w) { return _mm256_maddubs_epi16(x, w); }
  static __m256i add_word_pairs(Words x, Words w) { return _mm256_madd_epi16(x, w); }
  static Words zip_low16(Words a, Words b) { return _mm256_unpacklo_epi16(a, b); }
  static Words zip_high16(Words a, Words b) { return _mm256_unpackhi_epi16(a, b); }
  static Bytes zip_low32(Bytes a, Bytes b) { return _mm256_unpacklo_epi32(a, b); }
  static Bytes zip_high32(Bytes a, Bytes b) { return _mm256_unpackhi_epi32(a, b); }
  static Bytes zip_low64(Bytes a, Bytes b) { return _mm256_unpacklo_epi64(a, b); }
  static Bytes zip_high64(Bytes a, Bytes b) { return _mm256_unpackhi_epi64(a, b); }

  static Words load(const int16_t* p) { return load256(p); }
  static void store(int16_t* p, Words x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x); }
  static Words least(Words x, int limit) {
    return _mm256_min_epi16(x, _mm256_set1_epi16(static_cast<int16_t>(limit)));
  }

  static Words blend_pairs(Bytes x, Bytes w) {
    return _mm256_maddubs_epi16(w, _mm256_xor_si256(x, _mm256_set1_epi8(-128)));
  }
  static Words scaled(Words x, int w) {
    return _mm256_mulhrs_epi16(x, _mm256_set1_epi16(static_cast<int16_t>(w)));
  }
  static Words plus(Words x, Words y) { return _mm256_add_epi16(x, y); }
  static Sums dot(Words a, Words b, int wa, int wb) {
    const __m256i w = _mm256_unpacklo_epi16(_mm256_set1_epi16(static_cast<int16_t>(wa)),
                                            _mm256_set1_epi16(static_cast<int16_t>(wb)));
    return {_mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), w),
            _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), w)};
  }
  static Sums add(Sums s, Sums t) {
    return {_mm256_add_epi32(s.low, t.low), _mm256_add_epi32(s.high, t.high)};
  }
  static Sums add(Sums s, int n) { return add(s, {_mm256_set1_epi32(n), _mm256_set1_epi32(n)}); }
  template <int N>
  static Words narrow(Sums s) {
    return _mm256_packs_epi32(_mm256_srai_epi32(s.low, N), _mm256_srai_epi32(s.high, N));
  }

  static Words to_bytes(Words x) { return scaled(x, kToByte); }
  static __m256 real(__m256i eight, const Affine& a) {
    const __m256 x = _mm256_sub_ps(_mm256_cvtepi32_ps(eight), _mm256_set1_ps(a.middle));
    return _mm256_mul_ps(x, _mm256_set1_ps(a.factor));
  }
  static __m256i step(__m256i eight, const Steps& s) {
    const __m256 clamped = _mm256_min_ps(
        _mm256_max_ps(real(eight, s.affine), _mm256_set1_ps(s.low)), _mm256_set1_ps(s.high));
    return _mm256_add_epi32(_mm256_cvtps_epi32(clamped), _mm256_set1_epi32(s.zero));
  }
  static __m256i low_half(Words x) { return _mm256_cvtepi16_epi32(_mm256_castsi256_si128(x)); }
  static __m256i high_half(Words x) {
    return _mm256_cvtepi16_epi32(_mm256_extracti128_si256(x, 1));
  }
  static Words to_steps(Words x, const Steps& s) {
    const __m256i words = _mm256_packs_epi32(step(low_half(x), s), step(high_half(x), s));
    return _mm256_permute4x64_epi64(words, 0xd8);
  }
  static void store_bytes(const Words* x, uint8_t flip, uint8_t* out) {
    const __m128i low = _mm256_castsi256_si128(*x);
    const __m128i bytes = _mm_packs_epi16(low, _mm256_extracti128_si256(*x, 1));
    store128(out, _mm_xor_si128(bytes, _mm_set1_epi8(static_cast<char>(flip))));
  }
  // Each lane makes eight triples.
  static void mix_bytes(const Words (*x)[1], uint8_t flip, uint8_t* out) {
    const __m256i flips = _mm256_set1_epi8(static_cast<char>(flip));
    const __m256i two = _mm256_xor_si256(_mm256_packs_epi16(x[0][0], x[1][0]), flips);
    const __m256i third = _mm256_xor_si256(_mm256_packs_epi16(x[2][0], x[2][0]), flips);
    const auto mixed = [&](int k) {
      return _mm256_or_si256(pick_same(two, kEightTriples.two[k]),
                             pick_same(third, kEightTriples.third[k]));
    };
    const __m256i begin = mixed(0);
    const __m256i end = mixed(1);  // eight bytes of each lane
    store128(out, _mm256_castsi256_si128(begin));
    store128(out + 16, _mm256_castsi256_si128(end));
    store128(out + 24, _mm256_extracti128_si256(begin, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out + 40), _mm256_extracti128_si256(end, 1));
  }
  static void store_reals(float* out, const Words* x, const Affine& a) {
    _mm256_storeu_ps(out, real(low_half(*x), a));
    _mm256_storeu_ps(out + 8, real(high_half(*x), a));
  }
};

}  // namespace

const RowKernels kAvx2Rows = Rows<Avx2>::table("avx2");

}  // namespace inferd::media

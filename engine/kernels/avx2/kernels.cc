// SPDX-License-Identifier: Apache-2.0
//
// Inner loops for AVX2 with FMA.
//
// Quantized sums multiply pairs of int16 (vpmaddwd), which is exact; the 8-bit vpmaddubsw would be
// twice as wide but saturates its sums at 16 bits.
#include <immintrin.h>

#include <cstring>
#include <span>
#include <type_traits>

#include "engine/kernels/avx2/common.h"
#include "engine/kernels/folders.h"
#include "engine/kernels/generic/broadcast_tile.h"
#include "engine/kernels/generic/rows.h"

namespace inferd::kernels::avx2 {
namespace {

// 16 bytes of type In to int16.
template <typename In>
__m256i widen(__m128i bytes) {
  if constexpr (std::is_same_v<In, uint8_t>) {
    return _mm256_cvtepu8_epi16(bytes);
  } else {
    return _mm256_cvtepi8_epi16(bytes);
  }
}

struct Quantized : SumsOf32Bits {
  using A = int16_t;
  using B = int16_t;
  static constexpr int kInterleave = 2;
  static constexpr generic::Tile kTile{.rows = 6,
                                       .columns = 16,
                                       .narrow = 8,
                                       .interleave = kInterleave,
                                       .depth_multiple = kInterleave};
  static constexpr generic::Lanes kLanes = generic::Lanes::kS16;
  static constexpr int kDepthwiseInterleave = 2;
  static constexpr int kBlock = 8;
  static constexpr int kDepthwiseChannels = 2 * kBlock;
  static constexpr bool kMasksChannels = false;
  static constexpr double kMacsPerCycle = 16;

  template <typename In>
  static void convert(const In* x, int64_t n, int32_t offset, int16_t* out) {
    const __m256i zero = _mm256_set1_epi16(static_cast<int16_t>(offset));
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                          _mm256_sub_epi16(widen<In>(load128(x + i)), zero));
    }
    if (i + 8 <= n) {  // a 3x3 window over three channels copies nine at a time
      const __m256i words = _mm256_sub_epi16(widen<In>(load64(x + i)), zero);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm256_castsi256_si128(words));
      i += 8;
    }
    for (; i < n; ++i) out[i] = static_cast<int16_t>(x[i] - offset);
  }

  static __m256i multiply_add(__m256i acc, __m256i a, __m256i w) {
    return add(acc, _mm256_madd_epi16(a, w));
  }

  template <int M, int N, typename Out>
  static void tile(const generic::QuantizedTileArgs<A, B, Out>& t) {
    __m256i acc[M][N / 8];
    if (!generic::accumulate_quantized<Quantized, M, N / 8>(t, acc)) return;
    store_tile<M, N / 8>(acc, t);
  }

  // Two taps at once: their bytes alternate, so one vpmaddwd adds both.
  template <typename In, typename Out>
  static void depthwise(const generic::QuantizedDepthwiseArgs<In, Out>& d) {
    if (d.channels == kDepthwiseChannels) return depthwise16(d);
    __m256i acc = load256(d.bias);
    const int16_t* w = d.w;
    for (int64_t t = 0; t < d.tap_count; t += 2, w += 2 * kBlock) {
      const __m128i both =
          _mm_unpacklo_epi8(load64(d.taps[t] + d.offset), load64(d.taps[t + 1] + d.offset));
      acc = _mm256_add_epi32(acc, _mm256_madd_epi16(widen<In>(both), load256(w)));
    }
    const __m256i y = requantize(acc, d.scale, d.requant);
    const __m128i bytes = narrow<Out>(y, y);
    if (d.channels == kBlock) {
      _mm_storel_epi64(reinterpret_cast<__m128i*>(d.y), bytes);
    } else {
      store_bytes(d.y, bytes, d.channels);
    }
  }

  template <typename In, typename Out>
  static void depthwise16(const generic::QuantizedDepthwiseArgs<In, Out>& d) {
    __m256i acc0 = load256(d.bias);
    __m256i acc1 = load256(d.bias + 8);
    const int16_t* w0 = d.w;
    const int16_t* w1 = d.w + d.tap_count * kBlock;
    for (int64_t t = 0; t < d.tap_count; t += 2) {
      const __m128i x0 = load128(d.taps[t] + d.offset);
      const __m128i x1 = load128(d.taps[t + 1] + d.offset);
      const __m256i low = widen<In>(_mm_unpacklo_epi8(x0, x1));
      const __m256i high = widen<In>(_mm_unpackhi_epi8(x0, x1));
      acc0 = _mm256_add_epi32(acc0, _mm256_madd_epi16(low, load256(w0)));
      acc1 = _mm256_add_epi32(acc1, _mm256_madd_epi16(high, load256(w1)));
      w0 += 2 * kBlock;
      w1 += 2 * kBlock;
    }
    const __m256i y0 = requantize(acc0, d.scale, d.requant);
    const __m256i y1 = requantize(acc1, d.scale + 8, d.requant);
    store_bytes(d.y, narrow<Out>(y0, y1), 16);
  }
};

struct Clamp {
  __m256 low, high;
  // NaN stays NaN: min and max return their second operand then.
  __m256 operator()(__m256 v) const { return _mm256_min_ps(high, _mm256_max_ps(low, v)); }
};

void store_floats(float* y, __m256 value, int64_t count) {
  if (count >= 8) {
    _mm256_storeu_ps(y, value);
    return;
  }
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
  _mm256_maskstore_ps(y, mask, value);
}

struct Float {
  static constexpr generic::Tile kTile{.rows = 6, .columns = 16, .narrow = 8};
  static constexpr int kBlock = 8;
  static constexpr int kDepthwiseChannels = 2 * kBlock;
  static constexpr bool kMasksChannels = false;
  static constexpr double kMacsPerCycle = 12;

  using Acc = __m256;
  using Weights = __m256;
  static constexpr int kInterleave = 1;
  static constexpr bool kSplitsDepth = true;
  static constexpr int kLanes32 = 8;
  static __m256 zero() { return _mm256_setzero_ps(); }
  static __m256 load_weights(const float* p) { return _mm256_loadu_ps(p); }
  static __m256 load_weights(const generic::Half* p) { return _mm256_cvtph_ps(load128(p)); }
  static void widen(const generic::Half* x, int64_t n, float* out) {
    for (int64_t i = 0; i < n; i += 8) _mm256_storeu_ps(out + i, load_weights(x + i));
  }
  static __m256 load_sums(const float* p) { return _mm256_loadu_ps(p); }
  static void store_sums(float* p, __m256 v) { _mm256_storeu_ps(p, v); }
  static __m256 add(__m256 x, __m256 y) { return _mm256_add_ps(x, y); }
  static __m256 broadcast(const float* a) { return _mm256_broadcast_ss(a); }
  static __m256 multiply_add(__m256 acc, __m256 a, __m256 w) { return _mm256_fmadd_ps(a, w, acc); }

  template <int M, int N, typename B>
  static void tile(const generic::FloatTileArgs<B>& t) {
    constexpr int V = N / 8;
    __m256 acc[M][V];
    if (!generic::accumulate_part<Float, M, V>(t, acc)) return;
    const Clamp clamp{_mm256_set1_ps(t.low), _mm256_set1_ps(t.high)};
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
      float* y = t.y + m * t.y_stride;
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        if (8 * v < t.columns) store_floats(y + 8 * v, clamp(acc[m][v]), t.columns - 8 * v);
      }
    }
  }

  // Several pixels at once share each weight.
  static void depthwise_pixels(const generic::FloatDepthwisePixelsArgs& d) {
    constexpr int kPixels = 8;
    int64_t i = 0;
    if (d.channels == kBlock) {
      for (; i + kPixels <= d.count; i += kPixels) pixels<false, kPixels>(d, i);
      for (; i < d.count; ++i) pixels<false, 1>(d, i);
    } else {
      for (; i + kPixels <= d.count; i += kPixels) pixels<true, kPixels>(d, i);
      for (; i < d.count; ++i) pixels<true, 1>(d, i);
    }
  }

  template <bool Masked, int N>
  [[gnu::always_inline]] static void pixels(const generic::FloatDepthwisePixelsArgs& d,
                                            int64_t first) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(d.channels), lane);
    __m256 acc[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) acc[n] = _mm256_loadu_ps(d.bias);
    const float* w = d.w;
    for (int64_t t = 0; t < d.tap_count; ++t, w += kBlock) {
      const float* x = d.taps[t] + d.offset + first * d.step;
      const __m256 weights = _mm256_loadu_ps(w);
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        const float* from = x + n * d.step;
        acc[n] = _mm256_fmadd_ps(Masked ? _mm256_maskload_ps(from, mask) : _mm256_loadu_ps(from),
                                 weights, acc[n]);
      }
    }
    const Clamp clamp{_mm256_set1_ps(d.low), _mm256_set1_ps(d.high)};
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      store_floats(d.y + (first + n) * d.y_step, clamp(acc[n]), d.channels);
    }
  }

  static void depthwise(const generic::FloatDepthwiseArgs& d) {
    const bool two = d.channels == kDepthwiseChannels;
    const float* w0 = d.w;
    const float* w1 = d.w + (two ? d.tap_count * kBlock : 0);
    const int64_t second = two ? 8 : 0;  // the first block again where there is no other
    __m256 acc0 = _mm256_loadu_ps(d.bias);
    __m256 acc1 = _mm256_loadu_ps(d.bias + second);
    for (int64_t t = 0; t < d.tap_count; ++t) {
      const float* x = d.taps[t] + d.offset;
      const int64_t step = t * kBlock;
      acc0 = _mm256_fmadd_ps(_mm256_loadu_ps(x), _mm256_loadu_ps(w0 + step), acc0);
      acc1 = _mm256_fmadd_ps(_mm256_loadu_ps(x + second), _mm256_loadu_ps(w1 + step), acc1);
    }
    const Clamp clamp{_mm256_set1_ps(d.low), _mm256_set1_ps(d.high)};
    store_floats(d.y, clamp(acc0), d.channels);
    if (two) store_floats(d.y + 8, clamp(acc1), 8);
  }
};

struct Elements {
  static constexpr double kElementsPerCycle = 8;
  using Floats = __m256;
  static Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
  static Floats reciprocal(Floats a) { return 1.F / a; }
  static void lookup(const uint8_t* table, const uint8_t* x, int64_t n, uint8_t* y) {
    for (int64_t i = 0; i < n; ++i) y[i] = table[x[i]];
  }
};

// How 16 bytes of three planes become three times 16 bytes of triples: byte [k][plane][l] is what
// vpshufb takes from the plane for lane l of the k-th; 0x80, nothing, where another plane's is.
struct ByteTriples {
  alignas(16) uint8_t from[3][3][16];
  constexpr ByteTriples() : from() {
    for (int i = 0; i < 48; ++i) {
      for (int plane = 0; plane < 3; ++plane) {
        from[i / 16][plane][i % 16] = static_cast<uint8_t>(i % 3 == plane ? i / 3 : 0x80);
      }
    }
  }
};
constexpr ByteTriples kByteTriples;

struct Copies {
  static void bytes_to_triples(const uint8_t* x, int64_t plane, int64_t count, uint8_t* y) {
    int64_t i = 0;
    for (; i + 16 <= count; i += 16) {
      __m128i planes[3];
#pragma GCC unroll 3
      for (int p = 0; p < 3; ++p) planes[p] = load16(x + p * plane + i);
#pragma GCC unroll 3
      for (int k = 0; k < 3; ++k) {
        __m128i out = _mm_shuffle_epi8(planes[0], load16(kByteTriples.from[k][0]));
        out = _mm_or_si128(out, _mm_shuffle_epi8(planes[1], load16(kByteTriples.from[k][1])));
        out = _mm_or_si128(out, _mm_shuffle_epi8(planes[2], load16(kByteTriples.from[k][2])));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(y + 3 * i + 16 * k), out);
      }
    }
    rest_to_triples(x, plane, i, count, y);
  }

  static void words_to_triples(const uint32_t* x, int64_t plane, int64_t count, uint32_t* y) {
    int64_t i = 0;
    for (; i + 8 <= count; i += 8) {
      const __m256i a = load32(x + i);
      const __m256i b = load32(x + plane + i);
      const __m256i c = load32(x + 2 * plane + i);
      uint32_t* const to = y + 3 * i;
      // Lanes of the second and third plane, in that order.
      store_triples<0x92, 0x24>(a, b, c, _mm256_setr_epi32(0, 0, 0, 1, 1, 1, 2, 2), to);
      store_triples<0x24, 0x49>(a, b, c, _mm256_setr_epi32(2, 3, 3, 3, 4, 4, 4, 5), to + 8);
      store_triples<0x49, 0x92>(a, b, c, _mm256_setr_epi32(5, 5, 6, 6, 6, 7, 7, 7), to + 16);
    }
    rest_to_triples(x, plane, i, count, y);
  }

 private:
  static __m128i load16(const uint8_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  static __m256i load32(const uint32_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  template <int kSecond, int kThird>
  static void store_triples(__m256i a, __m256i b, __m256i c, __m256i at, uint32_t* y) {
    const __m256i ab = _mm256_blend_epi32(_mm256_permutevar8x32_epi32(a, at),
                                          _mm256_permutevar8x32_epi32(b, at), kSecond);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y),
                        _mm256_blend_epi32(ab, _mm256_permutevar8x32_epi32(c, at), kThird));
  }
  template <typename T>
  static void rest_to_triples(const T* x, int64_t plane, int64_t i, int64_t count, T* y) {
    for (; i < count; ++i) {
      for (int64_t k = 0; k < 3; ++k) y[3 * i + k] = x[k * plane + i];
    }
  }
};

}  // namespace

std::span<const Kernel> rows() {
  constexpr Isa kIsa = Isa::kAvx2;
  static constexpr auto kTable = generic::joined(
      generic::kQuantizedMatrixRows<Quantized, kIsa, generic::accepts_quantized_matrix>,
      generic::kQuantizedDepthwiseRows<Quantized, kIsa>, generic::kFloatRows<Float, kIsa>,
      generic::kElementwiseRows<Elements, kIsa>, generic::kCopyRows<Copies, kIsa>);
  return kTable;
}

}  // namespace inferd::kernels::avx2

// SPDX-License-Identifier: Apache-2.0
//
// Inner loops for AVX-512 with VNNI: vpdpbusd adds four products of uint8 and int8 to each lane,
// without saturation.
#include <immintrin.h>

#include <cstring>
#include <span>
#include <type_traits>

#include "engine/kernels/folders.h"
#include "engine/kernels/generic/broadcast_tile.h"
#include "engine/kernels/generic/rows.h"

namespace inferd::kernels::avx512_vnni {
namespace {

// The lowest `count` of 64, 32 or 16 lanes.
__mmask64 first64(int64_t count) {
  return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1;
}
__mmask32 first32(int count) {
  return static_cast<__mmask32>(count >= 32 ? 0xffffffffU : (1U << count) - 1);
}
__mmask16 first16(int count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffff : count <= 0 ? 0 : (1 << count) - 1);
}

// Accumulators to stored values, in three steps: scaled() vectors of 16, pack() of four of those to
// 64 bytes.
template <typename Out>
class Requantizer {
 public:
  explicit Requantizer(const generic::RequantParams& q)
      : high_(_mm512_set1_ps(q.high)),
        zero_(_mm512_set1_epi16(static_cast<int16_t>(q.zero_point))),
        low_(_mm512_set1_epi8(static_cast<char>(static_cast<int>(q.low) + q.zero_point))) {}

  // Rounded, the upper bound applied; what is too low for int32 becomes its lowest value.
  __m512i scaled(__m512i acc, __m512 scale) const {
    return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(acc), scale), high_));
  }

  // In each 128 bits: four bytes of a, of b, of c, of d.
  __m512i pack(__m512i a, __m512i b, __m512i c, __m512i d) const {
    const __m512i ab = _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero_);
    const __m512i cd = _mm512_adds_epi16(_mm512_packs_epi32(c, d), zero_);
    if constexpr (std::is_same_v<Out, uint8_t>) {
      return _mm512_max_epu8(_mm512_packus_epi16(ab, cd), low_);
    } else {
      return _mm512_max_epi8(_mm512_packs_epi16(ab, cd), low_);
    }
  }

 private:
  __m512 high_;
  __m512i zero_;
  __m512i low_;
};

// What pack() returned, with a's bytes first, then b's, ...
__m512i in_order(__m512i packed) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, packed);
}

struct Quantized {
  using A = uint8_t;
  using B = int8_t;
  using Acc = __m512i;
  using Weights = __m512i;
  static constexpr bool kSplitsDepth = true;
  static constexpr int kLanes32 = 16;
  static constexpr int kInterleave = 4;
  static constexpr generic::Tile kTile{.rows = 14,
                                       .columns = 32,
                                       .narrow = 16,
                                       .interleave = kInterleave,
                                       .depth_multiple = kInterleave};
  static constexpr generic::Lanes kLanes = generic::Lanes::kU8S8;
  static constexpr double kMacsPerCycle = 60;

  // x - offset, which is 0 for uint8_t and -128 for int8_t: flips the sign bit or nothing.
  template <typename In>
  static void convert(const In* x, int64_t n, int32_t offset, uint8_t* out) {
    const __m512i flip = _mm512_set1_epi8(static_cast<char>(offset));
    for (int64_t i = 0; i < n; i += 64) {
      const __mmask64 mask = first64(n - i);
      _mm512_mask_storeu_epi8(out + i, mask,
                              _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, x + i), flip));
    }
  }

  static __m512i zero() { return _mm512_setzero_si512(); }
  static __m512i load_sums(const int32_t* p) { return _mm512_loadu_si512(p); }
  static void store_sums(int32_t* p, __m512i v) { _mm512_storeu_si512(p, v); }
  static __m512i load_weights(const int8_t* p) { return _mm512_loadu_si512(p); }
  static __m512i add(__m512i x, __m512i y) { return _mm512_add_epi32(x, y); }
  static __m512i add_row(__m512i acc, int32_t v) { return add(acc, _mm512_set1_epi32(v)); }
  static __m512i broadcast(const uint8_t* a) {
    int32_t four;
    std::memcpy(&four, a, sizeof(four));
    return _mm512_set1_epi32(four);
  }
  static __m512i multiply_add(__m512i acc, __m512i a, __m512i w) {
    return _mm512_dpbusd_epi32(acc, a, w);
  }

  template <int M, int N, typename Out>
  static void tile(const generic::QuantizedTileArgs<A, B, Out>& t) {
    __m512i acc[M][N / 16];
    if (!generic::accumulate_quantized<Quantized, M, N / 16>(t, acc)) return;
    const Requantizer<Out> requantizer(t.requant);
    if constexpr (N == 32) {
      store_wide<M>(acc, t, requantizer);
    } else {
      store_narrow<M>(acc, t, requantizer);
    }
  }

  // Two rows of 32 columns at a time.
  template <int M, typename Out>
  static void store_wide(const __m512i (&acc)[M][2], const generic::QuantizedTileArgs<A, B, Out>& t,
                         const Requantizer<Out>& requantizer) {
    const __m512 scale0 = _mm512_loadu_ps(t.scale);
    const __m512 scale1 = _mm512_loadu_ps(t.scale + 16);
    const __mmask32 mask = first32(t.columns);
#pragma GCC unroll 8
    for (int m = 0; m < M; m += 2) {
      const int other = m + 1 < M ? m + 1 : m;
      const __m512i bytes = in_order(requantizer.pack(
          requantizer.scaled(acc[m][0], scale0), requantizer.scaled(acc[m][1], scale1),
          requantizer.scaled(acc[other][0], scale0), requantizer.scaled(acc[other][1], scale1)));
      Out* y = t.y + m * t.y_stride;
      _mm256_mask_storeu_epi8(y, mask, _mm512_castsi512_si256(bytes));
      if (m + 1 < M) {
        _mm256_mask_storeu_epi8(y + t.y_stride, mask, _mm512_extracti64x4_epi64(bytes, 1));
      }
    }
  }

  // Four rows of 16 columns at a time.
  template <int M, typename Out>
  static void store_narrow(const __m512i (&acc)[M][1],
                           const generic::QuantizedTileArgs<A, B, Out>& t,
                           const Requantizer<Out>& requantizer) {
    const __m512 scale = _mm512_loadu_ps(t.scale);
    const __mmask16 mask = first16(t.columns);
#pragma GCC unroll 4
    for (int m = 0; m < M; m += 4) {
      __m512i rows[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        rows[i] = requantizer.scaled(acc[m + i < M ? m + i : m][0], scale);
      }
      const __m512i bytes = in_order(requantizer.pack(rows[0], rows[1], rows[2], rows[3]));
      Out* y = t.y + m * t.y_stride;
      _mm_mask_storeu_epi8(y, mask, _mm512_castsi512_si128(bytes));
      if (m + 1 < M)
        _mm_mask_storeu_epi8(y + t.y_stride, mask, _mm512_extracti32x4_epi32(bytes, 1));
      if (m + 2 < M) {
        _mm_mask_storeu_epi8(y + 2 * t.y_stride, mask, _mm512_extracti32x4_epi32(bytes, 2));
      }
      if (m + 3 < M) {
        _mm_mask_storeu_epi8(y + 3 * t.y_stride, mask, _mm512_extracti32x4_epi32(bytes, 3));
      }
    }
  }
};

struct QuantizedDepthwise {
  using A = uint8_t;
  static constexpr generic::ByteDepthwiseTile kTile{};
  static constexpr double kMacsPerCycle = 32;

  template <typename In>
  static void convert(const In* x, int64_t n, int32_t offset, uint8_t* out) {
    Quantized::convert(x, n, offset, out);
  }

  // The bytes of four taps interleaved: quads of 16 channels in each of four vectors.
  struct Quads {
    __m512i v[4];
    Quads() = default;
    Quads(__m512i x0, __m512i x1, __m512i x2, __m512i x3) {
      const __m512i low01 = _mm512_unpacklo_epi8(x0, x1);
      const __m512i high01 = _mm512_unpackhi_epi8(x0, x1);
      const __m512i low23 = _mm512_unpacklo_epi8(x2, x3);
      const __m512i high23 = _mm512_unpackhi_epi8(x2, x3);
      v[0] = _mm512_unpacklo_epi16(low01, low23);
      v[1] = _mm512_unpackhi_epi16(low01, low23);
      v[2] = _mm512_unpacklo_epi16(high01, high23);
      v[3] = _mm512_unpackhi_epi16(high01, high23);
    }
  };

  // One block of channels: its loads, sums and stores.
  template <bool Paired, bool Centered, typename Out>
  class Block {
   public:
    using Acc = __m512i;
    explicit Block(const generic::ByteDepthwiseArgs<Out>& t)
        : t_(t), requantizer_(t.requant), mask_(first64(t.channels)) {}

    __m512i load(int64_t offset) const {
      if constexpr (Paired) {
        const auto half = static_cast<__mmask32>(mask_);
        return _mm512_inserti64x4(
            _mm512_castsi256_si512(_mm256_maskz_loadu_epi8(half, t_.a[0] + offset)),
            _mm256_maskz_loadu_epi8(half, t_.a[1] + offset), 1);
      } else {
        return _mm512_maskz_loadu_epi8(mask_, t_.a[0] + offset);
      }
    }
    // Column of a 3x3 window.
    Quads column(int64_t offset) const {
      return {load(offset), load(offset + t_.line_pitch), load(offset + 2 * t_.line_pitch),
              _mm512_setzero_si512()};
    }
    [[gnu::always_inline]] void add(const Quads& quads, int64_t quad, __m512i (&acc)[4]) const {
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) {
        acc[v] =
            _mm512_dpbusd_epi32(acc[v], quads.v[v], _mm512_load_si512(t_.w + 256 * quad + 64 * v));
        if constexpr (Centered) {
          acc[v] = _mm512_dpbusd_epi32(acc[v], quads.v[v], _mm512_load_si512(t_.center + 64 * v));
        }
      }
    }
    [[gnu::always_inline]] void load_bias(__m512i (&acc)[4]) const {
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) acc[v] = _mm512_load_si512(t_.bias + 16 * v);
    }
    // Packing undoes the order that interleaving made.
    [[gnu::always_inline]] void store(int64_t pixel, __m512i (&acc)[4]) const {
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) {
        acc[v] = requantizer_.scaled(acc[v], _mm512_load_ps(t_.scale + 16 * v));
      }
      const __m512i bytes = requantizer_.pack(acc[0], acc[1], acc[2], acc[3]);
      if constexpr (Paired) {
        const auto half = static_cast<__mmask32>(mask_);
        _mm256_mask_storeu_epi8(t_.y[0] + pixel * t_.y_stride, half, _mm512_castsi512_si256(bytes));
        _mm256_mask_storeu_epi8(t_.y[1] + pixel * t_.y_stride, half,
                                _mm512_extracti64x4_epi64(bytes, 1));
      } else {
        _mm512_mask_storeu_epi8(t_.y[0] + pixel * t_.y_stride, mask_, bytes);
      }
    }
    [[gnu::always_inline]] void pixel3x3(int64_t pixel, const Quads& left, const Quads& middle,
                                         const Quads& right) const {
      __m512i acc[4];
      load_bias(acc);
      add(left, 0, acc);
      add(middle, 1, acc);
      add(right, 2, acc);
      store(pixel, acc);
    }

   private:
    const generic::ByteDepthwiseArgs<Out> t_;  // a copy: y cannot alias it
    const Requantizer<Out> requantizer_;
    const __mmask64 mask_;
  };

  template <bool Paired, bool Streams, typename Out>
  static void pixels(const generic::ByteDepthwiseArgs<Out>& t) {
    if (t.center == nullptr) {
      Streams ? generic::stream(Block<Paired, false, Out>(t), t)
              : generic::any_window<Quads>(Block<Paired, false, Out>(t), t);
    } else {
      Streams ? generic::stream(Block<Paired, true, Out>(t), t)
              : generic::any_window<Quads>(Block<Paired, true, Out>(t), t);
    }
  }
};

struct Clamp {
  __m512 low, high;
  // NaN stays NaN: min and max return their second operand then.
  __m512 operator()(__m512 v) const { return _mm512_min_ps(high, _mm512_max_ps(low, v)); }
};

struct Float {
  using Acc = __m512;
  using Weights = __m512;
  static constexpr bool kSplitsDepth = true;
  static constexpr int kLanes32 = 16;
  static constexpr int kInterleave = 1;
  static constexpr generic::Tile kTile{.rows = 14, .columns = 32, .narrow = 16};
  static constexpr int kBlock = 32;
  static constexpr int kDepthwiseChannels = kBlock;
  static constexpr bool kMasksChannels = true;
  static constexpr double kMacsPerCycle = 24;

  static __m512 zero() { return _mm512_setzero_ps(); }
  static __m512 load_weights(const float* p) { return _mm512_loadu_ps(p); }
  static __m512 load_weights(const generic::Half* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static void widen(const generic::Half* x, int64_t n, float* out) {
    for (int64_t i = 0; i < n; i += 16) _mm512_storeu_ps(out + i, load_weights(x + i));
  }
  static __m512 load_sums(const float* p) { return _mm512_loadu_ps(p); }
  static void store_sums(float* p, __m512 v) { _mm512_storeu_ps(p, v); }
  static __m512 add(__m512 x, __m512 y) { return _mm512_add_ps(x, y); }
  static __m512 broadcast(const float* a) { return _mm512_set1_ps(*a); }
  static __m512 multiply_add(__m512 acc, __m512 a, __m512 w) { return _mm512_fmadd_ps(a, w, acc); }

  template <int M, int N, typename B>
  static void tile(const generic::FloatTileArgs<B>& t) {
    constexpr int V = N / 16;
    __m512 acc[M][V];
    if (!generic::accumulate_part<Float, M, V>(t, acc)) return;
    const Clamp clamp{_mm512_set1_ps(t.low), _mm512_set1_ps(t.high)};
    const __mmask16 masks[2] = {first16(t.columns), first16(t.columns - 16)};
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        _mm512_mask_storeu_ps(t.y + m * t.y_stride + 16 * v, masks[v], clamp(acc[m][v]));
      }
    }
  }

  static void depthwise_pixels(const generic::FloatDepthwisePixelsArgs& d) {
    if (d.channels == kBlock) return pixels<2, false>(d);
    d.channels > 16 ? pixels<2, true>(d) : pixels<1, true>(d);
  }

  // Several pixels of V vectors of channels at once share each weight.
  template <int V, bool Masked>
  static void pixels(const generic::FloatDepthwisePixelsArgs& d) {
    constexpr int kPixels = 12 / V;
    int64_t i = 0;
    for (; i + kPixels <= d.count; i += kPixels) pixels<V, Masked, kPixels>(d, i);
    for (; i + 2 <= d.count; i += 2) pixels<V, Masked, 2>(d, i);
    if (i < d.count) pixels<V, Masked, 1>(d, i);
  }

  template <int V, bool Masked, int N>
  [[gnu::always_inline]] static void pixels(const generic::FloatDepthwisePixelsArgs& d,
                                            int64_t first) {
    const __mmask16 mask = first16(d.channels - 16 * (V - 1));  // of the last vector
    const auto load = [mask](const float* x, int v) __attribute__((always_inline)) {
      if (Masked && v == V - 1) return _mm512_maskz_loadu_ps(mask, x + 16 * v);
      return _mm512_loadu_ps(x + 16 * v);
    };
    __m512 acc[N][V];
#pragma GCC unroll 12
    for (int n = 0; n < N; ++n) {
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) acc[n][v] = _mm512_load_ps(d.bias + 16 * v);
    }
    const float* w = d.w;
    for (int64_t t = 0; t < d.tap_count; ++t, w += kBlock) {
      const float* x = d.taps[t] + d.offset + first * d.step;
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        const __m512 weights = _mm512_load_ps(w + 16 * v);
#pragma GCC unroll 12
        for (int n = 0; n < N; ++n) {
          acc[n][v] = _mm512_fmadd_ps(load(x + n * d.step, v), weights, acc[n][v]);
        }
      }
    }
    const Clamp clamp{_mm512_set1_ps(d.low), _mm512_set1_ps(d.high)};
#pragma GCC unroll 12
    for (int n = 0; n < N; ++n) {
      float* y = d.y + (first + n) * d.y_step;
      if constexpr (V == 2) _mm512_storeu_ps(y, clamp(acc[n][0]));
      _mm512_mask_storeu_ps(y + 16 * (V - 1), mask, clamp(acc[n][V - 1]));
    }
  }

  static void depthwise(const generic::FloatDepthwiseArgs& d) {
    const __mmask16 mask0 = first16(d.channels);
    const __mmask16 mask1 = first16(d.channels - 16);
    __m512 acc0 = _mm512_load_ps(d.bias);
    __m512 acc1 = _mm512_load_ps(d.bias + 16);
    const float* w = d.w;
    for (int64_t t = 0; t < d.tap_count; ++t, w += kBlock) {
      const float* x = d.taps[t] + d.offset;
      acc0 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask0, x), _mm512_load_ps(w), acc0);
      acc1 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask1, x + 16), _mm512_load_ps(w + 16), acc1);
    }
    const Clamp clamp{_mm512_set1_ps(d.low), _mm512_set1_ps(d.high)};
    _mm512_mask_storeu_ps(d.y, mask0, clamp(acc0));
    _mm512_mask_storeu_ps(d.y + 16, mask1, clamp(acc1));
  }
};

struct Elements {
  static constexpr double kElementsPerCycle = 16;

  using Floats = __m512;
  static Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
  // vdivps takes 16 cycles for a vector; one step of Newton's method after 14 bits takes three.
  static Floats reciprocal(Floats a) {
    const Floats x = _mm512_rcp14_ps(a);
    return x * _mm512_fnmadd_ps(a, x, _mm512_set1_ps(2.F));
  }

  // The table in four registers: vpermi2b looks up in two at a time, the index's highest bit
  // chooses between the halves.
  static void lookup(const uint8_t* table, const uint8_t* x, int64_t n, uint8_t* y) {
    const __m512i t0 = _mm512_loadu_si512(table);
    const __m512i t1 = _mm512_loadu_si512(table + 64);
    const __m512i t2 = _mm512_loadu_si512(table + 128);
    const __m512i t3 = _mm512_loadu_si512(table + 192);
    for (int64_t i = 0; i < n; i += 64) {
      const __mmask64 mask = first64(n - i);
      const __m512i index = _mm512_maskz_loadu_epi8(mask, x + i);
      const __m512i low = _mm512_permutex2var_epi8(t0, index, t1);
      const __m512i high = _mm512_permutex2var_epi8(t2, index, t3);
      _mm512_mask_storeu_epi8(y + i, mask,
                              _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high));
    }
  }
};

// What lane l of register k of triples is: element [k][l] of its plane.
template <typename T, int kLanes>
struct Triples {
  alignas(64) T element[3][kLanes];
  uint64_t second[3] = {};  // lanes of the second plane
  uint64_t third[3] = {};
  constexpr Triples() : element() {
    for (int i = 0; i < 3 * kLanes; ++i) {
      element[i / kLanes][i % kLanes] = static_cast<T>(i / 3);
      (i % 3 == 1 ? second : third)[i / kLanes] |= uint64_t{i % 3 != 0} << (i % kLanes);
    }
  }
};
constexpr Triples<uint8_t, 64> kByteTriples;
constexpr Triples<uint32_t, 16> kWordTriples;

struct Copies {
  static void bytes_to_triples(const uint8_t* x, int64_t plane, int64_t count, uint8_t* y) {
    for (int64_t i = 0; i < count; i += 64, y += 192) {
      const __mmask64 mask = first64(count - i);
      const __m512i a = _mm512_maskz_loadu_epi8(mask, x + i);
      const __m512i b = _mm512_maskz_loadu_epi8(mask, x + plane + i);
      const __m512i c = _mm512_maskz_loadu_epi8(mask, x + 2 * plane + i);
#pragma GCC unroll 3
      for (int k = 0; k < 3; ++k) {
        const __m512i at = _mm512_load_si512(kByteTriples.element[k]);
        __m512i out = _mm512_permutexvar_epi8(at, a);
        out = _mm512_mask_permutexvar_epi8(out, kByteTriples.second[k], at, b);
        out = _mm512_mask_permutexvar_epi8(out, kByteTriples.third[k], at, c);
        const int64_t left = 3 * (count - i) - 64 * k;
        _mm512_mask_storeu_epi8(y + 64 * k, left > 0 ? first64(left) : 0, out);
      }
    }
  }

  static void words_to_triples(const uint32_t* x, int64_t plane, int64_t count, uint32_t* y) {
    for (int64_t i = 0; i < count; i += 16, y += 48) {
      const auto left = static_cast<int>(count - i < 16 ? count - i : 16);
      const __mmask16 mask = first16(left);
      const __m512i a = _mm512_maskz_loadu_epi32(mask, x + i);
      const __m512i b = _mm512_maskz_loadu_epi32(mask, x + plane + i);
      const __m512i c = _mm512_maskz_loadu_epi32(mask, x + 2 * plane + i);
#pragma GCC unroll 3
      for (int k = 0; k < 3; ++k) {
        const __m512i at = _mm512_load_si512(kWordTriples.element[k]);
        __m512i out = _mm512_permutexvar_epi32(at, a);
        out = _mm512_mask_permutexvar_epi32(out, static_cast<__mmask16>(kWordTriples.second[k]), at,
                                            b);
        out = _mm512_mask_permutexvar_epi32(out, static_cast<__mmask16>(kWordTriples.third[k]), at,
                                            c);
        _mm512_mask_storeu_epi32(y + 16 * k, first16(3 * left - 16 * k), out);
      }
    }
  }
};

}  // namespace

std::span<const Kernel> rows() {
  constexpr Isa kIsa = Isa::kAvx512Vnni;
  static constexpr auto kTable = generic::joined(
      generic::kQuantizedMatrixRows<Quantized, kIsa, generic::accepts_byte_matrix>,
      generic::kByteDepthwiseRows<QuantizedDepthwise, kIsa>, generic::kFloatRows<Float, kIsa>,
      generic::kElementwiseRows<Elements, kIsa>, generic::kCopyRows<Copies, kIsa>);
  return kTable;
}

}  // namespace inferd::kernels::avx512_vnni

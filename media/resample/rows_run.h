// SPDX-License-Identifier: Apache-2.0
//
// The rows of rows.h for an instruction set that `V` describes: registers of V::kLanes times 16
// bytes, each lane for itself. V is in an unnamed namespace, so that what is compiled with its
// flags stays in its file.
//
//   Bytes, Words, Sums                16 * kLanes bytes; 8 * kLanes int16; as many int32
//   load(p0, p1), load(p)             a window for each lane; 16 * kLanes bytes
//   pick(x, table)                    see Gather
//   load_pixels(row, at)              8 bytes from at[0] and from at[1]; next lane: from at[2], ...
//   pick_same(x, table)               with one table for all lanes
//   blend_pairs(x, w)                 blend_bytes() of bytes 2i and 2i+1, by weights w[2i], w[2i+1]
//   scaled(x, w), plus(x, y)          weighted(); x + y
//   zip_low32(a, b), ..., either      pairs of 16, 32 and 64 bits in turn, within lanes; a | b
//   load_corners(p0, p1, stride)      for each lane 8 bytes at p, and 8 at p + stride
//   add_pairs(x, w), add_word_pairs   x[2i] w[2i] + x[2i+1] w[2i+1]: Words; half of Sums
//   words(x)                          the same bits
//   dot(a, b, wa, wb), add(s, t), add(s, n)
//   narrow<N>(s)                      s >> N, saturated
//   to_bytes(x), to_steps(x, steps)   to_byte() and to_step() of each
//   store_bytes, mix_bytes            of 16 values, in 2 / kLanes Words each; 16 triples
//   store_reals, mix_reals            of 16 values; 4 triples
#pragma once

#include <cstring>

#include "media/resample/rows.h"

namespace inferd::media {
namespace {

// From the weights of four positions, four bytes each: those of upper and lower of one of them,
// eight times; those of left and right as words, four times.
struct WarpPicks {
  alignas(16) uint8_t down[4][16], across[4][16];
  constexpr WarpPicks() : down(), across() {
    for (int k = 0; k < 4; ++k) {
      for (int i = 0; i < 16; ++i) {
        down[k][i] = static_cast<uint8_t>(4 * k + i % 2);
        across[k][i] = static_cast<uint8_t>(i % 2 == 0 ? 4 * k + 2 + i / 2 % 2 : Gather::kNothing);
      }
    }
  }
};
constexpr WarpPicks kWarpPicks;

template <class V>
struct Rows {
  using Bytes = typename V::Bytes;
  using Words = typename V::Words;
  static constexpr int kHalf = kBlock / 2;
  static constexpr int kWords = 8 * V::kLanes;
  static constexpr int kParts = kBlock / kWords;

  template <int C>
  static void gather_windows(const Gather& g, const uint8_t* row, int16_t* const* out) {
    int16_t* to[C];  // copies, because it might seem that values are written over pointers
    for (int c = 0; c < C; ++c) to[c] = out[c];
    const int32_t* at = g.offsets.data();
    const uint8_t* picks = g.picks.data();
    const uint8_t* weights = g.weights.data();
    for (int i = 0; i < g.count; i += kBlock) {
      for (int half = 0; half < 2; half += V::kLanes) {
        Bytes pairs[C];
        for (int c = 0; c < C; ++c) pairs[c] = V::zero();
        const uint8_t* pick = picks + half * 16;
        for (int w = 0; w < g.windows; ++w, pick += C * 32) {
          const Bytes window = V::load(row + at[2 * w + half], row + at[2 * w + 1]);
          for (int c = 0; c < C; ++c)
            pairs[c] = V::either(pairs[c], V::pick(window, pick + c * 32));
        }
        const Bytes w = V::load(weights + 2 * kHalf * half);
        for (int c = 0; c < C; ++c) V::store(to[c] + i + kHalf * half, V::blend_pairs(pairs[c], w));
      }
      at += 2 * g.windows;
      picks += g.windows * C * 32;
      weights += 2 * kBlock;
    }
  }

  template <bool kFarApart>
  static void gather_twos(const Gather& g, const uint8_t* row, int16_t* const* out) {
    int16_t* const to[] = {out[0], out[1], out[2]};
    constexpr int kBegins = kFarApart ? 2 : 1;
    const int32_t* at = g.twos.data();
    const uint8_t* picks = g.two_picks.data();
    const uint8_t* weights = g.weights.data();
    for (int i = 0; i < g.count; i += kBlock) {
      for (int half = 0; half < 2; half += V::kLanes) {
        Bytes two[4];
        for (int k = 0; k < 4; ++k) {
          const int place = 2 * k + half;
          const int32_t* begins = at + kBegins * place;
          const Bytes from = kFarApart ? V::load_pixels(row, begins)
                                       : V::load(row + begins[0], row + begins[V::kLanes - 1]);
          two[k] = V::pick(from, picks + 16 * place);
        }
        const Bytes left = V::zip_low32(two[0], two[1]);  // both of component 0, both of 1
        const Bytes right = V::zip_low32(two[2], two[3]);
        const Bytes last =
            V::zip_low64(V::zip_high32(two[0], two[1]), V::zip_high32(two[2], two[3]));
        const Bytes w = V::load(weights + 2 * kHalf * half);
        const int first = i + kHalf * half;
        V::store(to[0] + first, V::blend_pairs(V::zip_low64(left, right), w));
        V::store(to[1] + first, V::blend_pairs(V::zip_high64(left, right), w));
        V::store(to[2] + first, V::blend_pairs(last, w));
      }
      at += kHalf * kBegins;
      picks += kHalf * 16;
      weights += 2 * kBlock;
    }
  }

  static void gather(const Gather& g, const uint8_t* row, int16_t* const* out) {
    if (g.windows == 0) return kPortableRows.gather(g, row, out);
    if (g.components == 1) return gather_windows<1>(g, row, out);
    if (g.components == 2) return gather_windows<2>(g, row, out);
    if (g.twos.empty()) return gather_windows<3>(g, row, out);
    if (g.far_apart) return gather_twos<true>(g, row, out);
    gather_twos<false>(g, row, out);
  }

  // Of four positions from `at` on in each lane, two by two: their components and nothing.
  static void warp_four(const Warp& w, size_t at, const uint8_t* plane, size_t stride,
                        Words (&two)[2]) {
    const auto corner = [&](size_t i) { return plane + w.rows[i] * stride + w.columns[i]; };
    const Bytes weights =
        V::load(w.weights[at].data(), w.weights[at + (V::kLanes - 1) * kHalf].data());
    const auto sum = [&](size_t k) {
      const Bytes corners =
          V::load_corners(corner(at + k), corner(at + k + (V::kLanes - 1) * kHalf), stride);
      const Words both = V::add_pairs(V::pick_same(corners, w.picks.data()),
                                      V::pick_same(weights, kWarpPicks.down[k]));
      return V::add_word_pairs(both, V::words(V::pick_same(weights, kWarpPicks.across[k])));
    };
    for (size_t k = 0; k < 2; ++k) {
      const typename V::Sums sums{sum(2 * k), sum(2 * k + 1)};
      two[k] = V::template narrow<4>(V::add(sums, 8 - 128 * kWarpOne * kWarpOne));
    }
  }

  template <int C>
  static void warp_block(const Warp& w, size_t at, const uint8_t* plane, size_t stride,
                         int16_t* const* out) {
    for (size_t half = 0; half < 2; half += V::kLanes) {
      Words low[2], high[2];  // of components 0 and 1, of component 2; of four positions each
      for (size_t k = 0; k < 2; ++k) {
        Words two[2];
        warp_four(w, at + kHalf * half + 4 * k, plane, stride, two);
        const Words even = V::zip_low16(two[0], two[1]);
        const Words odd = V::zip_high16(two[0], two[1]);
        low[k] = V::zip_low16(even, odd);
        high[k] = V::zip_high16(even, odd);
      }
      V::store(out[0] + kHalf * half, V::zip_low64(low[0], low[1]));
      if (C > 1) V::store(out[1] + kHalf * half, V::zip_high64(low[0], low[1]));
      if (C > 2) V::store(out[2] + kHalf * half, V::zip_low64(high[0], high[1]));
    }
  }

  template <int C>
  static void warp_line(const Warp& w, int line, const uint8_t* plane, size_t stride,
                        int16_t* const* out) {
    const size_t begin = w.at(line);
    for (int i = 0; i < w.count; i += kBlock) {
      const size_t at = begin + static_cast<size_t>(i);
      if (w.careful[at / kBlock] != 0) {
        warp_plainly(w, line, i, i + kBlock < w.count ? i + kBlock : w.count, plane, stride, out);
        continue;
      }
      int16_t* to[C];
      for (int c = 0; c < C; ++c) to[c] = out[c] + i;
      warp_block<C>(w, at, plane, stride, to);
    }
  }

  static void warp(const Warp& w, int line, const uint8_t* plane, size_t stride,
                   int16_t* const* out) {
    if (w.components == 1) return warp_line<1>(w, line, plane, stride, out);
    if (w.components == 2) return warp_line<2>(w, line, plane, stride, out);
    warp_line<3>(w, line, plane, stride, out);
  }

  // Called where one channel is wanted, so that the loops of three have registers for themselves.
  [[gnu::noinline]] static Words luma(Words red, Words green, Words blue) {
    const auto two = V::dot(red, green, kLumaRed, kLumaGreen);
    const auto sum = V::add(two, V::dot(blue, blue, kLumaBlue, 0));
    return V::template narrow<14>(V::add(sum, kOne / 2));
  }

  // Of kWords pixels, by channel.
  template <bool kYuv>
  static void channels_at(const Line& l, int at, Words (&out)[3]) {
    for (size_t c = 0; c < 3; ++c) out[c] = V::load(l.low[c] + at);
    if (l.weight != 0) {
      for (size_t c = 0; c < 3; ++c) {
        out[c] = V::plus(V::scaled(out[c], kOneRow - l.weight),
                         V::scaled(V::load(l.high[c] + at), l.weight));
      }
    }
    if constexpr (kYuv) {
      const YuvMatrix& m = *l.yuv;
      const Words y = out[0];
      const Words u = out[1];
      const Words v = out[2];
      const auto finished = [&](auto sum) {
        return V::least(V::template narrow<14>(V::add(sum, m.offset)), kLargest);
      };
      out[0] = finished(V::dot(y, v, m.luma, m.red_v));
      out[1] = finished(V::add(V::dot(y, v, m.luma, m.green_v), V::dot(u, u, m.green_u, 0)));
      out[2] = finished(V::add(V::dot(y, v, m.luma, 0), V::dot(u, u, m.blue_u0, m.blue_u1)));
    }
    if (l.luma) {
      out[0] = luma(out[0], out[1], out[2]);
    } else if (l.bgr) {
      const Words red = out[0];
      out[0] = out[2];
      out[2] = red;
    }
  }

  template <bool kMixed>
  static void store_reals(const Line& l, const Words (&channels)[3][kParts],
                          std::byte* const* out) {
    if (!kMixed) {
      for (int c = 0; c < (l.luma ? 1 : 3); ++c)
        V::store_reals(reinterpret_cast<float*>(out[c]), channels[c], l.reals[c]);
      return;
    }
    float rows[3][kBlock];
    for (int c = 0; c < 3; ++c) V::store_reals(rows[c], channels[c], l.reals[c]);
    auto* to = reinterpret_cast<float*>(out[0]);
    for (int i = 0; i < kBlock; i += 4)
      V::mix_reals(rows[0] + i, rows[1] + i, rows[2] + i, to + 3 * i);
  }

  template <ElementKind kKind, bool kYuv, bool kMixed>
  static void finish_block(const Line& l, int first, std::byte* const* out) {
    Words channels[3][kParts];
    for (int p = 0; p < kParts; ++p) {
      Words rgb[3];
      channels_at<kYuv>(l, first + p * kWords, rgb);
      for (int c = 0; c < 3; ++c) channels[c][p] = rgb[c];
    }
    if constexpr (kKind == ElementKind::kReals) return store_reals<kMixed>(l, channels, out);
    for (int c = 0; c < 3; ++c) {
      for (Words& x : channels[c])
        x = kKind == ElementKind::kBytes ? V::to_bytes(x) : V::to_steps(x, l.steps[c]);
    }
    const auto at = [&](int c) { return reinterpret_cast<uint8_t*>(out[c]); };
    if (kMixed) return V::mix_bytes(channels, l.flip, at(0));
    for (int c = 0; c < (l.luma ? 1 : 3); ++c) V::store_bytes(channels[c], l.flip, at(c));
  }

  // Copies, because for all that the compiler knows elements might be written over the originals.
  template <ElementKind kKind, bool kYuv, bool kMixed>
  static void finish_as(Line l) {
    const YuvMatrix yuv = kYuv ? *l.yuv : YuvMatrix{};
    const Steps steps[] = {l.steps[0], l.steps[1], l.steps[2]};
    const Affine reals[] = {l.reals[0], l.reals[1], l.reals[2]};
    l.yuv = &yuv;
    l.steps = steps;
    l.reals = reals;
    constexpr int kSize = kKind == ElementKind::kReals ? 4 : 1;
    constexpr int kStep = (kMixed ? 3 : 1) * kSize;
    const int rows = kMixed || l.luma ? 1 : 3;
    // Less than a block goes by way of one; otherwise the last block begins within the one before.
    alignas(32) std::byte block[3][3 * kBlock * kSize];
    const bool less = l.count < kBlock;
    std::byte* out[] = {less ? block[0] : l.out[0], less ? block[1] : l.out[1],
                        less ? block[2] : l.out[2]};
    for (int i = 0;;) {
      finish_block<kKind, kYuv, kMixed>(l, i, out);
      const int step = l.count - i - kBlock < kBlock ? l.count - i - kBlock : kBlock;
      if (step <= 0) break;
      for (int c = 0; c < rows; ++c) out[c] += step * kStep;
      i += step;
    }
    for (int c = 0; c < rows && less; ++c)
      std::memcpy(l.out[static_cast<size_t>(c)], block[c], static_cast<size_t>(l.count * kStep));
  }

  template <ElementKind kKind>
  static void finish_kind(const Line& l) {
    if (l.yuv == nullptr)
      return l.mixed ? finish_as<kKind, false, true>(l) : finish_as<kKind, false, false>(l);
    return l.mixed ? finish_as<kKind, true, true>(l) : finish_as<kKind, true, false>(l);
  }

  static void finish(const Line& l) {
    switch (l.kind) {
      case ElementKind::kBytes:
        return finish_kind<ElementKind::kBytes>(l);
      case ElementKind::kSteps:
        return finish_kind<ElementKind::kSteps>(l);
      case ElementKind::kReals:
        return finish_kind<ElementKind::kReals>(l);
    }
  }

  static constexpr RowKernels table(const char* name) { return {name, gather, finish, warp}; }
};

}  // namespace
}  // namespace inferd::media

// SPDX-License-Identifier: Apache-2.0
//
// The rows of rows.h for an instruction set that `V` describes: registers of V::kLanes times 16
// bytes, each lane for itself. V is in an unnamed namespace, so that what is compiled with its
// flags stays in its file.
//
//   Bytes, Words, Sums                16 * kLanes bytes; 8 * kLanes int16; as many int32
//   load(p0, p1), pick(x, table)      a window for each lane; see Gather
//   load_pixels(row, at)              for each lane pixels at[0], at[1]; of the second at[8], at[9]
//   pick_same(x, table)               with one table for all lanes
//   zip_low32(a, b), ..., either      pairs of 32 and 64 bits in turn, within lanes; a | b
//   dot_pairs(x, w)                   bytes 2i and 2i+1 times w[2i] and w[2i+1]
//   dot(a, b, wa, wb), add(s, t), add(s, n)
//   narrow<N>(s)                      s >> N, saturated
//   store_bytes, store_steps, store_reals, mix_bytes, mix_reals
#pragma once

#include "media/resample/rows.h"

namespace inferd::media {
namespace {

template <class V>
struct Rows {
  using Bytes = typename V::Bytes;
  using Words = typename V::Words;
  static constexpr int kHalf = kBlock / 2;
  static constexpr int kWords = 8 * V::kLanes;

  static void store_blended(Bytes pairs, const int16_t* weights, int16_t* out) {
    V::store(out, V::template narrow<6>(V::add(V::dot_pairs(pairs, weights), 32 - 128 * kOne)));
  }

  template <int C>
  static void gather_windows(const Gather& g, int from, int to, const uint8_t* row,
                             int16_t* const* out) {
    const int32_t* at = g.offsets.data() + from / kBlock * 2 * g.windows;
    const uint8_t* picks = g.picks.data() + from / kBlock * g.windows * C * 32;
    const int16_t* weights = g.weights.data() + 2 * from;
    for (int i = from; i < to; i += kBlock) {
      for (int half = 0; half < 2; half += V::kLanes) {
        Bytes pairs[C];
        for (int c = 0; c < C; ++c) pairs[c] = V::zero();
        const uint8_t* pick = picks + half * 16;
        for (int w = 0; w < g.windows; ++w, pick += C * 32) {
          const Bytes window = V::load(row + at[2 * w + half], row + at[2 * w + 1]);
          for (int c = 0; c < C; ++c)
            pairs[c] = V::either(pairs[c], V::pick(window, pick + c * 32));
        }
        for (int c = 0; c < C; ++c)
          store_blended(pairs[c], weights + 2 * kHalf * half, out[c] + i + kHalf * half);
      }
      at += 2 * g.windows;
      picks += g.windows * C * 32;
      weights += 2 * kBlock;
    }
  }

  static void gather_pixels(const Gather& g, const uint8_t* row, int16_t* const* out) {
    const uint8_t* picks = g.pixel_picks.data();
    for (int i = g.pixels_begin; i < g.pixels_end; i += kBlock) {
      for (int half = 0; half < 2; half += V::kLanes) {
        const int first = i + kHalf * half;
        const int32_t* at = g.pixels.data() + first;
        Bytes two[4];
        for (int k = 0; k < 4; ++k) two[k] = V::pick_same(V::load_pixels(row, at + 2 * k), picks);
        const Bytes left = V::zip_low32(two[0], two[1]);  // both of component 0, both of 1
        const Bytes right = V::zip_low32(two[2], two[3]);
        const int16_t* weights = g.weights.data() + 2 * first;
        store_blended(V::zip_low64(left, right), weights, out[0] + first);
        store_blended(V::zip_high64(left, right), weights, out[1] + first);
        store_blended(V::zip_low64(V::zip_high32(two[0], two[1]), V::zip_high32(two[2], two[3])),
                      weights, out[2] + first);
      }
    }
  }

  static void gather(const Gather& g, const uint8_t* row, int16_t* const* out) {
    if (g.windows == 0) return kPortableRows.gather(g, row, out);
    if (g.components == 1) return gather_windows<1>(g, 0, g.count, row, out);
    if (g.components == 2) return gather_windows<2>(g, 0, g.count, row, out);
    gather_windows<3>(g, 0, g.pixels_begin, row, out);
    gather_pixels(g, row, out);
    gather_windows<3>(g, g.pixels_end, g.count, row, out);
  }

  static void blend(const int16_t* a, const int16_t* b, int weight, int count, int16_t* out) {
    for (int i = 0; i < count; i += kWords) {
      const auto sum = V::dot(V::load(a + i), V::load(b + i), kOne - weight, weight);
      V::store(out + i, V::template narrow<14>(V::add(sum, kOne / 2)));
    }
  }

  static void to_rgb(const YuvMatrix& m, const int16_t* const* yuv, int count,
                     int16_t* const* rgb) {
    for (int i = 0; i < count; i += kWords) {
      const Words y = V::load(yuv[0] + i);
      const Words u = V::load(yuv[1] + i);
      const Words v = V::load(yuv[2] + i);
      const auto red = V::dot(y, v, m.luma, m.red_v);
      const auto green = V::add(V::dot(y, v, m.luma, m.green_v), V::dot(u, u, m.green_u, 0));
      const auto blue = V::add(V::dot(y, v, m.luma, 0), V::dot(u, u, m.blue_u0, m.blue_u1));
      const auto finish = [&](auto sum) {
        return V::least(V::template narrow<14>(V::add(sum, m.offset)), kLargest);
      };
      V::store(rgb[0] + i, finish(red));
      V::store(rgb[1] + i, finish(green));
      V::store(rgb[2] + i, finish(blue));
    }
  }

  static void luma(const int16_t* const* rgb, int count, int16_t* out) {
    for (int i = 0; i < count; i += kWords) {
      const Words blue = V::load(rgb[2] + i);
      const auto two = V::dot(V::load(rgb[0] + i), V::load(rgb[1] + i), kLumaRed, kLumaGreen);
      const auto sum = V::add(two, V::dot(blue, blue, kLumaBlue, 0));
      V::store(out + i, V::template narrow<14>(V::add(sum, kOne / 2)));
    }
  }

  static void bytes(const int16_t* x, int count, uint8_t flip, uint8_t* out) {
    int i = 0;
    for (; i + kWords <= count; i += kWords) V::store_bytes(out + i, V::load(x + i), flip);
    kPortableRows.bytes(x + i, count - i, flip, out + i);
  }

  static void steps(const int16_t* x, int count, const Steps& s, uint8_t flip, uint8_t* out) {
    int i = 0;
    for (; i + kWords <= count; i += kWords) V::store_steps(out + i, V::load(x + i), s, flip);
    kPortableRows.steps(x + i, count - i, s, flip, out + i);
  }

  static void reals(const int16_t* x, int count, const Affine& affine, float* out) {
    int i = 0;
    for (; i + kWords <= count; i += kWords) V::store_reals(out + i, V::load(x + i), affine);
    kPortableRows.reals(x + i, count - i, affine, out + i);
  }

  static void mix_bytes(const uint8_t* const* in, int count, uint8_t* out) {
    int i = 0;
    for (; i + 16 <= count; i += 16) V::mix_bytes(in[0] + i, in[1] + i, in[2] + i, out + 3 * i);
    const uint8_t* const rest[] = {in[0] + i, in[1] + i, in[2] + i};
    kPortableRows.mix_bytes(rest, count - i, out + 3 * i);
  }

  static void mix_reals(const float* const* in, int count, float* out) {
    int i = 0;
    for (; i + 4 <= count; i += 4) V::mix_reals(in[0] + i, in[1] + i, in[2] + i, out + 3 * i);
    const float* const rest[] = {in[0] + i, in[1] + i, in[2] + i};
    kPortableRows.mix_reals(rest, count - i, out + 3 * i);
  }

  static constexpr RowKernels table(const char* name) {
    return {name, gather, blend, to_rgb, luma, bytes, steps, reals, mix_bytes, mix_reals};
  }
};

}  // namespace
}  // namespace inferd::media

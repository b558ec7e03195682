// SPDX-License-Identifier: Apache-2.0
//
// Plain loops, for the compiler's vectorizer and for CPUs without the instructions of the others.
#include <algorithm>
#include <utility>

#include "media/resample/rows.h"

namespace inferd::media {
namespace {

void gather(const Gather& g, const uint8_t* row, int16_t* const* out) {
  for (int c = 0; c < g.components; ++c) {
    const int32_t* low = g.low.data() + c * g.count;
    const int32_t* high = g.high.data() + c * g.count;
    const uint8_t* w = g.weights.data();
    for (int i = 0; i < g.count; ++i)
      out[c][i] = blend_bytes(row[low[i]], row[high[i]], w[2 * i], w[2 * i + 1]);
  }
}

// Centred values of a block, by channel of the tensor.
using Block = int16_t[3][kBlock];

void channels_at(const Line& l, int first, Block& block) {
  for (size_t c = 0; c < 3; ++c) {
    const int16_t* low = l.low[c] + first;
    const int16_t* high = l.high[c] + first;
    for (int i = 0; i < kBlock; ++i)
      block[c][i] = blend_rows(low[i], high[i], kOneRow - l.weight, l.weight);
  }
  if (l.yuv != nullptr) {
    for (int i = 0; i < kBlock; ++i) {
      yuv_to_rgb(*l.yuv, block[0][i], block[1][i], block[2][i], block[0][i], block[1][i],
                 block[2][i]);
    }
  }
  for (int i = 0; i < kBlock; ++i) {
    if (l.luma) block[0][i] = luma_of(block[0][i], block[1][i], block[2][i]);
    if (l.bgr && !l.luma) std::swap(block[0][i], block[2][i]);
  }
}

// Elements of channel c, `step` apart.
void write_channel(const Line& l, size_t c, const int16_t* values, int count, size_t step,
                   std::byte* out) {
  for (int i = 0; i < count; ++i) {
    const size_t to = static_cast<size_t>(i) * step;
    if (l.kind == ElementKind::kReals) {
      reinterpret_cast<float*>(out)[to] = to_real(values[i], l.reals[c]);
    } else {
      const bool raw = l.kind == ElementKind::kBytes;
      const int byte = raw ? to_byte(values[i]) : to_step(values[i], l.steps[c]);
      out[to] = static_cast<std::byte>(byte ^ l.flip);
    }
  }
}

void finish(const Line& l) {
  const size_t size = l.kind == ElementKind::kReals ? sizeof(float) : 1;
  const size_t step = l.mixed ? 3 : 1;
  Block block;
  for (int first = 0; first < l.count; first += kBlock) {
    channels_at(l, first, block);
    for (size_t c = 0; c < (l.luma ? 1U : 3U); ++c) {
      std::byte* out = l.mixed ? l.out[0] + c * size : l.out[c];
      write_channel(l, c, block[c], std::min(l.count - first, kBlock), step,
                    out + static_cast<size_t>(first) * step * size);
    }
  }
}

void warp(const Warp& w, int line, const uint8_t* plane, size_t stride, int16_t* const* out) {
  warp_plainly(w, line, 0, w.count, plane, stride, out);
}

}  // namespace

void warp_plainly(const Warp& w, int line, int first, int last, const uint8_t* plane, size_t stride,
                  int16_t* const* out) {
  const size_t at = w.at(line);
  for (int i = first; i < last; ++i) {
    const size_t place = at + static_cast<size_t>(i);
    const uint8_t* upper = plane + w.rows[place] * stride + w.columns[place];
    const uint8_t* lower = upper + stride;
    const auto& [up, down, left, right] = w.weights[place];
    for (int c = 0; c < w.components; ++c) {
      const int a = w.first[static_cast<size_t>(c)], b = a + w.step;
      out[c][i] = blend_four(upper[a], upper[b], lower[a], lower[b], up, down, left, right);
    }
  }
}

const RowKernels kPortableRows = {"portable", gather, finish, warp};

}  // namespace inferd::media

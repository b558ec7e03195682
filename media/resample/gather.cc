// SPDX-License-Identifier: Apache-2.0
#include "media/resample/gather.h"

#include <algorithm>

namespace inferd::media {
namespace {

constexpr int kWindow = 16;
constexpr int kHalf = kBlock / 2;

int blocks_of(int count) { return (count + kBlock - 1) / kBlock; }

// Windows of one half of a block: where they begin, and for each position which one has it.
struct Half {
  std::vector<int32_t> begins;
  int of_position[kHalf] = {};
};

// The bytes that a position takes lie in [first, last].
struct Extent {
  int32_t first, last;
};

Extent extent_of(const Gather& g, int position) {
  Extent e{INT32_MAX, 0};
  for (int c = 0; c < g.components; ++c) {
    const auto at = static_cast<size_t>(c * g.count + position);
    e.first = std::min({e.first, g.low[at], g.high[at]});
    e.last = std::max({e.last, g.low[at], g.high[at]});
  }
  return e;
}

// Positions beyond the last are the last again. Positions run forwards or backwards, so that
// neighbours share a window for as long as their bytes fit into one.
Half windows_of(const Gather& g, int first, int row_bytes) {
  Half half;
  Extent taken{0, -1};
  for (int i = 0; i < kHalf; ++i) {
    const Extent e = extent_of(g, std::min(first + i, g.count - 1));
    const Extent both{std::min(taken.first, e.first), std::max(taken.last, e.last)};
    if (i > 0 && both.last - both.first < kWindow) {
      taken = both;
    } else {
      taken = e;
      half.begins.push_back(0);
    }
    half.begins.back() = std::min(taken.first, row_bytes - kWindow);
    half.of_position[i] = static_cast<int>(half.begins.size()) - 1;
  }
  return half;
}

void add_windows(Gather& g, int row_bytes) {
  std::vector<Half> halves;
  size_t windows = 0;
  for (int first = 0; first < blocks_of(g.count) * kBlock; first += kHalf) {
    halves.push_back(windows_of(g, first, row_bytes));
    windows = std::max(windows, halves.back().begins.size());
  }
  g.windows = static_cast<int>(windows);
  const auto components = static_cast<size_t>(g.components);
  g.offsets.assign(halves.size() * windows, 0);
  g.picks.assign(halves.size() * windows * components * kWindow, Gather::kNothing);
  for (size_t h = 0; h < halves.size(); ++h) {
    for (size_t w = 0; w < halves[h].begins.size(); ++w)
      g.offsets[(h / 2 * windows + w) * 2 + h % 2] = halves[h].begins[w];
    for (size_t i = 0; i < kHalf; ++i) {
      const auto w = static_cast<size_t>(halves[h].of_position[i]);
      const size_t position = std::min(h * kHalf + i, static_cast<size_t>(g.count) - 1);
      for (size_t c = 0; c < components; ++c) {
        uint8_t* pick =
            &g.picks[((((h / 2 * windows) + w) * components + c) * 2 + h % 2) * kWindow];
        const size_t at = c * static_cast<size_t>(g.count) + position;
        pick[2 * i] = static_cast<uint8_t>(g.low[at] - halves[h].begins[w]);
        pick[2 * i + 1] = static_cast<uint8_t>(g.high[at] - halves[h].begins[w]);
      }
    }
  }
}

// For three components whose pixels are 3 or 4 bytes apart.
void add_pixels(Gather& g, std::span<const Component> components, int row_bytes) {
  for (int i = 0; i < blocks_of(g.count) * kBlock; ++i) {
    const int32_t at = extent_of(g, std::min(i, g.count - 1)).first;
    g.pixels.push_back(at);
    // Such positions are at one end.
    if (at + 8 <= row_bytes) {
      g.pixels_end = (i + 1) / kBlock * kBlock;
    } else if (g.pixels_end == 0) {
      g.pixels_begin = (i / kBlock + 1) * kBlock;
    } else {
      break;
    }
  }
  if (g.pixels_end <= g.pixels_begin) g.pixels_begin = g.pixels_end = 0;
  g.pixel_picks.assign(kWindow, Gather::kNothing);
  for (size_t c = 0; c < 3; ++c) {
    for (size_t pixel = 0; pixel < 2; ++pixel) {
      const auto first = static_cast<uint8_t>(static_cast<size_t>(components[c].first) + pixel * 8);
      g.pixel_picks[c * 4 + pixel * 2] = first;
      g.pixel_picks[c * 4 + pixel * 2 + 1] = static_cast<uint8_t>(first + components[c].step);
    }
  }
}

}  // namespace

Gather make_gather(const Axis& across, std::span<const Component> components, int row_bytes) {
  Gather g;
  g.count = across.count;
  g.components = static_cast<int>(components.size());
  std::vector<Tap> taps;
  for (int i = 0; i < across.count; ++i) taps.push_back(tap_at(across, i));
  for (const Component& c : components) {
    for (const Tap& tap : taps) {
      g.low.push_back((tap.low >> c.shift_x) * c.step + c.first);
      g.high.push_back((tap.high >> c.shift_x) * c.step + c.first);
    }
  }
  for (int i = 0; i < blocks_of(g.count) * kBlock; ++i) {
    const int weight = taps[static_cast<size_t>(std::min(i, g.count - 1))].weight;
    g.weights.push_back(static_cast<int16_t>(kOne - weight));
    g.weights.push_back(static_cast<int16_t>(weight));
  }
  if (row_bytes < kWindow) return g;
  add_windows(g, row_bytes);
  // Three picks of a window that holds a position or two cost more than the pixels one by one.
  const bool together = components.size() == 3 && components[0].shift_x == components[1].shift_x;
  if (together && g.windows > 3 && across.pixels > 1) add_pixels(g, components, row_bytes);
  return g;
}

}  // namespace inferd::media

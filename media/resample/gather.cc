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

// For three components, of which all that a position takes lies within 8 bytes.
void add_twos(Gather& g, int row_bytes) {
  std::vector<Extent> of_one, of_two;
  for (int i = 0; i < blocks_of(g.count) * kBlock; ++i) {
    of_one.push_back(extent_of(g, std::min(i, g.count - 1)));
    if (i % 2 == 0) continue;
    const Extent &a = of_one[of_one.size() - 2], &b = of_one.back();
    of_two.push_back({std::min(a.first, b.first), std::max(a.last, b.last)});
    if (of_two.back().last - of_two.back().first >= kWindow) g.far_apart = true;
  }
  // Whatever the place of a window in its row, none ends behind it.
  const int room = g.far_apart ? kWindow / 2 : kWindow;
  const auto begin_of = [&](const Extent& e) { return std::min(e.first, row_bytes - room); };
  const auto twos = static_cast<int>(of_two.size());
  g.two_picks.assign(of_two.size() * kWindow, Gather::kNothing);
  for (int to = 0; to < twos; ++to) {
    const int block = to / kHalf, two = to % kHalf / 2, half = to % 2;
    const int first = block * kBlock + half * kHalf + two * 2;
    for (int i = 0; i < 2; ++i) {
      const int position = std::min(first + i, g.count - 1);
      const int32_t begin = begin_of(g.far_apart ? of_one[static_cast<size_t>(first + i)]
                                                 : of_two[static_cast<size_t>(first / 2)]);
      if (g.far_apart || i == 0) g.twos.push_back(begin);
      const int at = g.far_apart ? i * room : 0;
      for (int c = 0; c < 3; ++c) {
        const auto from = static_cast<size_t>(c * g.count + position);
        uint8_t* pick = &g.two_picks[static_cast<size_t>(to * kWindow + c * 4 + i * 2)];
        pick[0] = static_cast<uint8_t>(g.low[from] - begin + at);
        pick[1] = static_cast<uint8_t>(g.high[from] - begin + at);
      }
    }
  }
}

}  // namespace

Gather make_gather(const Axis& across, std::span<const Component> components, int row_bytes) {
  Gather g;
  g.count = across.count;
  g.components = static_cast<int>(components.size());
  std::vector<Tap> taps;
  for (int i = 0; i < across.count; ++i) {
    Tap tap = tap_at(across, i);
    tap.weight = pixel_weight(tap.weight);
    if (tap.weight == 0) tap.high = tap.low;
    if (tap.weight == kOnePixel) tap.low = tap.high;
    if (tap.low == tap.high) tap.weight = kOnePixel / 2;
    taps.push_back(tap);
  }
  for (const Component& c : components) {
    for (const Tap& tap : taps) {
      g.low.push_back((tap.low >> c.shift_x) * c.step + c.first);
      g.high.push_back((tap.high >> c.shift_x) * c.step + c.first);
    }
  }
  for (int i = 0; i < blocks_of(g.count) * kBlock; ++i) {
    const int weight = taps[static_cast<size_t>(std::min(i, g.count - 1))].weight;
    g.weights.push_back(static_cast<uint8_t>(kOnePixel - weight));
    g.weights.push_back(static_cast<uint8_t>(weight));
  }
  if (row_bytes < kWindow) return g;
  add_windows(g, row_bytes);
  // Three picks of a window cost more than one of two positions.
  if (g.components == 3 && g.windows > 1) add_twos(g, row_bytes);
  return g;
}

}  // namespace inferd::media

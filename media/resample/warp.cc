// SPDX-License-Identifier: Apache-2.0
#include "media/resample/warp.h"

#include <algorithm>
#include <cmath>

namespace inferd::media {
namespace {

constexpr int kWindow = 8;

// Component c's upper left, lower left, upper right, lower right are bytes 4 * c to 4 * c + 3.
std::array<uint8_t, 16> make_picks(const Warp& w) {
  std::array<uint8_t, 16> picks;
  picks.fill(Gather::kNothing);
  for (size_t c = 0; c < static_cast<size_t>(w.components); ++c) {
    const int left = w.first[c], right = left + w.step;
    const int of[] = {left, left + kWindow, right, right + kWindow};
    for (size_t k = 0; k < 4; ++k) picks[4 * c + k] = static_cast<uint8_t>(of[k]);
  }
  return picks;
}

// Of the last line that unseen_of has.
void add_unseen(Warp& w, int position) {
  if (w.unseen.size() > w.unseen_of.back() && w.unseen.back().end == position) {
    w.unseen.back().end = position + 1;
  } else {
    w.unseen.push_back({position, position + 1});
  }
}

}  // namespace

WarpTap warp_tap(double place, int pixels) {
  const double inside = std::clamp(place, 0.0, pixels - 1.0);
  const int low = std::min(static_cast<int>(inside), pixels - 2);
  return {low, static_cast<int>(std::lround((inside - low) * kWarpOne))};
}

PlanePoint in_plane(const Component& component, PlanePoint place) {
  const int across = 1 << component.shift_x, down = 1 << component.shift_y;
  return {(place.x - (across - 1) / 2.0) / across, (place.y - (down - 1) / 2.0) / down};
}

Warp make_warp(std::span<const Component> components, int width, int height, int count, int lines,
               const WarpPlaces& places) {
  const Component& one = components[0];
  const int across = width >> one.shift_x, down = height >> one.shift_y;
  int begin = one.first;
  for (const Component& c : components) begin = std::min(begin, c.first);
  Warp w;
  w.count = count;
  w.lines = lines;
  w.components = static_cast<int>(components.size());
  w.step = one.step;
  for (size_t c = 0; c < components.size(); ++c) w.first[c] = components[c].first - begin;
  w.picks = make_picks(w);
  w.columns.resize(w.at(lines));
  w.rows.resize(w.at(lines));
  w.weights.resize(w.at(lines));
  w.careful.resize(w.at(lines) / kBlock);
  const int row_bytes = across * one.step;
  for (int line = 0; line < lines; ++line) {
    w.unseen_of.push_back(w.unseen.size());
    for (int i = 0; i < w.room(); ++i) {
      const size_t at = w.at(line) + static_cast<size_t>(i);
      const auto place = i < count ? places(line, i) : std::nullopt;
      if (!place && i < count) add_unseen(w, i);
      if (place) {
        w.blind = false;
        const PlanePoint p = in_plane(one, *place);
        const WarpTap x = warp_tap(p.x, across), y = warp_tap(p.y, down);
        w.columns[at] = x.low * one.step + begin;
        w.rows[at] = static_cast<uint16_t>(y.low);
        const auto byte = [](int weight) { return static_cast<uint8_t>(weight); };
        w.weights[at] = {byte(kWarpOne - y.part), byte(y.part), byte(kWarpOne - x.part),
                         byte(x.part)};
      }
      // In rows above the last one, what is behind a row is the padding or the next row.
      const bool last = w.rows[at] + 2 == down;
      if (row_bytes < kWindow || (last && w.columns[at] + kWindow > row_bytes))
        w.careful[at / kBlock] = 1;
    }
  }
  w.unseen_of.push_back(w.unseen.size());
  return w;
}

std::vector<WarpGroup> warp_groups(const Components& components) {
  const size_t kinds = components.grey ? 1 : 3;
  std::vector<WarpGroup> groups;
  for (size_t first = 0; first < kinds; first += groups.back().count) {
    const Component& at = components.at[first];
    size_t count = 1;
    while (first + count < kinds && components.at[first + count].plane == at.plane &&
           components.at[first + count].step == at.step) {
      ++count;
    }
    groups.push_back({first, count});
  }
  return groups;
}

int16_t unseen_value(const Components& components, size_t component, ColorSpace color) {
  if (!components.yuv) return -128 * 256;
  if (component > 0) return 0;
  const bool full = color == ColorSpace::kBt601Full || color == ColorSpace::kBt709Full;
  return static_cast<int16_t>(((full ? 0 : 16) - 128) * 256);
}

void warp_line(const RowKernels& kernels, const Warp& w, const Picture& picture, size_t first,
               int line, const std::array<int16_t*, 3>& values) {
  const Components& components = components_of(picture.format);
  const auto plane = static_cast<size_t>(components.at[first].plane);
  kernels.warp(w, line, picture.planes[plane], picture.strides[plane], values.data());
  const size_t begin = w.unseen_of[static_cast<size_t>(line)];
  const size_t end = w.unseen_of[static_cast<size_t>(line) + 1];
  for (size_t c = 0; begin < end && c < static_cast<size_t>(w.components); ++c) {
    const int16_t black = unseen_value(components, first + c, picture.color);
    for (size_t run = begin; run < end; ++run)
      std::fill(values[c] + w.unseen[run].begin, values[c] + w.unseen[run].end, black);
  }
}

}  // namespace inferd::media

// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/preview/scale.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace inferd::ctl {
namespace {

// Pixels of the source that one of the target covers, and at least one.
struct Span {
  int begin = 0, end = 0;
};

std::vector<Span> spans(int from, int to) {
  std::vector<Span> spans(static_cast<size_t>(to));
  for (int i = 0; i < to; ++i) {
    const auto begin = static_cast<int>(int64_t{i} * from / to);
    const auto end = static_cast<int>(int64_t{i + 1} * from / to);
    spans[static_cast<size_t>(i)] = {begin, std::max(end, begin + 1)};
  }
  return spans;
}

}  // namespace

media::Image scaled(const media::Image& picture, int width, int height) {
  media::Image small{width, height, {}};
  small.pixels.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  const std::vector<Span> columns = spans(picture.width, width);
  const std::vector<Span> rows = spans(picture.height, height);
  uint8_t* to = small.pixels.data();
  for (const Span& row : rows) {
    for (const Span& column : columns) {
      uint64_t sums[3] = {};
      for (int y = row.begin; y < row.end; ++y) {
        const uint8_t* from = picture.row(y) + static_cast<size_t>(column.begin) * 3;
        for (int i = 0; i < (column.end - column.begin) * 3; ++i) sums[i % 3] += from[i];
      }
      const auto covered = static_cast<uint64_t>(row.end - row.begin) *
                           static_cast<uint64_t>(column.end - column.begin);
      for (const uint64_t sum : sums) *to++ = static_cast<uint8_t>((sum + covered / 2) / covered);
    }
  }
  return small;
}

Size fitting(const media::Image& picture, int width, int height, bool enlarge) {
  double factor = std::min(static_cast<double>(width) / picture.width,
                           static_cast<double>(height) / picture.height);
  if (!enlarge) factor = std::min(factor, 1.0);
  const auto side = [&](int pixels, int most) {
    return std::clamp(static_cast<int>(std::lround(pixels * factor)), 1, std::max(most, 1));
  };
  return {side(picture.width, width), side(picture.height, height)};
}

}  // namespace inferd::ctl

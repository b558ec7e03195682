// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/decode/text.h"

#include <algorithm>

namespace inferd::pipeline {
namespace {

constexpr int kMinSide = 3;  // places of the map

// Boxes overlap by more than half of the lower one's height.
bool on_one_line(const Box& a, const Box& b) {
  const float common = std::min(a.y_max, b.y_max) - std::max(a.y_min, b.y_min);
  return common > 0.5F * std::min(a.y_max - a.y_min, b.y_max - b.y_min);
}

// Line by line: each begins with the highest box that is left.
void sort_as_read(std::vector<Detection>& found) {
  const auto higher = [](const Detection& a, const Detection& b) {
    return a.box.y_min < b.box.y_min;
  };
  std::stable_sort(found.begin(), found.end(), higher);
  for (auto line = found.begin(); line != found.end();) {
    const Box first = line->box;
    const auto end = std::stable_partition(
        line, found.end(), [&](const Detection& d) { return on_one_line(first, d.box); });
    std::stable_sort(line, end, [](const Detection& a, const Detection& b) {
      return a.box.x_min < b.box.x_min;
    });
    line = end;
  }
}

}  // namespace

TextBoxes::Region TextBoxes::grow(std::span<const float> chances, int width, int height,
                                  int start) {
  Region region{width, height, 0, 0, 0, 0};
  waiting_.assign(1, start);
  seen_[static_cast<size_t>(start)] = 1;
  while (!waiting_.empty()) {
    const int at = waiting_.back();
    waiting_.pop_back();
    const int x = at % width;
    const int y = at / width;
    region.left = std::min(region.left, x);
    region.right = std::max(region.right, x);
    region.top = std::min(region.top, y);
    region.bottom = std::max(region.bottom, y);
    region.sum += static_cast<double>(chances[static_cast<size_t>(at)]);
    ++region.places;
    for (int ny = std::max(y - 1, 0); ny <= std::min(y + 1, height - 1); ++ny) {
      for (int nx = std::max(x - 1, 0); nx <= std::min(x + 1, width - 1); ++nx) {
        const auto neighbour = static_cast<size_t>(ny * width + nx);
        if (seen_[neighbour] != 0 || !(chances[neighbour] > options_.threshold)) continue;
        seen_[neighbour] = 1;
        waiting_.push_back(static_cast<int>(neighbour));
      }
    }
  }
  return region;
}

void TextBoxes::find(std::span<const float> chances, int width, int height,
                     std::vector<Detection>& found) {
  found.clear();
  seen_.assign(chances.size(), 0);
  for (size_t start = 0; start < chances.size() && found.size() < options_.max; ++start) {
    if (seen_[start] != 0 || !(chances[start] > options_.threshold)) continue;
    const Region r = grow(chances, width, height, static_cast<int>(start));
    const auto w = static_cast<float>(r.right - r.left + 1);
    const auto h = static_cast<float>(r.bottom - r.top + 1);
    const auto score = static_cast<float>(r.sum / static_cast<double>(r.places));
    if (std::min(w, h) < kMinSide || !(score >= options_.min_score)) continue;
    const float grown = w * h * options_.unclip / (2 * (w + h));
    const auto part = [](float place, int size) {
      return std::clamp(place / static_cast<float>(size), 0.F, 1.F);
    };
    Detection d;
    d.box = {part(static_cast<float>(r.left) - grown, width),
             part(static_cast<float>(r.top) - grown, height),
             part(static_cast<float>(r.right + 1) + grown, width),
             part(static_cast<float>(r.bottom + 1) + grown, height)};
    d.score = std::min(score, 1.F);
    found.push_back(std::move(d));
  }
  sort_as_read(found);
}

float read_steps(std::span<const float> scores, size_t classes,
                 const std::vector<std::string>& characters, std::string& text) {
  text.clear();
  float sum = 0;
  size_t count = 0;
  size_t before = 0;
  for (size_t at = 0; at + classes <= scores.size(); at += classes) {
    const auto step = scores.subspan(at, classes);
    const auto best =
        static_cast<size_t>(std::max_element(step.begin(), step.end()) - step.begin());
    if (best != 0 && best != before) {
      text += best <= characters.size() ? characters[best - 1] : " ";
      sum += step[best];
      ++count;
    }
    before = best;
  }
  return count == 0 ? 0 : sum / static_cast<float>(count);
}

}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/track/motion.h"

#include <algorithm>
#include <cmath>

namespace inferd::pipeline {

void Motion::begin(const std::vector<float>& cells, int columns, int rows, int64_t at_ns) {
  columns_ = columns;
  rows_ = rows;
  background_ = cells;
  differs_.assign(cells.size(), 0);
  last_ns_ = at_ns;
  counted_.clear();
  for (int y = 0; y < rows; ++y) {
    for (int x = 0; x < columns; ++x) {
      const Point middle{(static_cast<float>(x) + 0.5F) / static_cast<float>(columns),
                         (static_cast<float>(y) + 0.5F) / static_cast<float>(rows)};
      if (options_.zone.empty() || is_inside(options_.zone, middle))
        counted_.push_back(static_cast<size_t>(y * columns + x));
    }
  }
}

// The value that `part` of sorted_, in whatever order, are below.
float Motion::part_of_sorted(double part) {
  const auto at =
      sorted_.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(sorted_.size() - 1));
  std::nth_element(sorted_.begin(), at, sorted_.end());
  return *at;
}

// Least squares over the three quarters of the cells that fit best, found in some rounds: things
// that move are mostly in the last quarter.
Motion::Light Motion::light_of(const std::vector<float>& cells) {
  constexpr int kRounds = 3;
  constexpr double kLeastVariance = 16;  // levels squared; one grey says nothing of contrast
  const size_t count = cells.size();
  sorted_.resize(count);
  for (size_t i = 0; i < count; ++i) sorted_[i] = cells[i] - background_[i];
  Light light{1, part_of_sorted(0.5)};
  for (int round = 0; round < kRounds; ++round) {
    const auto error = [&](size_t i) {
      return std::abs(cells[i] - light.gain * background_[i] - light.offset);
    };
    for (size_t i = 0; i < count; ++i) sorted_[i] = error(i);
    const float limit = part_of_sorted(0.75);
    double n = 0, b = 0, c = 0, bb = 0, bc = 0;
    for (size_t i = 0; i < count; ++i) {
      if (error(i) > limit) continue;
      const double x = background_[i], y = cells[i];
      n += 1;
      b += x;
      c += y;
      bb += x * x;
      bc += x * y;
    }
    const double variance = bb / n - b / n * (b / n);
    const double gain = variance < kLeastVariance ? 1 : (bc / n - b / n * (c / n)) / variance;
    light.gain = static_cast<float>(std::clamp(gain, 0.25, 4.0));
    light.offset = static_cast<float>(c / n - light.gain * b / n);
  }
  return light;
}

// One cell alone is noise.
bool Motion::has_neighbour(size_t cell) const {
  const auto columns = static_cast<size_t>(columns_);
  const size_t x = cell % columns;
  return (x > 0 && differs_[cell - 1] != 0) || (x + 1 < columns && differs_[cell + 1] != 0) ||
         (cell >= columns && differs_[cell - columns] != 0) ||
         (cell + columns < differs_.size() && differs_[cell + columns] != 0);
}

float Motion::update(const std::vector<float>& cells, int columns, int rows, int64_t at_ns) {
  if (columns != columns_ || rows != rows_) begin(cells, columns, rows, at_ns);
  if (counted_.empty()) return 0;  // the zone lies between the cells
  const Light light = light_of(cells);
  for (const size_t i : counted_) {
    const float expected = light.gain * background_[i] + light.offset;
    // What is as light or dark as a camera can say does not follow the light.
    const float difference = cells[i] - std::clamp(expected, 0.F, 255.F);
    differs_[i] = std::abs(difference) > options_.threshold ? 1 : 0;
  }
  const auto moved = std::count_if(counted_.begin(), counted_.end(),
                                   [&](size_t i) { return differs_[i] != 0 && has_neighbour(i); });
  const double seconds = std::max(static_cast<double>(at_ns - last_ns_) / 1e9, 0.0);
  const auto share = static_cast<float>(1 - std::exp(-seconds / options_.adapt_s));
  for (size_t i = 0; i < cells.size(); ++i) background_[i] += share * (cells[i] - background_[i]);
  last_ns_ = at_ns;
  return static_cast<float>(moved) / static_cast<float>(counted_.size());
}

}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "daemon/pipeline/track/crossing.h"

namespace inferd::pipeline {

struct MotionOptions {
  float threshold = 12;  // levels of 255 by which a cell differs from the background
  double adapt_s = 10;   // what does not move any more becomes background in about that time
  std::vector<Point>
      zone{};  // a polygon, parts of the frame: other cells do not count; none: all do
};

// Tells how much of a picture moves, from the brightness of its cells: each is compared with what
// it mostly was, and does not count alone. That the whole picture becomes lighter or darker, or its
// contrast changes, is no motion. Used by one thread.
class Motion {
 public:
  explicit Motion(MotionOptions options) : options_(std::move(options)) {}

  // The part of the zone that moves, 0..1. `cells`: row by row; with other numbers of columns and
  // rows than before it begins anew. `at_ns`: of capture.
  float update(const std::vector<float>& cells, int columns, int rows, int64_t at_ns);

 private:
  // What the light does to every cell: gain * background + offset.
  struct Light {
    float gain = 1, offset = 0;
  };

  void begin(const std::vector<float>& cells, int columns, int rows, int64_t at_ns);
  Light light_of(const std::vector<float>& cells);
  bool has_neighbour(size_t cell) const;
  float part_of_sorted(double part);

  const MotionOptions options_;
  int columns_ = 0, rows_ = 0;
  std::vector<float> background_;
  std::vector<size_t> counted_;   // cells of the zone
  std::vector<uint8_t> differs_;  // of each cell
  std::vector<float> sorted_;
  int64_t last_ns_ = 0;
};

}  // namespace inferd::pipeline

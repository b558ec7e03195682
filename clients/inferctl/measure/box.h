// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace inferd::ctl {

// Corners in parts of the picture's width and height (0 to 1).
struct Rect {
  float x_min = 0.F, y_min = 0.F, x_max = 0.F, y_max = 0.F;
};

// Intersection over union.
float overlap(const Rect& a, const Rect& b);

// What a detector found, and how sure it is. `place` tells which anchor or cell of a grid said so;
// 0 where the model does not tell.
struct FoundBox {
  size_t place = 0;
  size_t class_id = 0;
  float score = 0.F;
  Rect rect;
};

// Greedy non-maximum suppression: best first, of equals the earlier; what overlaps a kept box of
// its class by more than `max_overlap` goes. Returns at most `most`, best first.
std::vector<FoundBox> keep_best(std::vector<FoundBox> boxes, float max_overlap, size_t most);

}  // namespace inferd::ctl

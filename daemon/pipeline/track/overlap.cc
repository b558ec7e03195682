// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/track/overlap.h"

#include <algorithm>

namespace inferd::pipeline {

float area(const Box& box) {
  return std::max(box.x_max - box.x_min, 0.F) * std::max(box.y_max - box.y_min, 0.F);
}

float shared_area(const Box& a, const Box& b) {
  return area({std::max(a.x_min, b.x_min), std::max(a.y_min, b.y_min), std::min(a.x_max, b.x_max),
               std::min(a.y_max, b.y_max)});
}

float overlap(const Box& a, const Box& b) {
  const float shared = shared_area(a, b);
  const float all = area(a) + area(b) - shared;
  return all > 0 ? shared / all : 0;
}

}  // namespace inferd::pipeline

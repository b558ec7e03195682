// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/measure/box.h"

#include <algorithm>

namespace inferd::ctl {
namespace {

float area(const Rect& r) {
  return std::max(r.x_max - r.x_min, 0.F) * std::max(r.y_max - r.y_min, 0.F);
}

}  // namespace

float overlap(const Rect& a, const Rect& b) {
  const float shared = area({std::max(a.x_min, b.x_min), std::max(a.y_min, b.y_min),
                             std::min(a.x_max, b.x_max), std::min(a.y_max, b.y_max)});
  const float both = area(a) + area(b) - shared;
  return both > 0.F ? shared / both : 0.F;
}

std::vector<FoundBox> keep_best(std::vector<FoundBox> boxes, float max_overlap, size_t most) {
  std::stable_sort(boxes.begin(), boxes.end(),
                   [](const FoundBox& a, const FoundBox& b) { return a.score > b.score; });
  std::vector<FoundBox> kept;
  for (const FoundBox& box : boxes) {
    if (kept.size() >= most) break;
    const bool covered = std::any_of(kept.begin(), kept.end(), [&](const FoundBox& k) {
      return k.class_id == box.class_id && overlap(k.rect, box.rect) > max_overlap;
    });
    if (!covered) kept.push_back(box);
  }
  return kept;
}

}  // namespace inferd::ctl

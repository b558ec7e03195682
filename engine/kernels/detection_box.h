// SPDX-License-Identifier: Apache-2.0
//
// Boxes of kDetectionPostProcess, fixed once for every kernel.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/base/op.h"

namespace inferd::kernels {

struct BoxCorners {
  float y_min, x_min, y_max, x_max;

  float area() const { return (y_max - y_min) * (x_max - x_min); }
};

// Intersection over union; 0 for a box without area.
inline float overlap(const BoxCorners& a, const BoxCorners& b) {
  if (a.area() <= 0 || b.area() <= 0) return 0;
  const float height = std::min(a.y_max, b.y_max) - std::max(a.y_min, b.y_min);
  const float width = std::min(a.x_max, b.x_max) - std::max(a.x_min, b.x_min);
  const float both = std::max(height, 0.F) * std::max(width, 0.F);
  return both / (a.area() + b.area() - both);
}

// `offset` and `anchor` are y, x, h, w.
inline BoxCorners decode_box(const std::array<float, 4>& offset, const std::array<float, 4>& anchor,
                             const DetectionPostProcessAttrs& attrs) {
  const float y = offset[0] / attrs.y_scale * anchor[2] + anchor[0];
  const float x = offset[1] / attrs.x_scale * anchor[3] + anchor[1];
  const float half_h = 0.5F * std::exp(offset[2] / attrs.h_scale) * anchor[2];
  const float half_w = 0.5F * std::exp(offset[3] / attrs.w_scale) * anchor[3];
  return {y - half_h, x - half_w, y + half_h, x + half_w};
}

}  // namespace inferd::kernels

// SPDX-License-Identifier: Apache-2.0
//
// Where detectors measure their boxes from.
#pragma once

#include <cstddef>
#include <vector>

namespace inferd::media {

// Relative to the model's input.
struct Anchor {
  float x, y, width, height;  // centre and size
};

// The anchors of TensorFlow's SSD with MobileNet: square grids of `cells`, scales spaced evenly
// from `min_scale` to `max_scale`; the first layer has 3 anchors per cell (aspect ratio 1 at scale
// 0.1; 2 and 1/2), the others 6 (1, 2, 1/2, 3, 1/3, and 1 at the geometric mean of this scale and
// the next).
std::vector<Anchor> ssd_anchors(const std::vector<int>& cells, float min_scale, float max_scale);

// The anchors of BlazeFace: `per_layer` (2; the full-range model has 1) per cell and layer, all of
// size 1, layers of the same stride on one grid.
std::vector<Anchor> blazeface_anchors(int input_size, const std::vector<int>& strides,
                                      size_t per_layer = 2);

}  // namespace inferd::media

// SPDX-License-Identifier: Apache-2.0
#include "media/anchors.h"

#include <cmath>

namespace inferd::media {

std::vector<Anchor> ssd_anchors(const std::vector<int>& cells, float min_scale, float max_scale) {
  struct Box {
    float scale, ratio;
  };
  std::vector<Anchor> anchors;
  const auto layers = cells.size();
  const auto scale = [&](size_t layer) {
    if (layer >= layers) return 1.F;
    const float steps = layers > 1 ? static_cast<float>(layers - 1) : 1.F;
    return min_scale + (max_scale - min_scale) * static_cast<float>(layer) / steps;
  };
  for (size_t layer = 0; layer < layers; ++layer) {
    const float s = scale(layer);
    const std::vector<Box> boxes =
        layer == 0
            ? std::vector<Box>{{0.1F, 1.F}, {s, 2.F}, {s, 0.5F}}
            : std::vector<Box>{{s, 1.F}, {s, 2.F},       {s, 0.5F},
                               {s, 3.F}, {s, 1.F / 3.F}, {std::sqrt(s * scale(layer + 1)), 1.F}};
    const auto side = static_cast<float>(cells[layer]);
    for (int y = 0; y < cells[layer]; ++y) {
      for (int x = 0; x < cells[layer]; ++x) {
        for (const Box& box : boxes) {
          anchors.push_back({(static_cast<float>(x) + 0.5F) / side,
                             (static_cast<float>(y) + 0.5F) / side,
                             box.scale * std::sqrt(box.ratio), box.scale / std::sqrt(box.ratio)});
        }
      }
    }
  }
  return anchors;
}

std::vector<Anchor> blazeface_anchors(int input_size, const std::vector<int>& strides,
                                      size_t per_layer) {
  std::vector<Anchor> anchors;
  for (size_t layer = 0; layer < strides.size();) {
    size_t same = layer;
    while (same < strides.size() && strides[same] == strides[layer]) ++same;
    const size_t per_cell = per_layer * (same - layer);
    const int cells = (input_size + strides[layer] - 1) / strides[layer];
    const auto side = static_cast<float>(cells);
    for (int y = 0; y < cells; ++y) {
      for (int x = 0; x < cells; ++x) {
        const Anchor anchor{(static_cast<float>(x) + 0.5F) / side,
                            (static_cast<float>(y) + 0.5F) / side, 1.F, 1.F};
        anchors.insert(anchors.end(), per_cell, anchor);
      }
    }
    layer = same;
  }
  return anchors;
}

}  // namespace inferd::media

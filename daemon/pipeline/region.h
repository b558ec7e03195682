// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/pipeline/result.h"
#include "media/pixelate.h"

namespace inferd::pipeline {

// A part of a picture that a node's stages are done for. It lies within the picture.
using Region = media::Rectangle;

// From parts of the region to parts of its picture.
inline void to_picture(const Region& region, const media::Picture& picture, Detection& d) {
  const auto x = [&](float v) {
    return (static_cast<float>(region.x) + v * static_cast<float>(region.width)) /
           static_cast<float>(picture.width);
  };
  const auto y = [&](float v) {
    return (static_cast<float>(region.y) + v * static_cast<float>(region.height)) /
           static_cast<float>(picture.height);
  };
  d.box = {x(d.box.x_min), y(d.box.y_min), x(d.box.x_max), y(d.box.y_max)};
  for (Keypoint& k : d.keypoints) {
    k.x = x(k.x);
    k.y = y(k.y);
  }
}

}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "media/image.h"

namespace inferd::ctl {

// The picture in exactly this size, at least 1x1: each pixel is the mean of what it covers.
media::Image scaled(const media::Image& picture, int width, int height);

// The largest size of the picture's shape within `width` x `height`, at least 1x1. `enlarge` false:
// no larger than the picture.
struct Size {
  int width = 0, height = 0;
};
Size fitting(const media::Image& picture, int width, int height, bool enlarge);

}  // namespace inferd::ctl

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "media/picture.h"

namespace inferd::media {

struct Rectangle {
  int x = 0, y = 0, width = 0, height = 0;  // pixels; may reach out of the picture
};

// A copy of the picture, in its format, in `storage` without padding. In it each of `parts` is made
// of blocks of one colour, the mean of what was there, `blocks` along its longer side (fewer where
// it has not two pixels for each). INVALID_ARGUMENT: sides that packed_bytes() refuses.
Result<Picture> pixelated(const Picture& picture, std::span<const Rectangle> parts, int blocks,
                          std::vector<uint8_t>& storage);

}  // namespace inferd::media

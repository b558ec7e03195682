// SPDX-License-Identifier: Apache-2.0
//
// Pictures in memory and on disk. Used by pipelines and by inferctl; knows neither models nor
// pipelines.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "inferd/engine/status.h"

namespace inferd::media {

// 8-bit RGB, rows without padding: byte (y * width + x) * 3 + {0: red, 1: green, 2: blue}.
struct Image {
  int width = 0, height = 0;
  std::vector<uint8_t> pixels;

  const uint8_t* row(int y) const {
    return pixels.data() + static_cast<size_t>(y) * static_cast<size_t>(width) * 3;
  }
  uint8_t* row(int y) {
    return pixels.data() + static_cast<size_t>(y) * static_cast<size_t>(width) * 3;
  }
};

inline constexpr int64_t kMaxPixels = int64_t{64}
                                      << 20;  // a larger picture is refused before decoding

// JPEG, PNG (alpha composited on black, grey expanded) or uncompressed BMP, told by content.
// DATA_LOSS when truncated or corrupt, INVALID_ARGUMENT when it is none of these,
// RESOURCE_EXHAUSTED over `max_pixels`, before anything is decoded.
Result<Image> decode_image(std::span<const uint8_t> bytes, int64_t max_pixels = kMaxPixels);
Result<Image> read_image(const std::string& path);  // errors name the path

// By extension: .jpg, .jpeg (quality 90) or .png. Written to a temporary name, then renamed.
Status write_image(const std::string& path, const Image& image);
Result<std::vector<uint8_t>> encode_jpeg(const Image& image, int quality);

}  // namespace inferd::media

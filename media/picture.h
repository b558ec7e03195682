// SPDX-License-Identifier: Apache-2.0
//
// Pictures as cameras and decoders give them: a view of pixels in one of several formats, in memory
// of somebody else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "media/image.h"

namespace inferd::media {

enum class PixelFormat : uint8_t {
  kRgb,   // 3 bytes a pixel
  kBgr,   // 3 bytes a pixel
  kRgbx,  // 4 bytes a pixel, the last without meaning
  kBgrx,  // 4 bytes a pixel, the last without meaning
  kGrey,  // 1 byte a pixel
  kYuyv,  // 4:2:2, Y U Y V for two pixels; the width is even
  kUyvy,  // 4:2:2, U Y V Y for two pixels; the width is even
  kNv12,  // 4:2:0, a plane of Y and one of U V pairs; width and height are even
  kNv21,  // the same with V U pairs
  kI420,  // 4:2:0, a plane each of Y, U and V; width and height are even
};

// What Y, U and V mean: ITU-R BT.601 or BT.709, with 16..235 (limited) or 0..255 (full) for Y.
enum class ColorSpace : uint8_t { kBt601, kBt601Full, kBt709, kBt709Full };

// Row y of plane p begins at planes[p] + y * strides[p]; planes that a format lacks are null.
// Valid as long as that memory is.
struct Picture {
  PixelFormat format = PixelFormat::kRgb;
  ColorSpace color = ColorSpace::kBt601;
  int width = 0, height = 0;  // pixels; 0: there is no picture
  std::array<const uint8_t*, 3> planes{};
  std::array<size_t, 3> strides{};  // bytes
};

// "rgb", "nv12", ...; as the configuration of sources calls them.
std::string pixel_format_name(PixelFormat format);
Result<PixelFormat> parse_pixel_format(const std::string& name);

// The picture that lies at `bytes` without padding, one plane after the other.
// INVALID_ARGUMENT: sides out of 1..65536 or odd where the format wants them even, over kMaxPixels,
// or fewer bytes than that takes; the message says how many it takes.
Result<Picture> packed_picture(PixelFormat format, int width, int height,
                               std::span<const uint8_t> bytes);

// The same where the rows of the first plane begin `stride` bytes after each other, and those of
// the others in proportion. The last row may end where its pixels do. INVALID_ARGUMENT as well
// where the stride is shorter than a row, above 2^24, or has no whole proportion.
Result<Picture> strided_picture(PixelFormat format, int width, int height, size_t stride,
                                std::span<const uint8_t> bytes);

// How many bytes packed_picture() takes; the same errors of sides.
Result<size_t> packed_bytes(PixelFormat format, int width, int height);

// Copies a picture so that it lies at `to` as packed_picture() reads it. The same errors.
Result<Picture> copy_packed(const Picture& picture, std::span<uint8_t> to);

// A view of an image, valid until its pixels change.
Picture view_of(const Image& image);

// A part of it: clipped to the picture, its left and top moved left and up, and its size enlarged,
// to whole groups of pixels where the format shares colours among neighbours. At least one group.
Picture crop(const Picture& picture, int x, int y, int width, int height);

// Writes the picture as RGB, using the image's buffer again. Each pixel takes the colour that its
// group has. Grey becomes R = G = B.
void to_rgb(const Picture& picture, Image& out);

}  // namespace inferd::media

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "media/lens.h"
#include "media/picture.h"

namespace inferd::media {

// Pictures as a camera without distortion would have taken them. What depends on their size is
// computed with the first of that size, in double precision: for each pixel, and for each group of
// pixels that share their colours, the place that it comes from, in 1/128 of a pixel. Values are
// blended of the four around that place, in integers. For one thread.
class Undistorter {
 public:
  struct Options {
    Lens lens;
    int width = 0, height = 0;  // of pictures that `lens` is for; 0: of those that come
    // The focal length of the result, in parts of the lens's: below 1 shows more of what is
    // outside, smaller.
    double zoom = 1;
  };

  explicit Undistorter(const Options& options) : options_(options) {}  // that check_lens() accepts

  // In the format of `picture`, in `storage` without padding; black where the camera saw nothing.
  // Pictures of one size allocate nothing, once `storage` is large enough. INVALID_ARGUMENT:
  // another aspect ratio than that of options; smaller than 4x4 or more than kMostPixels; sides
  // that packed_bytes() refuses; none of the result was seen.
  Result<Picture> undistort(const Picture& picture, std::vector<uint8_t>& storage);

  static constexpr int64_t kMostPixels = int64_t{1} << 24;  // tables take 6 bytes for each

 private:
  // Of the pixels of a component, or of groups of them.
  struct Table {
    int shift_x = 0, shift_y = 0;  // as media::Component
    int width = 0, height = 0;
    std::vector<uint32_t> from;   // of four pixels the upper left one: x, and y << 16
    std::vector<uint16_t> parts;  // how far to the right ones, and << 8 to the lower ones
  };

  Status plan(const Picture& picture);
  bool fill(Table& table, const Lens& lens) const;
  const Table& table_for(int shift_x, int shift_y) const;
  // Components `first` and on, which lie in one plane.
  template <size_t kCount>
  void blend(const Picture& from, const Picture& to, size_t first,
             std::vector<uint8_t>& storage) const;

  const Options options_;
  PixelFormat format_ = PixelFormat::kRgb;
  int width_ = 0, height_ = 0;
  std::vector<Table> tables_;
};

}  // namespace inferd::media

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "media/lens.h"
#include "media/picture.h"
#include "media/resample/rows.h"

namespace inferd::media {

// Pictures as a camera without distortion would have taken them. What depends on their size is
// computed with the first of that size, in double precision: for each pixel, and for each group of
// pixels that share their colours, the place that it comes from, in 1/64 of a pixel. Values are
// blended of the four around that place, in integers, with the bits of resample/fixed_point.h. For
// one thread.
class Undistorter {
 public:
  using Options = LensView;

  explicit Undistorter(const Options& options, const RowKernels& kernels = *row_kernels().front())
      : options_(options), kernels_(&kernels) {}

  // In the format of `picture`, in `storage` without padding; black where the camera saw nothing.
  // Pictures of one size allocate nothing, once `storage` is large enough. INVALID_ARGUMENT: what
  // LensMap refuses; sides that packed_bytes() refuses; none of the result was seen.
  Result<Picture> undistort(const Picture& picture, std::vector<uint8_t>& storage);

 private:
  // Components that are warped together. Tables take 10 bytes for each of their pixels.
  struct Plane {
    size_t first = 0;  // component
    Warp warp;
  };

  Status plan(const Picture& picture);
  void blend(const Plane& plane, const Picture& from, uint8_t* to, size_t stride);

  const Options options_;
  const RowKernels* const kernels_;
  PixelFormat format_ = PixelFormat::kRgb;
  int width_ = 0, height_ = 0;
  std::vector<Plane> planes_;
  std::vector<int16_t> values_;  // of a line
};

}  // namespace inferd::media

// SPDX-License-Identifier: Apache-2.0
//
// How a camera's lens bends what it sees, as OpenCV and ROS calibrate it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "inferd/engine/status.h"

namespace inferd::media {

// A point (x, y, 1) in front of the camera, x to the right and y down, is at
//   u = fx * x' + cx,  v = fy * y' + cy
// of the picture, where pixel i has its centre at i, and of
//
// kPinhole (Brown and Conrady; OpenCV's calib3d; ROS' plumb_bob and rational_polynomial), with
// k = k1 k2 p1 p2 k3 k4 k5 k6 and r^2 = x^2 + y^2:
//   bend = (1 + k1 r^2 + k2 r^4 + k3 r^6) / (1 + k4 r^2 + k5 r^4 + k6 r^6)
//   x' = x bend + 2 p1 x y + p2 (r^2 + 2 x^2),  y' = y bend + p1 (r^2 + 2 y^2) + 2 p2 x y
//
// kFisheye (Kannala and Brandt; OpenCV's fisheye; ROS' equidistant), with k = k1 k2 k3 k4 and
// a = atan(r):
//   bend = a (1 + k1 a^2 + k2 a^4 + k3 a^6 + k4 a^8) / r,  x' = x bend,  y' = y bend
struct Lens {
  enum class Model { kPinhole, kFisheye };
  Model model = Model::kPinhole;
  double fx = 1, fy = 1, cx = 0, cy = 0;  // pixels
  std::array<double, 8> k{};

  bool operator==(const Lens&) const = default;
};

// INVALID_ARGUMENT for numbers that no camera has, saying which.
Status check_lens(const Lens& lens);

struct PlanePoint {
  double x = 0, y = 0;
};

// From x, y to u, v.
PlanePoint project(const Lens& lens, PlanePoint point);

// The largest r up to `limit` for which a lens still shows what is further out further out. Beyond
// it the formula means nothing: what it gives lies on top of what is nearer.
double reach_of(const Lens& lens, double limit);

// The same lens for pictures that are `scale_x` and `scale_y` times as large.
Lens scaled(const Lens& lens, double scale_x, double scale_y);

// How pictures are to be straightened.
struct LensView {
  Lens lens;                  // that check_lens() accepts
  int width = 0, height = 0;  // of pictures that `lens` is for; 0: of those that come
  // The focal length of the straight picture, in parts of the lens's: below 1 shows more of what is
  // outside, smaller.
  double zoom = 1;

  bool operator==(const LensView&) const = default;
};

// Where a camera's picture of one size shows what the straight one of the same size would.
class LensMap {
 public:
  static constexpr int64_t kMostPixels = int64_t{1} << 24;

  // INVALID_ARGUMENT: another aspect ratio than that of `view`; smaller than 4x4 or more than
  // kMostPixels.
  static Result<LensMap> of(const LensView& view, int width, int height);

  // From the straight picture to the camera's, in pixels whose centres are whole numbers, at most
  // half of one beyond the outer ones; nothing where the camera saw nothing.
  std::optional<PlanePoint> at(double x, double y) const;

  // What to say of a picture of which the camera saw nothing.
  Status saw_nothing() const;

 private:
  Lens lens_;
  int width_ = 0, height_ = 0;
  double fx_ = 1, fy_ = 1;  // of the straight picture
  double reach_ = 0;
};

}  // namespace inferd::media

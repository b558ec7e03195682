// SPDX-License-Identifier: Apache-2.0
//
// How a camera's lens bends what it sees, as OpenCV and ROS calibrate it.
#pragma once

#include <array>
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

}  // namespace inferd::media

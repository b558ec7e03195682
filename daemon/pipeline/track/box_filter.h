// SPDX-License-Identifier: Apache-2.0
//
// Where a moving box is, from where it was seen.
#pragma once

#include <array>

#include "daemon/pipeline/result.h"

namespace inferd::pipeline {

// A Kalman filter of a box's centre, aspect (width over height) and height, each moving at a
// constant speed per frame, as in SORT (arXiv 1602.00763) with the state and the noise of DeepSORT
// and ByteTrack (arXiv 1703.07402, arXiv 2110.06864): standard deviations of h/20 for places and
// h/160 for speeds, h the box's height; of the aspect 0.01 and 1e-5, 0.1 when it is measured.
//
// Their filter has eight dimensions and matrices that are diagonal but for a place and its speed.
// So it falls apart into four filters of two dimensions each, which are what is computed here; the
// numbers are the same.
//
// Boxes are in units in which width and height are equally long (pixels, or frame heights).
class BoxFilter {
 public:
  explicit BoxFilter(const Box& seen);

  void predict();  // one frame on
  void correct(const Box& seen);
  void hold_height();  // of a box that is not seen: it neither grows nor shrinks
  Box box() const;

 private:
  struct Moving {
    double place = 0, speed = 0;
    double place_variance = 0, covariance = 0, speed_variance = 0;
  };
  enum { kX, kY, kAspect, kHeight };

  static std::array<double, 4> measure(const Box& seen);
  // Standard deviations that grow with the box's height.
  double place_deviation() const;
  double speed_deviation() const;

  std::array<Moving, 4> moving_;
};

}  // namespace inferd::pipeline

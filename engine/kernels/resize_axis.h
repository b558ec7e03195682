// SPDX-License-Identifier: Apache-2.0
//
// Where the positions of a resized dimension lie in the input, fixed once for every kernel.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "engine/kernels/kernel.h"

namespace inferd::kernels {

// One dimension: where output position i samples the input (ONNX Resize's
// coordinate_transformation_mode).
struct ResizeAxis {
  int64_t in, out;
  float scale;  // out / in, as the model gives it
  ResizeCoordinates coordinates;
  float crop_begin = 0.F, crop_end = 1.F;  // of kTfCropAndResize

  float source(int64_t i) const {
    const auto x = static_cast<float>(i);
    switch (coordinates) {
      case ResizeCoordinates::kAsymmetric:
        return x / scale;
      case ResizeCoordinates::kHalfPixel:
        return (x + 0.5F) / scale - 0.5F;
      case ResizeCoordinates::kPytorchHalfPixel:
        return out > 1 ? (x + 0.5F) / scale - 0.5F : 0.F;
      case ResizeCoordinates::kAlignCorners:
        return out > 1 ? x * static_cast<float>(in - 1) / static_cast<float>(out - 1) : 0.F;
      case ResizeCoordinates::kHalfPixelSymmetric:
        return symmetric(x);
      case ResizeCoordinates::kTfHalfPixelForNn:
        return (x + 0.5F) / scale;
      case ResizeCoordinates::kTfCropAndResize:
        return cropped(x);
    }
    return 0;
  }
  // Half pixel around the middle of the input, when out is not in * scale.
  float symmetric(float x) const {
    const auto size = static_cast<float>(in);
    const float fill = static_cast<float>(out) / (scale * size);
    return size / 2 * (1 - fill) + (x + 0.5F) / scale - 0.5F;
  }
  float cropped(float x) const {
    const auto last = static_cast<float>(in - 1);
    if (out == 1) return 0.5F * (crop_begin + crop_end) * last;
    return crop_begin * last + x * (crop_end - crop_begin) * last / static_cast<float>(out - 1);
  }

  int64_t nearest(int64_t i, NearestRounding rounding) const {
    const float x = source(i);
    float rounded = 0;
    switch (rounding) {
      case NearestRounding::kFloor:
        rounded = std::floor(x);
        break;
      case NearestRounding::kCeil:
        rounded = std::ceil(x);
        break;
      case NearestRounding::kRoundPreferFloor:
        rounded = std::ceil(x - 0.5F);
        break;
      case NearestRounding::kRoundPreferCeil:
        rounded = std::floor(x + 0.5F);
        break;
    }
    // Clamped as float: positions may lie far outside.
    return static_cast<int64_t>(std::clamp(rounded, 0.F, static_cast<float>(in - 1)));
  }
};

inline ResizeAxis resize_axis(const OpDesc& op, int d, float scale) {
  const auto& attrs = op.attrs_as<ResizeAttrs>();
  const int64_t in = op.inputs[0].shape[d];
  const int64_t out = op.outputs[0].shape[d];
  const float ratio = static_cast<float>(out) / static_cast<float>(in);
  return {in, out, scale > 0 ? scale : ratio, attrs.coordinates};
}

// The two input positions that a linear sample lies between, and the weight of the second.
struct Between {
  int64_t low, high;
  float weight;
};
inline Between between(const ResizeAxis& axis, int64_t i) {
  const float x = std::clamp(axis.source(i), 0.F, static_cast<float>(axis.in - 1));
  const auto low = static_cast<int64_t>(x);
  return {low, std::min(low + 1, axis.in - 1), x - static_cast<float>(low)};
}

}  // namespace inferd::kernels

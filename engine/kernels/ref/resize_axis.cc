// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/resize_axis.h"

#include <algorithm>
#include <cmath>

#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

// Interpolation between positions at distance 1: the triangle, or Keys' cubic convolution kernel
// with parameter `a`.
float kernel(ResizeMode mode, float a, float distance) {
  const float d = std::abs(distance);
  if (mode == ResizeMode::kLinear) return std::max(1 - d, 0.F);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0.F;
}

// The axis and what lies around it: x is [outer, axis, inner].
struct Axis {
  const ResizeAxisAttrs& attrs;
  ResizeAxis place;
  int64_t outer, inner;

  explicit Axis(const OpDesc& op)
      : attrs(op.attrs_as<ResizeAxisAttrs>()),
        place{op.inputs[0].shape[attrs.axis],
              op.outputs[0].shape[attrs.axis],
              attrs.scale > 0 ? attrs.scale
                              : static_cast<float>(op.outputs[0].shape[attrs.axis]) /
                                    static_cast<float>(op.inputs[0].shape[attrs.axis]),
              attrs.coordinates,
              attrs.crop_begin,
              attrs.crop_end},
        outer(op.inputs[0].shape.elements(0, attrs.axis)),
        inner(op.inputs[0].shape.elements(attrs.axis + 1, op.inputs[0].shape.rank())) {}

  bool is_outside(int64_t i) const {
    const float at = place.source(i);
    return attrs.coordinates == ResizeCoordinates::kTfCropAndResize &&
           !(at >= 0 && at <= static_cast<float>(place.in - 1));
  }

  // f(input position, weight) for what output position `i` sums.
  template <typename F>
  void for_taps(int64_t i, F f) const {
    // Far outside only the edge counts; the clamp keeps conversions to integer in range.
    const float at = std::clamp(place.source(i), -2.F, static_cast<float>(place.in) + 1);
    const float squeeze = attrs.antialias ? std::min(place.scale, 1.F) : 1.F;
    const float reach = (attrs.mode == ResizeMode::kLinear ? 1.F : 2.F) / squeeze;
    const auto last = static_cast<int64_t>(std::floor(at + reach));
    for (auto k = static_cast<int64_t>(std::ceil(at - reach)); k <= last; ++k) {
      if (attrs.exclude_outside && (k < 0 || k >= place.in)) continue;
      const float weight = kernel(attrs.mode, attrs.cubic, (static_cast<float>(k) - at) * squeeze);
      if (weight != 0) f(std::clamp<int64_t>(k, 0, place.in - 1), weight);
    }
  }
};

void resample(const RunArgs& args, const Axis& axis, int64_t i) {
  float total = 0;
  axis.for_taps(i, [&](int64_t, float weight) { total += weight; });
  for (int64_t n = 0; n < axis.outer; ++n) {
    const float* x = args.input<float>(0) + n * axis.place.in * axis.inner;
    float* y = args.output<float>(0) + (n * axis.place.out + i) * axis.inner;
    std::fill_n(y, axis.inner, axis.is_outside(i) ? axis.attrs.outside : 0.F);
    if (axis.is_outside(i)) continue;
    axis.for_taps(i, [&](int64_t k, float weight) {
      for (int64_t j = 0; j < axis.inner; ++j) y[j] += weight / total * x[k * axis.inner + j];
    });
  }
}

void copy_nearest(const RunArgs& args, const Axis& axis, int64_t i) {
  const auto bytes = static_cast<int64_t>(dtype_size(args.op.inputs[0].dtype)) * axis.inner;
  if (bytes == 0) return;
  const int64_t from = axis.place.nearest(i, axis.attrs.rounding);
  for (int64_t n = 0; n < axis.outer; ++n) {
    std::byte* y = args.outputs[0] + (n * axis.place.out + i) * bytes;
    if (axis.is_outside(i)) {  // accepted for float32 only
      std::fill_n(reinterpret_cast<float*>(y), axis.inner, axis.attrs.outside);
    } else {
      std::memcpy(y, args.inputs[0] + (n * axis.place.in + from) * bytes,
                  static_cast<size_t>(bytes));
    }
  }
}

}  // namespace

bool accepts_resize_axis(const OpDesc& op) {
  const auto& attrs = op.attrs_as<ResizeAxisAttrs>();
  const Operand& x = op.inputs[0];
  if (x.dtype != op.outputs[0].dtype || x.quantization != op.outputs[0].quantization) return false;
  return is_float(x) || (attrs.mode == ResizeMode::kNearest &&
                         attrs.coordinates != ResizeCoordinates::kTfCropAndResize);
}

void run_resize_axis(const RunArgs& args) {
  const Axis axis(args.op);
  const bool nearest = axis.attrs.mode == ResizeMode::kNearest;
  args.parallel_for(axis.place.out, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      nearest ? copy_nearest(args, axis, i) : resample(args, axis, i);
    }
  });
}

}  // namespace inferd::kernels::ref

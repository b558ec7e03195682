// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

// One dimension: where output position i samples the input (ONNX Resize's
// coordinate_transformation_mode).
struct Axis {
  int64_t in, out;
  float scale;  // out / in, as the model gives it
  ResizeCoordinates coordinates;

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
    }
    return 0;
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
    return std::clamp<int64_t>(static_cast<int64_t>(rounded), 0, in - 1);
  }
};

Axis axis_of(const OpDesc& op, int d, float scale) {
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
Between between(const Axis& axis, int64_t i) {
  const float x = std::clamp(axis.source(i), 0.F, static_cast<float>(axis.in - 1));
  const auto low = static_cast<int64_t>(x);
  return {low, std::min(low + 1, axis.in - 1), x - static_cast<float>(low)};
}

void resize_nearest(const RunArgs& args, const Axis& rows, const Axis& columns) {
  const Shape& x = args.op.inputs[0].shape;
  const NearestRounding rounding = args.op.attrs_as<ResizeAttrs>().rounding;
  const auto pixel = static_cast<size_t>(x[3]) * dtype_size(args.op.inputs[0].dtype);
  if (pixel == 0) return;
  std::byte* out = args.outputs[0];
  for (int64_t n = 0; n < x[0]; ++n) {
    for (int64_t i = 0; i < rows.out; ++i) {
      const int64_t row = (n * x[1] + rows.nearest(i, rounding)) * x[2];
      for (int64_t j = 0; j < columns.out; ++j, out += pixel) {
        const auto at = static_cast<size_t>(row + columns.nearest(j, rounding));
        std::memcpy(out, args.inputs[0] + at * pixel, pixel);
      }
    }
  }
}

// Calls pixel(first element of an output pixel, first elements of the four input pixels around it,
// channels, weight of the lower row, weight of the right column) for every pixel of the output.
template <typename Pixel>
void resize_linear(const RunArgs& args, const Axis& rows, const Axis& columns, Pixel pixel) {
  const Shape& x = args.op.inputs[0].shape;
  int64_t out = 0;
  for (int64_t n = 0; n < x[0]; ++n) {
    for (int64_t i = 0; i < rows.out; ++i) {
      const Between r = between(rows, i);
      for (int64_t j = 0; j < columns.out; ++j) {
        const Between c = between(columns, j);
        const auto at = [&](int64_t row, int64_t column) {
          return ((n * x[1] + row) * x[2] + column) * x[3];
        };
        const int64_t corners[] = {at(r.low, c.low), at(r.low, c.high), at(r.high, c.low),
                                   at(r.high, c.high)};
        pixel(out, corners, x[3], r.weight, c.weight);
        out += x[3];
      }
    }
  }
}

void resize_linear_f32(const RunArgs& args, const Axis& rows, const Axis& columns) {
  const auto* x = args.input<float>(0);
  auto* y = args.output<float>(0);
  resize_linear(args, rows, columns,
                [&](int64_t out, const int64_t* at, int64_t channels, float down, float right) {
                  for (int64_t k = 0; k < channels; ++k) {
                    const float top = x[at[0] + k] * (1 - right) + x[at[1] + k] * right;
                    const float bottom = x[at[2] + k] * (1 - right) + x[at[3] + k] * right;
                    y[out + k] = top * (1 - down) + bottom * down;
                  }
                });
}

// As TensorFlow Lite's default delegate does it: weights of 11 bits, one rounding at the end, half
// up.
void resize_linear_8bit(const RunArgs& args, const Axis& rows, const Axis& columns) {
  constexpr int kBits = 11;
  const DType type = args.op.inputs[0].dtype;
  const auto fixed = [](float weight) {
    return static_cast<int32_t>(std::lrintf(weight * (1 << kBits)));
  };
  resize_linear(args, rows, columns,
                [&](int64_t out, const int64_t* at, int64_t channels, float down, float right) {
                  const int32_t h = fixed(right);
                  const int32_t v = fixed(down);
                  const auto mix = [](int32_t a, int32_t b, int32_t weight) {
                    return a * (1 << kBits) + (b - a) * weight;
                  };
                  for (int64_t k = 0; k < channels; ++k) {
                    const auto x = [&](int i) { return load8(args.inputs[0], at[i] + k, type); };
                    const int32_t sum = mix(mix(x(0), x(1), h), mix(x(2), x(3), h), v);
                    store8(args.outputs[0], out + k, (sum + (1 << (2 * kBits - 1))) >> (2 * kBits));
                  }
                });
}

}  // namespace

bool accepts_resize(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  if (x.dtype != y.dtype || x.quantization != y.quantization) return false;
  return op.attrs_as<ResizeAttrs>().mode == ResizeMode::kNearest || is_float(x) || is_8bit(x.dtype);
}

void run_resize(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<ResizeAttrs>();
  const DType type = args.op.inputs[0].dtype;
  const Axis rows = axis_of(args.op, 1, attrs.scale_h);
  const Axis columns = axis_of(args.op, 2, attrs.scale_w);
  if (attrs.mode == ResizeMode::kNearest) return resize_nearest(args, rows, columns);
  if (type == DType::kFloat32) return resize_linear_f32(args, rows, columns);
  resize_linear_8bit(args, rows, columns);
}

}  // namespace inferd::kernels::ref

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

template <typename Load, typename Store>
void resize_linear(const RunArgs& args, const Axis& rows, const Axis& columns, Load load,
                   Store store) {
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
        for (int64_t k = 0; k < x[3]; ++k, ++out) {
          const float top =
              load(at(r.low, c.low) + k) * (1 - c.weight) + load(at(r.low, c.high) + k) * c.weight;
          const float bottom = load(at(r.high, c.low) + k) * (1 - c.weight) +
                               load(at(r.high, c.high) + k) * c.weight;
          store(out, top * (1 - r.weight) + bottom * r.weight);
        }
      }
    }
  }
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
  if (type == DType::kFloat32) {
    return resize_linear(
        args, rows, columns, [&](int64_t i) { return args.input<float>(0)[i]; },
        [&](int64_t i, float value) { args.output<float>(0)[i] = value; });
  }
  resize_linear(
      args, rows, columns,
      [&](int64_t i) { return static_cast<float>(load8(args.inputs[0], i, type)); },
      [&](int64_t i, float value) {
        store8(args.outputs[0], i, static_cast<int32_t>(std::nearbyint(value)));
      });
}

}  // namespace inferd::kernels::ref

// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "engine/kernels/ref/broadcast.h"
#include "engine/kernels/ref/rows.h"
#include "engine/kernels/resize_axis.h"

namespace inferd::kernels::ref {
namespace {

void resize_nearest(const RunArgs& args, const ResizeAxis& rows, const ResizeAxis& columns) {
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
void resize_linear(const RunArgs& args, const ResizeAxis& rows, const ResizeAxis& columns,
                   Pixel pixel) {
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

void resize_linear_f32(const RunArgs& args, const ResizeAxis& rows, const ResizeAxis& columns) {
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
void resize_linear_integers(const RunArgs& args, const ResizeAxis& rows,
                            const ResizeAxis& columns) {
  constexpr int kBits = 11;
  const DType type = args.op.inputs[0].dtype;
  const auto fixed = [](float weight) { return int64_t{std::lrintf(weight * (1 << kBits))}; };
  resize_linear(args, rows, columns,
                [&](int64_t out, const int64_t* at, int64_t channels, float down, float right) {
                  const int64_t h = fixed(right);
                  const int64_t v = fixed(down);
                  const auto mix = [](int64_t a, int64_t b, int64_t weight) {
                    return a * (1 << kBits) + (b - a) * weight;
                  };
                  for (int64_t k = 0; k < channels; ++k) {
                    const auto x = [&](int i) {
                      return load_stored(args.inputs[0], at[i] + k, type);
                    };
                    const int64_t sum = mix(mix(x(0), x(1), h), mix(x(2), x(3), h), v);
                    const int64_t half = int64_t{1} << (2 * kBits - 1);
                    store_stored(args.outputs[0], out + k, type,
                                 static_cast<int32_t>((sum + half) >> (2 * kBits)));
                  }
                });
}

}  // namespace

bool accepts_resize(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  if (x.dtype != y.dtype || x.quantization != y.quantization) return false;
  return op.attrs_as<ResizeAttrs>().mode == ResizeMode::kNearest || is_float(x) ||
         is_8bit(x.dtype) || x.dtype == DType::kInt16;
}

void run_resize(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<ResizeAttrs>();
  const DType type = args.op.inputs[0].dtype;
  const ResizeAxis rows = resize_axis(args.op, 1, attrs.scale_h);
  const ResizeAxis columns = resize_axis(args.op, 2, attrs.scale_w);
  if (attrs.mode == ResizeMode::kNearest) return resize_nearest(args, rows, columns);
  if (type == DType::kFloat32) return resize_linear_f32(args, rows, columns);
  resize_linear_integers(args, rows, columns);
}

}  // namespace inferd::kernels::ref

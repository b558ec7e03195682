// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "engine/kernels/ref/broadcast.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

// First position from `start` in steps of `step` that is not negative.
int64_t first_inside(int64_t start, int step) {
  return start >= 0 ? start : start + (-start + step - 1) / step * step;
}

// The part of one window that lies on the input.
struct Taps {
  int64_t top, bottom, step_h;
  int64_t left, right, step_w;
  int64_t image, row, pixel;  // offsets: of the image; of a row and a pixel in it

  static int64_t steps(int64_t begin, int64_t end, int64_t step) {
    return begin >= end ? 0 : (end - begin + step - 1) / step;
  }
  int64_t count() const { return steps(top, bottom, step_h) * steps(left, right, step_w); }

  // f(offset of the input pixel's channel 0)
  template <typename F>
  void for_each(F f) const {
    for (int64_t h = top; h < bottom; h += step_h) {
      for (int64_t w = left; w < right; w += step_w) f(image + h * row + w * pixel);
    }
  }
};

// f(offset of the output pixel, taps) for each output pixel.
template <typename F>
void for_windows(const OpDesc& op, const Window2d& w, F f) {
  const Shape& x = op.inputs[0].shape;
  const Shape& y = op.outputs[0].shape;
  Taps taps{};
  taps.step_h = w.dilation_h;
  taps.step_w = w.dilation_w;
  taps.pixel = x[3];
  taps.row = x[2] * x[3];
  int64_t out = 0;
  for (int64_t n = 0; n < y[0]; ++n) {
    taps.image = n * x[1] * taps.row;
    for (int64_t oh = 0; oh < y[1]; ++oh) {
      const int64_t top = oh * w.stride_h - w.pad_top;
      taps.top = first_inside(top, w.dilation_h);
      taps.bottom = std::min(top + int64_t{w.dilation_h} * w.kernel_h, x[1]);
      for (int64_t ow = 0; ow < y[2]; ++ow, out += y[3]) {
        const int64_t left = ow * w.stride_w - w.pad_left;
        taps.left = first_inside(left, w.dilation_w);
        taps.right = std::min(left + int64_t{w.dilation_w} * w.kernel_w, x[2]);
        f(out, taps);
      }
    }
  }
}

// As TFLite's integer average: half away from zero.
int32_t rounded_mean(int32_t sum, int32_t count) {
  return sum >= 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
}

template <typename T>
void max_pool(const RunArgs& args, T low, T high) {
  const int64_t channels = args.op.inputs[0].shape[3];
  for_windows(args.op, args.op.attrs_as<Pool2dAttrs>().window, [&](int64_t out, const Taps& taps) {
    for (int64_t c = 0; c < channels; ++c) {
      T best = low;
      taps.for_each([&](int64_t pixel) { best = std::max(best, args.input<T>(0)[pixel + c]); });
      args.output<T>(0)[out + c] = std::min(best, high);
    }
  });
}

// Stored values of quantized numbers and plain integers alike.
template <typename T>
void max_pool_integers(const RunArgs& args) {
  const Operand& x = args.op.inputs[0];
  const QuantRange range =
      x.quantization.empty()
          ? type_range(x.dtype)
          : activation_range(args.op.attrs_as<Pool2dAttrs>().activation, x.dtype, x.quantization);
  max_pool<T>(args, static_cast<T>(range.low), static_cast<T>(range.high));
}

template <typename T>
void max_indices(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<MaxPoolIndicesAttrs>();
  const Window2d& w = attrs.window;
  const Shape& x = args.op.inputs[0].shape;
  const auto index_of = [&](const Taps& taps, int64_t pixel, int64_t oh, int64_t ow) {
    const int64_t row = (pixel - taps.image) / taps.row;
    const int64_t column = (pixel - taps.image) % taps.row / taps.pixel;
    switch (attrs.index) {
      case PoolIndex::kColumnMajor:
        return row + column * x[1];
      case PoolIndex::kTap:
        return (row - oh * w.stride_h + w.pad_top) / w.dilation_h * w.kernel_w +
               (column - ow * w.stride_w + w.pad_left) / w.dilation_w;
      default:
        return row * x[2] + column;
    }
  };
  const Shape& y = args.op.outputs[0].shape;
  for_windows(args.op, w, [&](int64_t out, const Taps& taps) {
    const int64_t pixel_number = out / y[3];
    for (int64_t c = 0; c < y[3]; ++c) {
      int64_t best = -1;
      taps.for_each([&](int64_t pixel) {
        const T* values = args.input<T>(0) + c;
        if (best < 0 || values[pixel] > values[best]) best = pixel;
      });
      // A window beyond the image has no maximum; it gets the first index.
      args.output<int64_t>(0)[out + c] =
          best < 0 ? 0 : index_of(taps, best, pixel_number / y[2] % y[1], pixel_number % y[2]);
    }
  });
}

}  // namespace

bool accepts_max_pool2d(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  if (x.dtype != op.outputs[0].dtype || x.quantization != op.outputs[0].quantization) return false;
  const bool plain = x.quantization.empty() && op.attrs_as<Pool2dAttrs>().activation.none();
  return is_float(x) || is_stored(x) || (is_8bit(x.dtype) && plain);
}

void run_max_pool2d(const RunArgs& args) {
  const Activation& activation = args.op.attrs_as<Pool2dAttrs>().activation;
  switch (args.op.inputs[0].dtype) {
    case DType::kFloat32:
      return max_pool(args, activation.min, activation.max);
    case DType::kInt16:
      return max_pool_integers<int16_t>(args);
    case DType::kInt8:
      return max_pool_integers<int8_t>(args);
    default:
      return max_pool_integers<uint8_t>(args);
  }
}

bool accepts_max_pool_indices(const OpDesc& op) {
  return (is_float(op.inputs[0]) || is_8bit(op.inputs[0].dtype)) &&
         op.outputs[0].dtype == DType::kInt64;
}

void run_max_pool_indices(const RunArgs& args) {
  switch (args.op.inputs[0].dtype) {
    case DType::kFloat32:
      return max_indices<float>(args);
    case DType::kInt8:
      return max_indices<int8_t>(args);
    default:
      return max_indices<uint8_t>(args);
  }
}

bool accepts_average_pool2d(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  return (is_float(x) && is_float(y)) || (is_stored(x) && is_stored(y));
}

void run_average_pool2d(const RunArgs& args) {
  const Operand& x = args.op.inputs[0];
  const Operand& y = args.op.outputs[0];
  const auto& attrs = args.op.attrs_as<Pool2dAttrs>();
  const int64_t channels = x.shape[3];
  const int64_t window = int64_t{attrs.window.kernel_h} * attrs.window.kernel_w;
  const auto divisor = [&](const Taps& taps) {
    return std::max<int64_t>(attrs.count_padding ? window : taps.count(), 1);
  };
  if (is_float(x)) {
    return for_windows(args.op, attrs.window, [&](int64_t out, const Taps& taps) {
      for (int64_t c = 0; c < channels; ++c) {
        float sum = 0;
        taps.for_each([&](int64_t pixel) { sum += args.input<float>(0)[pixel + c]; });
        args.output<float>(0)[out + c] =
            clamp(sum / static_cast<float>(divisor(taps)), attrs.activation);
      }
    });
  }
  const QuantRange range = activation_range(attrs.activation, y.dtype, y.quantization);
  const int32_t zx = x.quantization.zero_point();
  const int32_t zy = y.quantization.zero_point();
  // Same scale in and out, padding not counted: the mean of the stored values, in integers. A
  // window that lies on padding alone has none, and real zero as its mean.
  const bool same = x.dtype == y.dtype && x.quantization == y.quantization && !attrs.count_padding;
  for_windows(args.op, attrs.window, [&](int64_t out, const Taps& taps) {
    const auto count = static_cast<int32_t>(divisor(taps));
    const auto on_input = static_cast<int32_t>(taps.count());
    const float m = x.quantization.scale() / (y.quantization.scale() * static_cast<float>(count));
    for (int64_t c = 0; c < channels; ++c) {
      int32_t sum = 0;
      taps.for_each([&](int64_t pixel) { sum += load_stored(args.inputs[0], pixel + c, x.dtype); });
      store_stored(args.outputs[0], out + c, y.dtype,
                   same && on_input > 0
                       ? std::clamp(rounded_mean(sum, count), range.low, range.high)
                       : requantize(static_cast<float>(sum - on_input * zx) * m, zy, range));
    }
  });
}

}  // namespace inferd::kernels::ref

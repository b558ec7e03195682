// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "engine/kernels/ref/common.h"
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
void for_windows(const OpDesc& op, F f) {
  const Window2d& w = op.attrs_as<Pool2dAttrs>().window;
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

bool float_or_quantized(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  return (is_float(x) && is_float(y)) || (is_quantized(x) && is_quantized(y));
}

}  // namespace

bool accepts_max_pool2d(const OpDesc& op) {
  return float_or_quantized(op) && op.inputs[0].dtype == op.outputs[0].dtype &&
         op.inputs[0].quantization == op.outputs[0].quantization;
}

void run_max_pool2d(const RunArgs& args) {
  const Operand& x = args.op.inputs[0];
  const Activation& activation = args.op.attrs_as<Pool2dAttrs>().activation;
  const int64_t channels = x.shape[3];
  if (is_float(x)) {
    return for_windows(args.op, [&](int64_t out, const Taps& taps) {
      for (int64_t c = 0; c < channels; ++c) {
        float best = -kInf;
        taps.for_each(
            [&](int64_t pixel) { best = std::max(best, args.input<float>(0)[pixel + c]); });
        args.output<float>(0)[out + c] = clamp(best, activation);
      }
    });
  }
  const QuantRange range = activation_range(activation, x.dtype, x.quantization);
  for_windows(args.op, [&](int64_t out, const Taps& taps) {
    for (int64_t c = 0; c < channels; ++c) {
      int32_t best = range.low;
      taps.for_each(
          [&](int64_t pixel) { best = std::max(best, load8(args.inputs[0], pixel + c, x.dtype)); });
      store8(args.outputs[0], out + c, std::min(best, range.high));
    }
  });
}

bool accepts_average_pool2d(const OpDesc& op) { return float_or_quantized(op); }

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
    return for_windows(args.op, [&](int64_t out, const Taps& taps) {
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
  for_windows(args.op, [&](int64_t out, const Taps& taps) {
    const auto count = static_cast<int32_t>(divisor(taps));
    const auto on_input = static_cast<int32_t>(taps.count());
    const float m = x.quantization.scale() / (y.quantization.scale() * static_cast<float>(count));
    for (int64_t c = 0; c < channels; ++c) {
      int32_t sum = 0;
      taps.for_each([&](int64_t pixel) { sum += load8(args.inputs[0], pixel + c, x.dtype); });
      store8(args.outputs[0], out + c,
             same && on_input > 0
                 ? std::clamp(rounded_mean(sum, count), range.low, range.high)
                 : requantize(static_cast<float>(sum - on_input * zx) * m, zy, range));
    }
  });
}

}  // namespace inferd::kernels::ref

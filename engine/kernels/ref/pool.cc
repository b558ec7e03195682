// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <vector>

#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

// First position from `start` in steps of `step` that is not negative.
int64_t first_inside(int64_t start, int step) {
  return start >= 0 ? start : start + (-start + step - 1) / step * step;
}

// f(output pixel, list of input pixels' offsets) for each output pixel.
template <typename F>
void for_windows(const OpDesc& op, F f) {
  const Window2d& w = op.attrs_as<Pool2dAttrs>().window;
  const Shape& x = op.inputs[0].shape;
  const Shape& y = op.outputs[0].shape;
  std::vector<int64_t> pixels;
  for (int64_t n = 0; n < y[0]; ++n) {
    for (int64_t oh = 0; oh < y[1]; ++oh) {
      for (int64_t ow = 0; ow < y[2]; ++ow) {
        pixels.clear();
        const int64_t top = oh * w.stride_h - w.pad_top;
        const int64_t left = ow * w.stride_w - w.pad_left;
        const int64_t bottom = std::min(top + int64_t{w.dilation_h} * w.kernel_h, x[1]);
        const int64_t right = std::min(left + int64_t{w.dilation_w} * w.kernel_w, x[2]);
        for (int64_t h = first_inside(top, w.dilation_h); h < bottom; h += w.dilation_h) {
          for (int64_t c = first_inside(left, w.dilation_w); c < right; c += w.dilation_w) {
            pixels.push_back(((n * x[1] + h) * x[2] + c) * x[3]);
          }
        }
        f(((n * y[1] + oh) * y[2] + ow) * y[3], pixels);
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
    return for_windows(args.op, [&](int64_t out, const std::vector<int64_t>& pixels) {
      for (int64_t c = 0; c < channels; ++c) {
        float best = -kInf;
        for (int64_t pixel : pixels) best = std::max(best, args.input<float>(0)[pixel + c]);
        args.output<float>(0)[out + c] = clamp(best, activation);
      }
    });
  }
  const QuantRange range = activation_range(activation, x.dtype, x.quantization);
  for_windows(args.op, [&](int64_t out, const std::vector<int64_t>& pixels) {
    for (int64_t c = 0; c < channels; ++c) {
      int32_t best = range.low;
      for (int64_t pixel : pixels) best = std::max(best, load8(args.inputs[0], pixel + c, x.dtype));
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
  const auto divisor = [&](const std::vector<int64_t>& pixels) {
    return std::max<int64_t>(attrs.count_padding ? window : static_cast<int64_t>(pixels.size()), 1);
  };
  if (is_float(x)) {
    return for_windows(args.op, [&](int64_t out, const std::vector<int64_t>& pixels) {
      for (int64_t c = 0; c < channels; ++c) {
        float sum = 0;
        for (int64_t pixel : pixels) sum += args.input<float>(0)[pixel + c];
        args.output<float>(0)[out + c] =
            clamp(sum / static_cast<float>(divisor(pixels)), attrs.activation);
      }
    });
  }
  const QuantRange range = activation_range(attrs.activation, y.dtype, y.quantization);
  const int32_t zx = x.quantization.zero_point();
  const int32_t zy = y.quantization.zero_point();
  // Same scale in and out, padding not counted: the mean of the stored values, in integers.
  const bool plain = x.dtype == y.dtype && x.quantization == y.quantization && !attrs.count_padding;
  for_windows(args.op, [&](int64_t out, const std::vector<int64_t>& pixels) {
    const auto count = static_cast<int32_t>(divisor(pixels));
    const float m = x.quantization.scale() / (y.quantization.scale() * static_cast<float>(count));
    for (int64_t c = 0; c < channels; ++c) {
      int32_t sum = 0;
      for (int64_t pixel : pixels) sum += load8(args.inputs[0], pixel + c, x.dtype);
      const auto taps = static_cast<int32_t>(pixels.size());
      store8(args.outputs[0], out + c,
             plain ? std::clamp(rounded_mean(sum, count), range.low, range.high)
                   : requantize(static_cast<float>(sum - taps * zx) * m, zy, range));
    }
  });
}

}  // namespace inferd::kernels::ref

// SPDX-License-Identifier: Apache-2.0
//
// Maximum over windows, channels across lanes; float32 and 8 bits. Rows of output pixels are split
// over threads.
#pragma once

#include <cstdint>

#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

bool accepts_max_pool(const OpDesc& op);

struct MaxPoolParams {
  Window2d window;
  float low = 0.F;  // the fused clamp in stored values
  float high = 0.F;
};
MaxPoolParams max_pool_params(const OpDesc& op);

// y[c] = max(y[c], x[c]). Lane by lane, so the compiler makes vectors of it; P as in add.h.
template <typename P, typename T>
void max_into(const T* x, T* y, int64_t count) {
#pragma GCC ivdep
  for (int64_t c = 0; c < count; ++c) y[c] = x[c] > y[c] ? x[c] : y[c];
}

template <typename P>
struct MaxPool {
  template <typename T>
  static void run_typed(const RunArgs& args) {
    const Shape& x = args.op.inputs[0].shape;
    const Shape& y = args.op.outputs[0].shape;
    const MaxPoolParams params = max_pool_params(args.op);
    const Window2d& w = params.window;
    const T low = static_cast<T>(params.low);
    const T high = static_cast<T>(params.high);
    const int64_t channels = x[3];
    args.parallel_for(y[0] * y[1], 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row) {
        const T* const image = args.input<T>(0) + row / y[1] * x[1] * x[2] * channels;
        T* pixel = args.output<T>(0) + row * y[2] * channels;
        for (int64_t ox = 0; ox < y[2]; ++ox, pixel += channels) {
          for (int64_t c = 0; c < channels; ++c) pixel[c] = low;
          for (int64_t ky = 0; ky < w.kernel_h; ++ky) {
            const int64_t iy = row % y[1] * w.stride_h - w.pad_top + ky * w.dilation_h;
            if (iy < 0 || iy >= x[1]) continue;
            for (int64_t kx = 0; kx < w.kernel_w; ++kx) {
              const int64_t ix = ox * w.stride_w - w.pad_left + kx * w.dilation_w;
              if (ix < 0 || ix >= x[2]) continue;
              max_into<P>(image + (iy * x[2] + ix) * channels, pixel, channels);
            }
          }
          for (int64_t c = 0; c < channels; ++c) pixel[c] = pixel[c] < high ? pixel[c] : high;
        }
      }
    });
  }

  static void run(const RunArgs& args) {
    switch (args.op.inputs[0].dtype) {
      case DType::kFloat32:
        return run_typed<float>(args);
      case DType::kUInt8:
        return run_typed<uint8_t>(args);
      default:
        return run_typed<int8_t>(args);
    }
  }
};

}  // namespace inferd::kernels::generic

// SPDX-License-Identifier: Apache-2.0
//
// Maximum and average over windows, channels across lanes; float32 and 8 bits. A block of channels
// stays in registers over all taps. Rows of output pixels are split over threads.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "engine/kernels/kernel.h"
#include "engine/kernels/requantize.h"

namespace inferd::kernels::generic {

// The part of a window that lies on the input, along one dimension.
struct PoolSpan {
  int64_t first = 0;  // position in the input
  int64_t count = 0;
};

struct PoolPlan final : Prepared {
  int64_t images = 0;
  int64_t in_h = 0, in_w = 0, out_h = 0, out_w = 0, channels = 0;
  int64_t step_h = 1, step_w = 1;                 // between taps
  std::vector<PoolSpan> row_spans, column_spans;  // by output position
  int64_t grain = 1;                              // rows
  float low = 0.F, high = 0.F;  // the fused clamp; of a quantized maximum in stored values
  int64_t window = 0;           // average: taps to divide by; 0: those on the input
  bool same = false;            // quantized average: in and out have one scale
  float x_scale = 1.F, y_scale = 1.F;
  int32_t x_zero = 0, y_zero = 0;
  QuantRange range;
};

bool accepts_max_pool(const OpDesc& op);
bool accepts_average_pool(const OpDesc& op);
std::unique_ptr<Prepared> plan_pool(const OpDesc& op, const PackedWeights*);

// P as in elementwise_run.h.
template <typename P>
struct Pool {
#if defined(__AVX512BW__)
  static constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
  static constexpr int kVectorBytes = 32;
#else
  static constexpr int kVectorBytes = 16;
#endif
  static constexpr int64_t kSums = 64;  // channels averaged at once

  // Pointers to the taps of one output pixel.
  template <typename T>
  struct Taps {
    const T* first;
    int64_t rows, columns;
    int64_t row_step, column_step;

    int64_t count() const { return rows * columns; }
    template <typename F>
    [[gnu::always_inline]] void for_each(const F& f) const {
      const T* row = first;
      for (int64_t r = 0; r < rows; ++r, row += row_step) {
        const T* tap = row;
        for (int64_t c = 0; c < columns; ++c, tap += column_step) f(tap);
      }
    }
  };

  // f(taps, output pixel)
  template <typename T, typename Out, typename F>
  static void for_pixels(const RunArgs& args, const F& f) {
    const auto& p = static_cast<const PoolPlan&>(*args.prepared);
    const int64_t y_stride = args.pixel_stride > 0 ? args.pixel_stride : p.channels;
    const PoolSpan* const row_spans = p.row_spans.data();
    const PoolSpan* const column_spans = p.column_spans.data();
    args.parallel_for(p.images * p.out_h, p.grain, [&](int64_t begin, int64_t end, int) {
      for (int64_t row = begin; row < end; ++row) {
        const PoolSpan rows = row_spans[row % p.out_h];
        const T* const x =
            args.input<T>(0) + (row / p.out_h * p.in_h + rows.first) * p.in_w * p.channels;
        Out* y = args.output<Out>(0) + row * p.out_w * y_stride;
        for (int64_t ox = 0; ox < p.out_w; ++ox, y += y_stride) {
          const PoolSpan columns = column_spans[ox];
          f(Taps<T>{x + columns.first * p.channels, rows.count, columns.count,
                    p.step_h * p.in_w * p.channels, p.step_w * p.channels},
            y);
        }
      }
    });
  }

  template <typename T, int kBytes, int kVectors>
  [[gnu::always_inline]] static void max_block(const Taps<T>& taps, int64_t channel, T low, T high,
                                               T* y) {
    using Vector [[gnu::vector_size(kBytes)]] = T;
    Vector best[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) best[v] = low - Vector{};
    taps.for_each([&](const T* tap) __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        Vector x;
        std::memcpy(&x, tap + channel + v * (kBytes / sizeof(T)), kBytes);
        best[v] = x > best[v] ? x : best[v];
      }
    });
    const Vector most = high - Vector{};
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      best[v] = best[v] < most ? best[v] : most;
      std::memcpy(y + channel + v * (kBytes / sizeof(T)), &best[v], kBytes);
    }
  }

  // All channels from `channel` on, where there is at least one vector of them in all.
  template <typename T, int kBytes>
  [[gnu::always_inline]] static void max_rest(const Taps<T>& taps, int64_t channel,
                                              int64_t channels, T low, T high, T* y) {
    constexpr int64_t kLanes = kBytes / sizeof(T);
    for (; channel + kLanes <= channels; channel += kLanes) {
      max_block<T, kBytes, 1>(taps, channel, low, high, y);
    }
    // The last vector overlaps the one before.
    if (channel < channels) max_block<T, kBytes, 1>(taps, channels - kLanes, low, high, y);
  }

  template <typename T>
  static void run_max_typed(const RunArgs& args) {
    constexpr int64_t kLanes = kVectorBytes / sizeof(T);
    constexpr int64_t kFewLanes = 16 / sizeof(T);
    const auto& p = static_cast<const PoolPlan&>(*args.prepared);
    const int64_t channels = p.channels;
    const T low = static_cast<T>(p.low);
    const T high = static_cast<T>(p.high);
    for_pixels<T, T>(
        args, [=](const Taps<T>& taps, T* y) __attribute__((always_inline)) {
          if (channels >= kLanes) {
            int64_t c = 0;
            for (; c + 4 * kLanes <= channels; c += 4 * kLanes) {
              max_block<T, kVectorBytes, 4>(taps, c, low, high, y);
            }
            max_rest<T, kVectorBytes>(taps, c, channels, low, high, y);
          } else if (channels >= kFewLanes) {
            max_rest<T, 16>(taps, 0, channels, low, high, y);
          } else {
            for (int64_t c = 0; c < channels; ++c) {
              T best = low;
              taps.for_each([&](const T* tap) __attribute__((always_inline)) {
                best = tap[c] > best ? tap[c] : best;
              });
              y[c] = best < high ? best : high;
            }
          }
        });
  }

  static void run_max(const RunArgs& args) {
    switch (args.op.inputs[0].dtype) {
      case DType::kFloat32:
        return run_max_typed<float>(args);
      case DType::kUInt8:
        return run_max_typed<uint8_t>(args);
      default:
        return run_max_typed<int8_t>(args);
    }
  }

  // store(index of the output in its pixel, sum) for each channel.
  template <typename Sum, typename T, typename Store>
  [[gnu::always_inline]] static void sum_channels(const Taps<T>& taps, int64_t channels,
                                                  const Store& store) {
    for (int64_t first = 0; first < channels; first += kSums) {
      Sum sums[kSums] = {};
      if (first + kSums <= channels) {
        taps.for_each([&](const T* tap) __attribute__((always_inline)) {
#pragma GCC ivdep
          for (int64_t c = 0; c < kSums; ++c) sums[c] += tap[first + c];
        });
      } else {
        taps.for_each([&](const T* tap) __attribute__((always_inline)) {
#pragma GCC ivdep
          for (int64_t c = 0; c < channels - first; ++c) sums[c] += tap[first + c];
        });
      }
      const int64_t end = channels - first < kSums ? channels - first : kSums;
      for (int64_t c = 0; c < end; ++c) store(first + c, sums[c]);
    }
  }

  template <typename T, typename Out>
  static void run_quantized_average(const RunArgs& args) {
    const auto& p = static_cast<const PoolPlan&>(*args.prepared);
    for_pixels<T, Out>(
        args, [&](const Taps<T>& taps, Out* y) __attribute__((always_inline)) {
          const auto on_input = static_cast<int32_t>(taps.count());
          int32_t count = p.window > 0 ? static_cast<int32_t>(p.window) : on_input;
          if (count == 0) count = 1;
          if (p.same && on_input > 0) {
            const int32_t half = count / 2;
            const QuantRange range = p.range;
            sum_channels<int32_t>(
                taps, p.channels, [=](int64_t c, int32_t sum) __attribute__((always_inline)) {
                  int32_t mean = (sum >= 0 ? sum + half : sum - half) / count;
                  mean = mean < range.low ? range.low : mean;
                  y[c] = static_cast<Out>(mean > range.high ? range.high : mean);
                });
            return;
          }
          const float m = p.x_scale / (p.y_scale * static_cast<float>(count));
          const int32_t zeros = on_input * p.x_zero;
          sum_channels<int32_t>(
              taps, p.channels, [&](int64_t c, int32_t sum) __attribute__((always_inline)) {
                y[c] = static_cast<Out>(
                    requantize(static_cast<float>(sum - zeros) * m, p.y_zero, p.range));
              });
        });
  }

  static void run_float_average(const RunArgs& args) {
    const auto& p = static_cast<const PoolPlan&>(*args.prepared);
    const float low = p.low;
    const float high = p.high;
    for_pixels<float, float>(
        args, [&](const Taps<float>& taps, float* y) __attribute__((always_inline)) {
          const int64_t count = p.window > 0 ? p.window : taps.count();
          const auto divisor = static_cast<float>(count > 0 ? count : 1);
          sum_channels<float>(
              taps, p.channels, [=](int64_t c, float sum) __attribute__((always_inline)) {
                const float mean = sum / divisor;
                const float least = mean < low ? low : mean;  // NaN stays
                y[c] = least > high ? high : least;
              });
        });
  }

  static void run_average(const RunArgs& args) {
    const DType x = args.op.inputs[0].dtype;
    const bool unsigned_out = args.op.outputs[0].dtype == DType::kUInt8;
    if (x == DType::kFloat32) return run_float_average(args);
    if (x == DType::kUInt8) {
      unsigned_out ? run_quantized_average<uint8_t, uint8_t>(args)
                   : run_quantized_average<uint8_t, int8_t>(args);
    } else {
      unsigned_out ? run_quantized_average<int8_t, uint8_t>(args)
                   : run_quantized_average<int8_t, int8_t>(args);
    }
  }
};

}  // namespace inferd::kernels::generic

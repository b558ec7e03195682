// SPDX-License-Identifier: Apache-2.0
//
// Sum or mean over neighbouring axes: x[outer, count, inner] -> y[outer, inner]; the global average
// pool of an image is one. Channels across lanes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>

#include "engine/kernels/kernel.h"
#include "engine/kernels/requantize.h"

namespace inferd::kernels::generic {

struct MeanPlan final : Prepared {
  int64_t outer = 1, count = 1, inner = 1;
  float m = 1.F;  // what the sum is multiplied with
  int32_t x_zero = 0, y_zero = 0;
  QuantRange range;
};

bool accepts_mean(const OpDesc& op);
std::unique_ptr<Prepared> plan_mean(const OpDesc& op, const PackedWeights*);

// P as in elementwise_run.h.
template <typename P>
struct Mean {
  static constexpr int64_t kChunk = 128;  // channels summed at once

  // Sums `count` rows of `width` channels, `stride` apart.
  template <typename Sum, typename T>
  static void sum(const T* x, int64_t count, int64_t stride, int64_t width, Sum* sums) {
    for (int64_t c = 0; c < width; ++c) sums[c] = 0;
    for (int64_t r = 0; r < count; ++r, x += stride) {
#pragma GCC ivdep
      for (int64_t c = 0; c < width; ++c) sums[c] += x[c];
    }
  }

  // One channel: several partial sums, because a single one would wait for itself.
  template <typename Sum, typename T>
  static Sum sum_neighbours(const T* x, int64_t count) {
    constexpr int64_t kLanes = 64;
    Sum sums[kLanes] = {};
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
#pragma GCC ivdep
      for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += x[i + lane];
    }
    Sum total = 0;
    for (const Sum s : sums) total += s;
    for (; i < count; ++i) total += x[i];
    return total;
  }

  // store(index of the output, sum)
  template <typename Sum, typename T, typename Store>
  static void run_sums(const RunArgs& args, const Store& store) {
    const auto& p = static_cast<const MeanPlan&>(*args.prepared);
    const T* const x = args.input<T>(0);
    const int64_t chunks = (p.inner + kChunk - 1) / kChunk;
    const int64_t grain = std::max<int64_t>(16384 / std::max<int64_t>(p.count * kChunk, 1), 1);
    args.parallel_for(p.outer * chunks, grain, [&](int64_t begin, int64_t end, int) {
      Sum sums[kChunk];
      for (int64_t i = begin; i < end; ++i) {
        const int64_t outer = i / chunks;
        const int64_t first = i % chunks * kChunk;
        const int64_t width = std::min(kChunk, p.inner - first);
        const T* from = x + outer * p.count * p.inner + first;
        if (p.inner == 1) {
          sums[0] = sum_neighbours<Sum>(from, p.count);
        } else if (width == kChunk) {
          sum(from, p.count, p.inner, kChunk, sums);
        } else {
          sum(from, p.count, p.inner, width, sums);
        }
        for (int64_t c = 0; c < width; ++c) store(outer * p.inner + first + c, sums[c]);
      }
    });
  }

  template <typename T, typename Out>
  static void run_quantized(const RunArgs& args) {
    const auto& p = static_cast<const MeanPlan&>(*args.prepared);
    const auto zeros = static_cast<int32_t>(p.count * p.x_zero);
    Out* const y = args.output<Out>(0);
    run_sums<int32_t, T>(args, [&](int64_t i, int32_t sum) {
      y[i] = static_cast<Out>(requantize(static_cast<float>(sum - zeros) * p.m, p.y_zero, p.range));
    });
  }

  static void run(const RunArgs& args) {
    const DType x = args.op.inputs[0].dtype;
    const bool unsigned_out = args.op.outputs[0].dtype == DType::kUInt8;
    if (x == DType::kFloat32) {
      const auto& p = static_cast<const MeanPlan&>(*args.prepared);
      float* const y = args.output<float>(0);
      return run_sums<float, float>(args, [&](int64_t i, float sum) { y[i] = sum * p.m; });
    }
    if (x == DType::kUInt8) {
      unsigned_out ? run_quantized<uint8_t, uint8_t>(args) : run_quantized<uint8_t, int8_t>(args);
    } else {
      unsigned_out ? run_quantized<int8_t, uint8_t>(args) : run_quantized<int8_t, int8_t>(args);
    }
  }
};

}  // namespace inferd::kernels::generic

// SPDX-License-Identifier: Apache-2.0
//
// Sum, mean, maximum and minimum over neighbouring axes: x[outer, count, inner] -> y[outer, inner];
// the global average pool of an image is one. Channels across lanes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>

#include "engine/kernels/kernel.h"
#include "engine/kernels/requantize.h"

namespace inferd::kernels::generic {

struct ReducePlan final : Prepared {
  ReduceKind kind = ReduceKind::kMean;
  int64_t outer = 1, count = 1, inner = 1;
  float m = 1.F;      // what the result is multiplied with
  int32_t zeros = 0;  // quantized: what the zero point contributed to it
  int32_t y_zero = 0;
  QuantRange range;
};

bool accepts_reduce(const OpDesc& op);
std::unique_ptr<Prepared> plan_reduce(const OpDesc& op, const PackedWeights*);

// P as in elementwise_run.h.
template <typename P>
struct Reduce {
  static constexpr int64_t kChunk = 128;  // channels reduced at once

  struct Sum {
    template <typename Acc>
    static constexpr Acc start() {
      return 0;
    }
    template <typename Acc>
    [[gnu::always_inline]] static Acc of(Acc a, Acc x) {
      return a + x;
    }
  };
  // What is no number counts in neither (as in the reference).
  struct Max {
    template <typename Acc>
    static constexpr Acc start() {
      using Limits = std::numeric_limits<Acc>;
      return Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    }
    template <typename Acc>
    [[gnu::always_inline]] static Acc of(Acc a, Acc x) {
      return a < x ? x : a;
    }
  };
  struct Min {
    template <typename Acc>
    static constexpr Acc start() {
      using Limits = std::numeric_limits<Acc>;
      return Limits::has_infinity ? Limits::infinity() : Limits::max();
    }
    template <typename Acc>
    [[gnu::always_inline]] static Acc of(Acc a, Acc x) {
      return x < a ? x : a;
    }
  };

  // `count` rows of `width` channels, `stride` apart.
  template <typename Combine, typename Acc, typename T>
  static void rows(const T* x, int64_t count, int64_t stride, int64_t width, Acc* acc) {
    for (int64_t c = 0; c < width; ++c) acc[c] = Combine::template start<Acc>();
    for (int64_t r = 0; r < count; ++r, x += stride) {
#pragma GCC ivdep
      for (int64_t c = 0; c < width; ++c) acc[c] = Combine::of(acc[c], static_cast<Acc>(x[c]));
    }
  }

  // One channel: several partial results, because a single one would wait for itself.
  template <typename Combine, typename Acc, typename T>
  static Acc neighbours(const T* x, int64_t count) {
    constexpr int64_t kLanes = 64;
    Acc total = Combine::template start<Acc>();
    int64_t i = 0;
    if (count >= kLanes) {
      Acc acc[kLanes];
      for (Acc& a : acc) a = Combine::template start<Acc>();
      for (; i + kLanes <= count; i += kLanes) {
#pragma GCC ivdep
        for (int64_t lane = 0; lane < kLanes; ++lane) {
          acc[lane] = Combine::of(acc[lane], static_cast<Acc>(x[i + lane]));
        }
      }
      for (const Acc a : acc) total = Combine::of(total, a);
    }
    for (; i < count; ++i) total = Combine::of(total, static_cast<Acc>(x[i]));
    return total;
  }

  // store(index of the output, result)
  template <typename Combine, typename Acc, typename T, typename Store>
  static void run_combined(const RunArgs& args, const Store& store) {
    const auto& p = static_cast<const ReducePlan&>(*args.prepared);
    const T* const x = args.input<T>(0);
    if (p.inner == 1) {
      const int64_t grain = std::max<int64_t>(65536 / std::max<int64_t>(p.count, 1), 1);
      args.parallel_for(p.outer, grain, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) {
          store(i, neighbours<Combine, Acc>(x + i * p.count, p.count));
        }
      });
      return;
    }
    const int64_t chunks = (p.inner + kChunk - 1) / kChunk;
    const int64_t grain = std::max<int64_t>(65536 / std::max<int64_t>(p.count * kChunk, 1), 1);
    args.parallel_for(p.outer * chunks, grain, [&](int64_t begin, int64_t end, int) {
      Acc acc[kChunk];
      for (int64_t i = begin; i < end; ++i) {
        const int64_t outer = i / chunks;
        const int64_t first = i % chunks * kChunk;
        const int64_t width = std::min(kChunk, p.inner - first);
        const T* const from = x + outer * p.count * p.inner + first;
        if (width == kChunk) {
          rows<Combine>(from, p.count, p.inner, kChunk, acc);
        } else {
          rows<Combine>(from, p.count, p.inner, width, acc);
        }
        for (int64_t c = 0; c < width; ++c) store(outer * p.inner + first + c, acc[c]);
      }
    });
  }

  template <typename Acc, typename T, typename Store>
  static void run_kind(const RunArgs& args, const Store& store) {
    switch (static_cast<const ReducePlan&>(*args.prepared).kind) {
      case ReduceKind::kMax:
        return run_combined<Max, Acc, T>(args, store);
      case ReduceKind::kMin:
        return run_combined<Min, Acc, T>(args, store);
      default:
        return run_combined<Sum, Acc, T>(args, store);
    }
  }

  template <typename T, typename Out>
  static void run_quantized(const RunArgs& args) {
    const auto& p = static_cast<const ReducePlan&>(*args.prepared);
    Out* const y = args.output<Out>(0);
    const int32_t zeros = p.zeros;
    const float m = p.m;
    const int32_t y_zero = p.y_zero;
    const QuantRange range = p.range;
    run_kind<int32_t, T>(
        args, [=](int64_t i, int32_t acc) __attribute__((always_inline)) {
          y[i] = static_cast<Out>(requantize(static_cast<float>(acc - zeros) * m, y_zero, range));
        });
  }

  static void run(const RunArgs& args) {
    const DType x = args.op.inputs[0].dtype;
    const bool unsigned_out = args.op.outputs[0].dtype == DType::kUInt8;
    if (x == DType::kFloat32) {
      const float m = static_cast<const ReducePlan&>(*args.prepared).m;
      float* const y = args.output<float>(0);
      return run_kind<float, float>(
          args, [=](int64_t i, float acc) __attribute__((always_inline)) { y[i] = acc * m; });
    }
    if (x == DType::kUInt8) {
      unsigned_out ? run_quantized<uint8_t, uint8_t>(args) : run_quantized<uint8_t, int8_t>(args);
    } else {
      unsigned_out ? run_quantized<int8_t, uint8_t>(args) : run_quantized<int8_t, int8_t>(args);
    }
  }
};

}  // namespace inferd::kernels::generic

// SPDX-License-Identifier: Apache-2.0
//
// Resizing of images. Where rows and columns come from is found out once. Nearest: any type, pixels
// are copied, and rows that are the same as the one above from there. Linear: float32 and 8 bits,
// channels across lanes. Output rows are split over threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

// Where a position of the output lies: between two of the input, as offsets in elements (rows: of a
// picture, columns: of a row).
struct ResizeSample {
  int64_t low = 0;
  int64_t high = 0;
  float weight = 0.F;  // of `high`
  int32_t fixed = 0;   // the same, in units of 2^-11
};

struct ResizePlan final : Prepared {
  int64_t images = 0, channels = 0;
  int64_t in_picture = 0;  // elements
  int64_t grain = 1;       // rows
  std::vector<ResizeSample> rows, columns;
  // Linear: two rows of the input as wide as the output's, for each worker.
  int64_t worker_bytes = 0;
  int max_workers = 1;
};

bool accepts_nearest_resize(const OpDesc& op);
bool accepts_linear_resize(const OpDesc& op);
std::unique_ptr<Prepared> plan_nearest_resize(const OpDesc& op, const PackedWeights*);
std::unique_ptr<Prepared> plan_linear_resize(const OpDesc& op, const PackedWeights*);
void run_nearest_resize(const RunArgs& args);

// First across, then down: a row of the input is stretched once for all output rows that it takes
// part in, and those are then mixed from two of them without regard to pixels. P as in
// elementwise_run.h.
template <typename P>
struct LinearResize {
  struct MixFloat {
    using Stretched = float;
    [[gnu::always_inline]] static float across(float a, float b, const ResizeSample& column) {
      return a * (1 - column.weight) + b * column.weight;
    }
    [[gnu::always_inline]] static float down(float top, float bottom, const ResizeSample& row) {
      return top * (1 - row.weight) + bottom * row.weight;
    }
  };

  // Weights of 11 bits, one rounding at the end, half up.
  struct MixFixed {
    using Stretched = int32_t;
    [[gnu::always_inline]] static int32_t across(int32_t a, int32_t b, const ResizeSample& column) {
      return a * 2048 + (b - a) * column.fixed;
    }
    [[gnu::always_inline]] static int32_t down(int32_t top, int32_t bottom,
                                               const ResizeSample& row) {
      return (top * 2048 + (bottom - top) * row.fixed + (1 << 21)) >> 22;
    }
  };

  // All channels of a pixel, at least `kBlock`: whole blocks, of which the last may overlap.
  template <int64_t kBlock, typename Mix, typename T>
  [[gnu::always_inline]] static void mix_blocks(const ResizeSample& column, const T* a, const T* b,
                                                int64_t channels, typename Mix::Stretched* y) {
    for (int64_t begin = 0; begin < channels; begin += kBlock) {
      const int64_t first = begin + kBlock <= channels ? begin : channels - kBlock;
#pragma GCC ivdep
      for (int64_t k = first; k < first + kBlock; ++k) y[k] = Mix::across(a[k], b[k], column);
    }
  }

  template <typename Mix, typename T>
  static void stretch(const ResizePlan& p, const T* x, typename Mix::Stretched* y) {
    const ResizeSample* const end = p.columns.data() + p.columns.size();
    for (const ResizeSample* c = p.columns.data(); c != end; ++c) {
      const T* const a = x + c->low;
      const T* const b = x + c->high;
      if (p.channels >= 16) {
        mix_blocks<16, Mix>(*c, a, b, p.channels, y);
      } else if (p.channels >= 4) {
        mix_blocks<4, Mix>(*c, a, b, p.channels, y);
      } else {
        mix_blocks<1, Mix>(*c, a, b, p.channels, y);
      }
      y += p.channels;
    }
  }

  template <typename Mix, typename Stretched, typename T>
  static void mix_down(const Stretched* top, const Stretched* bottom, const ResizeSample row,
                       int64_t count, T* y) {
#pragma GCC ivdep
    for (int64_t k = 0; k < count; ++k) y[k] = static_cast<T>(Mix::down(top[k], bottom[k], row));
  }

  // The last two rows of the input that were stretched.
  template <typename Mix, typename T>
  struct Rows {
    using Stretched = typename Mix::Stretched;
    const ResizePlan& plan;
    Stretched* held[2];
    const T* of[2] = {nullptr, nullptr};

    // Row `x`, made now if it is not there; then `keep` stays.
    const Stretched* get(const T* x, const T* keep) {
      if (of[0] == x) return held[0];
      const int slot = of[1] == x || of[0] == keep ? 1 : 0;
      if (of[slot] != x) stretch<Mix>(plan, x, held[slot]);
      of[slot] = x;
      return held[slot];
    }
  };

  template <typename Mix, typename T>
  static void run_typed(const RunArgs& args) {
    using Stretched = typename Mix::Stretched;
    const auto& p = static_cast<const ResizePlan&>(*args.prepared);
    const ResizeSample* const rows = p.rows.data();
    const auto out_h = static_cast<int64_t>(p.rows.size());
    const int64_t line = static_cast<int64_t>(p.columns.size()) * p.channels;
    int threads = std::min(args.pool.threads(), p.max_workers);
    if (args.max_threads > 0) threads = std::min(threads, args.max_threads);
    const auto work = [&](int64_t begin, int64_t end, int worker) {
      auto* const scratch = reinterpret_cast<Stretched*>(args.scratch + worker * p.worker_bytes);
      Rows<Mix, T> stretched{p, {scratch, scratch + line}};
      for (int64_t i = begin; i < end; ++i) {
        const ResizeSample row = rows[i % out_h];
        const T* const picture = args.input<T>(0) + i / out_h * p.in_picture;
        const T* const above = picture + row.low;
        const T* const below = picture + row.high;
        const Stretched* const top = stretched.get(above, below);
        const Stretched* const bottom = stretched.get(below, above);
        mix_down<Mix>(top, bottom, row, line, args.output<T>(0) + i * line);
      }
    };
    args.pool.parallel_for(p.images * out_h, p.grain, work, threads);
  }

  static void run(const RunArgs& args) {
    switch (args.op.inputs[0].dtype) {
      case DType::kFloat32:
        return run_typed<MixFloat, float>(args);
      case DType::kUInt8:
        return run_typed<MixFixed, uint8_t>(args);
      default:
        return run_typed<MixFixed, int8_t>(args);
    }
  }
};

}  // namespace inferd::kernels::generic

// SPDX-License-Identifier: Apache-2.0
//
// Resizing of images. Where rows and columns come from is found out once. Nearest: any type, pixels
// are copied, and rows that are the same as the one above from there. Linear: float32 and 8 bits,
// channels across lanes. Output rows are split over threads.
#pragma once

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
};

bool accepts_nearest_resize(const OpDesc& op);
bool accepts_linear_resize(const OpDesc& op);
std::unique_ptr<Prepared> plan_resize(const OpDesc& op, const PackedWeights*);
void run_nearest_resize(const RunArgs& args);

// P as in elementwise_run.h.
template <typename P>
struct LinearResize {
  struct MixFloat {
    float down, right;
    MixFloat(const ResizeSample& row, const ResizeSample& column)
        : down(row.weight), right(column.weight) {}
    [[gnu::always_inline]] float operator()(float a, float b, float c, float d) const {
      const float top = a * (1 - right) + b * right;
      const float bottom = c * (1 - right) + d * right;
      return top * (1 - down) + bottom * down;
    }
  };

  // Weights of 11 bits, one rounding at the end, half up.
  struct MixFixed {
    int32_t down, right;
    MixFixed(const ResizeSample& row, const ResizeSample& column)
        : down(row.fixed), right(column.fixed) {}
    [[gnu::always_inline]] int32_t operator()(int32_t a, int32_t b, int32_t c, int32_t d) const {
      const int32_t top = a * 2048 + (b - a) * right;
      const int32_t bottom = c * 2048 + (d - c) * right;
      return (top * 2048 + (bottom - top) * down + (1 << 21)) >> 22;
    }
  };

  // All channels of a pixel, at least `kBlock`: whole blocks, of which the last may overlap.
  template <int64_t kBlock, typename Mix, typename T>
  [[gnu::always_inline]] static void mix_blocks(const Mix& mix, const T* a, const T* b, const T* c,
                                                const T* d, int64_t channels, T* y) {
    for (int64_t begin = 0; begin < channels; begin += kBlock) {
      const int64_t first = begin + kBlock <= channels ? begin : channels - kBlock;
#pragma GCC ivdep
      for (int64_t k = first; k < first + kBlock; ++k) {
        y[k] = static_cast<T>(mix(a[k], b[k], c[k], d[k]));
      }
    }
  }

  template <typename Mix, typename T>
  static void run_typed(const RunArgs& args) {
    const auto& p = static_cast<const ResizePlan&>(*args.prepared);
    const ResizeSample* const rows = p.rows.data();
    const ResizeSample* const columns = p.columns.data();
    const auto out_h = static_cast<int64_t>(p.rows.size());
    const auto out_w = static_cast<int64_t>(p.columns.size());
    const int64_t channels = p.channels;
    args.parallel_for(p.images * out_h, p.grain, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const ResizeSample& row = rows[i % out_h];
        const T* const picture = args.input<T>(0) + i / out_h * p.in_picture;
        T* y = args.output<T>(0) + i * out_w * channels;
        for (int64_t j = 0; j < out_w; ++j, y += channels) {
          const ResizeSample& column = columns[j];
          const Mix mix(row, column);
          const T* const a = picture + row.low + column.low;
          const T* const b = picture + row.low + column.high;
          const T* const c = picture + row.high + column.low;
          const T* const d = picture + row.high + column.high;
          if (channels >= 16) {
            mix_blocks<16>(mix, a, b, c, d, channels, y);
          } else if (channels >= 4) {
            mix_blocks<4>(mix, a, b, c, d, channels, y);
          } else {
            mix_blocks<1>(mix, a, b, c, d, channels, y);
          }
        }
      }
    });
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

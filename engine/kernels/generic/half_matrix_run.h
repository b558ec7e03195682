// SPDX-License-Identifier: Apache-2.0
//
// The loops of matrix.h around an inner loop `P` that multiplies in half precision: float32 in and
// out, a band and panels of binary16. P provides, as in matrix_run.h,
//   kTile, kSplitsDepth, kMacsPerCycle
//   convert(x, n, out)   out[i] = Half(x[i]), rounded to nearest
//   tile<M, N>(args)     adds sums of at most kHalfStretch products to float32 sums
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "engine/kernels/generic/matrix_run.h"

namespace inferd::kernels::generic {

// How many products are summed in half precision before the sum goes into a float32 one.
//
// With u = 2^-11, half's rounding, a product is off by up to 2u of itself because its factors were
// rounded, 0.4u on average. Summing n products of random sign in half precision adds an error that
// grows with n, 0.2u * n of a product's size against a sum of sqrt(n): relative to the sum 0.2u *
// sqrt(n). At 32 that is 1.1u, the order of what rounding the factors costs anyway; over a whole
// depth of 1000, as engines do that sum in half precision only, it would be 6u, and 32 factors
// below 1 times activations below 2000 cannot overflow, where a whole depth's would. A step into
// float32 costs four instructions for each accumulator, an eighth of 32 multiplications; at 16 it
// would cost a quarter and win a third of the error.
inline constexpr int64_t kHalfStretch = 32;

struct HalfTileArgs {
  Rows<Half> rows;
  Part<float> part;
  const Half* b;
  const float* bias;  // bias and scale of the panel's columns
  const float* scale;
  float low, high;
  float* y;
  int64_t y_stride;
  int columns;
};

template <typename P>
struct HalfMatrix {
  // Rounding the input is work besides the products.
  static double cost(const OpDesc& op) {
    constexpr double kConvertedPerCycle = 3;
    return macs(op) / P::kMacsPerCycle +
           static_cast<double>(op.inputs[0].elements()) / kConvertedPerCycle;
  }
  static std::unique_ptr<PackedWeights> pack(const OpDesc& op, StoredWeights* stored) {
    return pack_half_matrix(op, P::kTile, stored);
  }
  static std::unique_ptr<Prepared> prepare(const OpDesc& op, const PackedWeights*) {
    return plan_matrix(op, P::kTile, sizeof(Half), /*same_type=*/false);
  }
  static void run(const RunArgs& args) {
    const auto& packed = static_cast<const PackedHalfMatrix&>(*args.packed);
    const auto& plan = static_cast<const MatrixPlan&>(*args.prepared);
    const MatrixForm& form = plan.form;
    const PanelSizes& sizes = packed.sizes;
    const float* const x = args.input<float>(0);
    float* const y = args.output<float>(0);
    const int64_t y_stride = args.pixel_stride > 0 ? args.pixel_stride : form.out_c;
    const auto convert = [](const float* from, int64_t n, Half* to) { P::convert(from, n, to); };
    const BandCopy<P, float, Half, decltype(convert)> copy(plan, x, Half{0}, convert);
    const auto b_bytes = static_cast<int64_t>(packed.b.bytes());
    const Split split =
        split_of<P>(args, plan, sizes.panels, P::kTile.rows, b_bytes, 4, cost(args.op));
    for_each_band<P, Half>(
        args, plan, split, sizes.panels, x, copy, [](const Band<Half>&) {},
        [&](const Band<Half>& band, int64_t panel) {
          const int64_t column = panel * P::kTile.columns;
          const int64_t padded = band.group * sizes.padded_columns + column;
          float* const out = y + band.first_row * y_stride + band.group * form.columns + column;
          HalfTileArgs tile{.rows = {.a = nullptr,
                                     .a_stride = plan.row_stride,
                                     .segments = plan.segments.data(),
                                     .segment_count = sizes.segments,
                                     .segment_depth = sizes.segment_depth},
                            .part = {},
                            .b = packed.b.data() + padded * sizes.depth(),
                            .bias = packed.bias.data() + padded,
                            .scale = packed.scale.data() + padded,
                            .low = packed.low,
                            .high = packed.high,
                            .y = nullptr,
                            .y_stride = y_stride,
                            .columns = static_cast<int>(
                                std::min<int64_t>(P::kTile.columns, form.columns - column))};
          run_tiles<P>(band, plan, sizes, panel, tile.b, &tile, [&](int64_t line, int64_t row) {
            tile.rows.a = band.a + line * plan.line_stride + row * plan.row_stride;
            const int64_t index = line * band.rows + row;
            tile.y = out + index * y_stride;
            tile.part.sums = reinterpret_cast<float*>(band.part) + index * P::kTile.columns;
          });
        });
  }
};

template <typename P, Isa kIsa>
constexpr Kernel half_matrix_row(const char* name, OpKind op, unsigned traits) {
  return {.name = name,
          .op = op,
          .isa = kIsa,
          .accepts = accepts_half_matrix,
          .cost = HalfMatrix<P>::cost,
          .pack = HalfMatrix<P>::pack,
          .prepare = HalfMatrix<P>::prepare,
          .run = HalfMatrix<P>::run,
          .traits = traits | kHalfPrecision};
}

template <typename P, Isa kIsa>
inline constexpr std::array kHalfMatrixRows = {
    half_matrix_row<P, kIsa>("conv2d_f32_half", OpKind::kConv2d, kByLines | kSpreadsPixels),
    half_matrix_row<P, kIsa>("fully_connected_f32_half", OpKind::kFullyConnected, 0),
    half_matrix_row<P, kIsa>("matmul_f32_half", OpKind::kMatMul, 0),
};

}  // namespace inferd::kernels::generic

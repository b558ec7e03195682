// SPDX-License-Identifier: Apache-2.0
//
// Convolution, fully connected and matrix product with constant weights, as one algorithm:
//
//   y[rows, columns] = a[rows, depth] * b[depth, columns], once for each group
//
// A row of `a` is the window under one output pixel (kernel_h, kernel_w, channels), a column of `b`
// the weights of one output channel. `b` is packed into panels of as many columns as the inner loop
// computes at once. `a` never exists as a whole: a block of rows that fits in the second-level
// cache is gathered from the input (or, for 1x1 windows in float, is the input), then multiplied
// with each panel in turn while the panel stays in the first-level cache.
//
// This file holds what is decided before the first run and is compiled for the baseline CPU;
// matrix_run.h holds the loops.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/kernels/generic/aligned_array.h"
#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

// The operator's shapes.
struct MatrixForm {
  int64_t in_h = 1, in_w = 1, in_c = 0;
  int64_t out_h = 1, out_w = 1, out_c = 0;
  int64_t rows = 0;  // batch * out_h * out_w
  int64_t groups = 1;
  int64_t columns = 0;  // of one group
  int64_t depth = 0;    // of one group
  Window2d window;
  bool rows_are_input = false;    // row i is the `depth` elements from input[i * depth]
  bool weights_by_depth = false;  // weights lie [depth, columns] instead of [columns, depth]
};
// Precondition: one of the accepts functions below took `op`.
MatrixForm matrix_form(const OpDesc& op);

// What an inner loop computes at once, and how it wants the panels of `b`:
// [group][panel][padded depth / interleave][columns][interleave], zero where padded.
struct Tile {
  int rows = 1;
  int columns = 8;
  int interleave = 1;      // neighbours in depth that lie side by side
  int depth_multiple = 1;  // depth is padded to this; a multiple of interleave
};

// How 8-bit numbers enter the inner loop. The accumulator is always the exact sum of
// (x - x_zero) * (w - w_zero) plus bias.
enum class Lanes : uint8_t {
  kS16,   // both widened to int16, zero points already subtracted
  kU8S8,  // a as uint8, b as int8; a's zero point is folded into the bias
  kS8S8,  // a as int8, b as int8; likewise
};

// Requantization of a panel's columns (see requantize.h).
struct RequantParams {
  float low = 0.F;  // bounds less the zero point
  float high = 0.F;
  int32_t zero_point = 0;
};

template <typename B>  // int16_t for Lanes::kS16, int8_t otherwise
struct PackedQuantizedMatrix final : PackedWeights {
  int64_t padded_depth = 0;
  int64_t panels = 0;  // of one group
  AlignedArray<B> b;
  AlignedArray<int32_t> bias;  // [group][panel][columns], as are the scales
  AlignedArray<float> scale;
  RequantParams requant;
  int32_t a_offset = 0;   // subtracted from x on its way into the inner loop
  int32_t a_padding = 0;  // what a padded pixel is there
  size_t bytes() const override { return b.bytes() + bias.bytes() + scale.bytes(); }
};

struct PackedFloatMatrix final : PackedWeights {
  int64_t padded_depth = 0;
  int64_t panels = 0;
  AlignedArray<float> b;
  AlignedArray<float> bias;
  float low = 0.F;
  float high = 0.F;
  size_t bytes() const override { return b.bytes() + bias.bytes(); }
};

struct MatrixPlan final : Prepared {
  MatrixForm form;
  int64_t block_rows = 0;    // rows gathered at once, a multiple of Tile::rows
  int64_t blocks = 0;        // of one group
  int64_t gather_bytes = 0;  // of scratch for each worker; 0 when rows are read where they are
  int max_workers = 1;
};

// 8-bit activations (int8 or uint8) and weights (int8 or uint8, per tensor or per channel), int32
// bias: kConv2d and kFullyConnected.
bool accepts_quantized_matrix(const OpDesc& op);
// The same, weights symmetric around zero when read as int8 (what kU8S8 and kS8S8 need).
bool accepts_symmetric_matrix(const OpDesc& op);
// float32 with constant weights: kConv2d, kFullyConnected, kMatMul with a [K,N] right-hand side.
bool accepts_float_matrix(const OpDesc& op);

double macs(const OpDesc& op);

template <typename B>
std::unique_ptr<PackedWeights> pack_quantized_matrix(const OpDesc& op, Tile tile, Lanes lanes);
std::unique_ptr<PackedWeights> pack_float_matrix(const OpDesc& op, Tile tile);

// `element_bytes`: of one gathered element. `direct`: rows_are_input needs no gathering.
std::unique_ptr<Prepared> plan_matrix(const OpDesc& op, Tile tile, int64_t element_bytes,
                                      bool direct);

}  // namespace inferd::kernels::generic

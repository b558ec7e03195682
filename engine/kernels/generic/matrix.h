// SPDX-License-Identifier: Apache-2.0
//
// Convolution, fully connected and matrix product with constant weights, as one algorithm:
//
//   y[rows, columns] = a[rows, depth] * b[depth, columns], once for each group
//
// A row of `a` is the window under one output pixel (kernel_h, kernel_w, channels), a column of `b`
// the weights of one output channel. `b` is packed into panels of as many columns as the inner loop
// computes at once. `a` never exists: in NHWC one line of the window is a stretch of contiguous
// numbers, and the next pixel's window begins `stride_w` pixels further, so the inner loop walks
// the image itself, segment by segment (a line of the window each; a tap each when it is dilated).
// What it walks is a band: a copy of the input lines under some output lines, converted to the
// inner loop's type and with its padding written out, small enough for the second-level cache. Each
// panel is multiplied with the whole band while it stays in the first-level cache. Where windows
// are single pixels and no conversion is needed, the band is the input itself.
//
// This file holds what is decided before the first run and is compiled for the baseline CPU;
// matrix_run.h holds the loops.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/kernels/generic/aligned_array.h"
#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

// A binary16, as its bits: what packed float16 weights consist of.
using Half = uint16_t;

constexpr int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

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
// [group][panel][segment][padded depth / interleave][columns][interleave]. The last panel of a
// group is `narrow` columns wide where that is enough.
struct Tile {
  int rows = 1;
  int columns = 8;
  int narrow = 8;
  int interleave = 1;      // neighbours in depth that lie side by side
  int depth_multiple = 1;  // a segment's depth is padded to this; a multiple of interleave
};

// How 8-bit numbers enter the inner loop. The accumulator is always the exact sum of
// (x - x_zero) * (w - w_zero) plus bias.
enum class Lanes : uint8_t {
  kS16,   // both widened to int16, zero points already subtracted
  kU8S8,  // a as uint8, b as int8; a's zero point is folded into the bias, b's multiplied with the
          // sum of each row
  kS8S8,  // a as int8, b as int8; likewise
};

// What is subtracted from an input on its way into kU8S8 or kS8S8.
constexpr int32_t byte_offset(DType input, Lanes lanes) {
  if (lanes == Lanes::kU8S8) return input == DType::kUInt8 ? 0 : -128;
  return input == DType::kUInt8 ? 128 : 0;
}

// Requantization of a panel's columns (see requantize.h).
struct RequantParams {
  float low = 0.F;  // bounds less the zero point
  float high = 0.F;
  int32_t zero_point = 0;
};

struct PanelSizes {
  int64_t segments = 0;
  int64_t segment_depth = 0;   // padded
  int64_t panels = 0;          // of one group
  int64_t padded_columns = 0;  // of one group
  int64_t depth() const { return segments * segment_depth; }
};

// `columns` of one group in panels, each segment of `segment_depth` before padding.
PanelSizes panel_sizes(int64_t columns, int64_t segments, int64_t segment_depth, Tile tile);

template <typename B>  // int16_t for Lanes::kS16, int8_t otherwise
struct PackedQuantizedMatrix final : PackedWeights {
  PanelSizes sizes;
  AlignedArray<B> b;
  AlignedArray<int32_t> bias;  // [group][panel][columns], as are the scales
  AlignedArray<float> scale;
  RequantParams requant;
  int32_t a_offset = 0;   // subtracted from x on its way into the inner loop
  int32_t a_padding = 0;  // what a padded pixel is there
  int32_t b_zero = 0;     // what stands for 0 in b; always 0 for Lanes::kS16
  std::vector<std::span<const std::byte>> arrays() const override {
    return {b.as_bytes(), bias.as_bytes(), scale.as_bytes()};
  }
};

template <typename B>  // float, or Half where the operator's weights are
struct PackedFloatMatrix final : PackedWeights {
  PanelSizes sizes;
  AlignedArray<B> b;
  AlignedArray<float> bias;
  float low = 0.F;
  float high = 0.F;
  std::vector<std::span<const std::byte>> arrays() const override {
    return {b.as_bytes(), bias.as_bytes()};
  }
};

// For inner loops that multiply in half precision. Each column of `b` is multiplied with a power of
// two that brings its largest weight between 1/2 and 1, so that products neither vanish because
// weights are small nor overflow because they are large.
struct PackedHalfMatrix final : PackedWeights {
  PanelSizes sizes;
  AlignedArray<Half> b;
  AlignedArray<float> bias;   // [group][panel][columns], as are the scales
  AlignedArray<float> scale;  // what a column's sums are multiplied with: that power's inverse
  float low = 0.F;
  float high = 0.F;
  std::vector<std::span<const std::byte>> arrays() const override {
    return {b.as_bytes(), bias.as_bytes(), scale.as_bytes()};
  }
};

// Bands are numbered [image][band]; `lines` and `rows` below are of output.
struct MatrixPlan final : Prepared {
  MatrixForm form;
  bool direct = false;  // the band is the input itself
  bool merged = false;  // windows are single pixels: a band is one line
  int64_t band_lines = 0;
  int64_t bands = 0;      // of one image
  int64_t images = 0;     // 1 when rows_are_input: its lines are single rows
  int64_t line_rows = 0;  // rows of a line
  int64_t step_h = 1;     // input lines and pixels that the band skips
  int64_t step_w = 1;
  int64_t pitch = 0;       // elements from one line of the band to the next
  int64_t row_stride = 0;  // elements from the window of one row to the next
  int64_t line_stride = 0;
  std::vector<int64_t> segments;  // where each begins in the window
  // Pieces of depth in which a panel is multiplied with a band: so many segments, or so much of one
  // segment. 0 where panels are small enough.
  int64_t segment_step = 0;
  int64_t depth_step = 0;
  int64_t band_bytes = 0;  // of scratch for each worker; 0 when direct
  int64_t sums_bytes = 0;  // behind it: a number for each row; then the sums of a panel
  int64_t wide_panel = 0;  // where in a worker's scratch a float16 panel is widened to
  int64_t worker_bytes = 0;
  int max_workers = 1;
};

// 8-bit activations (int8 or uint8) and weights (int8 or uint8, per tensor or per channel), int32
// bias: kConv2d and kFullyConnected.
bool accepts_quantized_matrix(const OpDesc& op);
// The same, with one zero point for all weights, or symmetric ones (what kU8S8 and kS8S8 need).
bool accepts_byte_matrix(const OpDesc& op);
// The same without -128 among the weights as int8: two products with int8 fit in int16 then.
bool accepts_narrow_byte_matrix(const OpDesc& op);
// float32 with constant weights: kConv2d and kFullyConnected, whose weights may be float16, kMatMul
// with a [K,N] right-hand side.
bool accepts_float_matrix(const OpDesc& op);

// What accepts_float_matrix takes, if all weights are finite.
bool accepts_half_matrix(const OpDesc& op);

double macs(const OpDesc& op);

template <typename B>
std::unique_ptr<PackedWeights> pack_quantized_matrix(const OpDesc& op, Tile tile, Lanes lanes,
                                                     StoredWeights* stored);
template <typename B>  // of the operator's weights
std::unique_ptr<PackedWeights> pack_float_matrix(const OpDesc& op, Tile tile,
                                                 StoredWeights* stored);
std::unique_ptr<PackedWeights> pack_half_matrix(const OpDesc& op, Tile tile, StoredWeights* stored);

// `element_bytes`: of one element in a band, and in a panel. `same_type`: the inner loop takes the
// input's elements as they are.
std::unique_ptr<Prepared> plan_matrix(const OpDesc& op, Tile tile, int64_t element_bytes,
                                      bool same_type);
// The same for a window that does not mix channels; panels are then blocks of channels.
std::unique_ptr<MatrixPlan> plan_channel_windows(const OpDesc& op, const Window2d& window,
                                                 int64_t element_bytes);
// Lines of the band under `lines` > 0 lines of output.
int64_t band_input_lines(const MatrixPlan& plan, int64_t lines);
// Whether an int8 or uint8 input enters `lanes` unchanged.
bool enters_unchanged(DType input, Lanes lanes);

}  // namespace inferd::kernels::generic

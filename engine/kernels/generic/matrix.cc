// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/matrix.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "engine/base/float16.h"
#include "engine/kernels/generic/quantized.h"
#include "engine/kernels/requantize.h"

namespace inferd::kernels::generic {
namespace {

// Most of a band: the second-level cache of a core among the boards in sight is 128 KiB
// (Cortex-A53, 512 KiB for four cores) to 512 KiB (Cortex-A76).
constexpr int64_t kBandBytes = 128 * 1024;
// Weights that do not fit there either come from further away once for each band: then larger bands
// cost less than more of them.
constexpr int64_t kLargeWeightBytes = 512 * 1024;
constexpr int64_t kLargeBandBytes = 512 * 1024;

int64_t band_bytes(const MatrixForm& form, int64_t element_bytes) {
  const bool large = form.depth * form.columns * element_bytes > kLargeWeightBytes;
  return large ? kLargeBandBytes : kBandBytes;
}

// Most of a panel that shares the first-level cache with rows of the band.
constexpr int64_t kPanelBytes = 24 * 1024;

// A window as segments of contiguous elements, in band order.
struct Segmentation {
  int64_t count = 1;
  int64_t depth = 0;
};
Segmentation segmentation(const MatrixForm& form) {
  if (form.rows_are_input) return {.count = 1, .depth = form.depth};
  const Window2d& w = form.window;
  const int64_t taps = w.dilation_w == 1 ? w.kernel_h : int64_t{w.kernel_h} * w.kernel_w;
  return {.count = taps, .depth = form.depth / taps};
}

PanelSizes panel_sizes(const MatrixForm& form, Tile tile) {
  const Segmentation segments = segmentation(form);
  return generic::panel_sizes(form.columns, segments.count, segments.depth, tile);
}

int64_t weight_index(const MatrixForm& form, int64_t column, int64_t k) {
  return form.weights_by_depth ? k * form.columns + column : column * form.depth + k;
}

// Calls f(column among all groups, padded column among all panels).
template <typename F>
void for_each_column(const MatrixForm& form, const PanelSizes& sizes, const F& f) {
  for (int64_t group = 0; group < form.groups; ++group) {
    for (int64_t c = 0; c < form.columns; ++c) {
      f(group * form.columns + c, group * sizes.padded_columns + c);
    }
  }
}

// Writes one column of weights into its panel: b[k] = value(k), `zero` where padded.
template <typename B, typename F>
void pack_column(const MatrixForm& form, const PanelSizes& sizes, Tile tile, int64_t padded_column,
                 B zero, B* b, const F& value) {
  const int64_t group = padded_column / sizes.padded_columns;
  const int64_t column = padded_column % sizes.padded_columns;
  const int64_t first = column / tile.columns * tile.columns;  // of the panel
  const int64_t width = std::min<int64_t>(tile.columns, sizes.padded_columns - first);
  B* panel = b + (group * sizes.padded_columns + first) * sizes.depth();
  const int64_t segment_depth = form.depth / sizes.segments;
  int64_t k = 0;
  for (int64_t segment = 0; segment < sizes.segments; ++segment) {
    B* out = panel + segment * sizes.segment_depth * width + (column - first) * tile.interleave;
    for (int64_t i = 0; i < sizes.segment_depth; ++i) {
      out[i / tile.interleave * width * tile.interleave + i % tile.interleave] =
          i < segment_depth ? value(k + i) : zero;
    }
    k += segment_depth;
  }
}

bool conv_shapes_fit(const OpDesc& op) {
  const auto& attrs = op.attrs_as<Conv2dAttrs>();
  const Shape& x = op.inputs[0].shape;
  const Shape& w = op.inputs[1].shape;
  return x.rank() == 4 && w.rank() == 4 && attrs.groups > 0 && w[0] % attrs.groups == 0 &&
         w[3] * attrs.groups == x[3] && w[1] == attrs.window.kernel_h &&
         w[2] == attrs.window.kernel_w;
}

bool shapes_fit(const OpDesc& op) {
  const Shape& x = op.inputs[0].shape;
  const Shape& w = op.inputs[1].shape;
  switch (op.kind) {
    case OpKind::kConv2d:
      return conv_shapes_fit(op);
    case OpKind::kFullyConnected:
      return x.rank() >= 1 && w.rank() == 2 && x.back() == w[1];
    case OpKind::kMatMul: {
      const auto& attrs = op.attrs_as<MatMulAttrs>();
      return !attrs.transpose_a && x.rank() >= 2 && w.rank() == 2 &&
             x.back() == w[attrs.transpose_b ? 1 : 0];
    }
    default:
      return false;
  }
}

}  // namespace

PanelSizes panel_sizes(int64_t columns, int64_t segments, int64_t segment_depth, Tile tile) {
  PanelSizes sizes;
  sizes.segments = segments;
  sizes.segment_depth = round_up(segment_depth, tile.depth_multiple);
  sizes.panels = (columns + tile.columns - 1) / tile.columns;
  const int64_t last = columns - (sizes.panels - 1) * tile.columns;
  sizes.padded_columns =
      (sizes.panels - 1) * tile.columns + (last <= tile.narrow ? tile.narrow : tile.columns);
  return sizes;
}

MatrixForm matrix_form(const OpDesc& op) {
  const Shape& x = op.inputs[0].shape;
  const Shape& w = op.inputs[1].shape;
  const Shape& y = op.outputs[0].shape;
  MatrixForm form;
  form.out_c = y.back();
  form.rows = y.elements(0, y.rank() - 1);
  form.columns = form.out_c;
  form.in_c = x.back();
  if (op.kind != OpKind::kConv2d) {
    form.depth = form.in_c;
    form.rows_are_input = true;
    form.weights_by_depth = op.kind == OpKind::kMatMul && !op.attrs_as<MatMulAttrs>().transpose_b;
    return form;
  }
  const auto& attrs = op.attrs_as<Conv2dAttrs>();
  const Window2d& window = attrs.window;
  form.window = window;
  form.in_h = x[1];
  form.in_w = x[2];
  form.out_h = y[1];
  form.out_w = y[2];
  form.groups = attrs.groups;
  form.columns = form.out_c / form.groups;
  form.depth = w[1] * w[2] * w[3];
  form.rows_are_input = form.groups == 1 && window.kernel_h == 1 && window.kernel_w == 1 &&
                        window.stride_h == 1 && window.stride_w == 1 && form.in_h == form.out_h &&
                        form.in_w == form.out_w && window.pad_top == 0 && window.pad_left == 0;
  return form;
}

bool accepts_quantized_matrix(const OpDesc& op) {
  return op.kind != OpKind::kMatMul && is_quantized_linear(op, op.outputs[0].shape.back()) &&
         shapes_fit(op);
}

bool accepts_byte_matrix(const OpDesc& op) {
  if (!accepts_quantized_matrix(op)) return false;
  const std::vector<int32_t>& zeros = op.inputs[1].quantization.zero_points;
  return std::all_of(zeros.begin(), zeros.end(), [&](int32_t zero) { return zero == zeros[0]; });
}

bool accepts_narrow_byte_matrix(const OpDesc& op) {
  if (!accepts_byte_matrix(op)) return false;
  if (op.packed_before) return true;
  const Operand& w = op.inputs[1];
  const int32_t lowest = w.dtype == DType::kUInt8 ? 0 : -128;
  if (w.quantization.zero_points[0] == lowest) return false;  // what pads panels
  const std::span<const std::byte> stored = w.constant<std::byte>();
  return std::find(stored.begin(), stored.end(), static_cast<std::byte>(lowest)) == stored.end();
}

bool accepts_float_matrix(const OpDesc& op) { return is_float_linear(op) && shapes_fit(op); }

bool accepts_half_matrix(const OpDesc& op) {
  if (!accepts_float_matrix(op)) return false;
  if (op.packed_before) return true;
  const FloatReader weights(op.inputs[1]);
  for (int64_t i = 0; i < op.inputs[1].elements(); ++i) {
    if (!std::isfinite(weights[i])) return false;
  }
  return true;
}

double macs(const OpDesc& op) {
  const Shape& w = op.inputs[1].shape;
  const Shape& y = op.outputs[0].shape;
  if (op.kind == OpKind::kDepthwiseConv2d) {
    return static_cast<double>(y.elements()) * static_cast<double>(w[0] * w[1]);
  }
  const int64_t out_c = y.rank() > 0 ? std::max<int64_t>(y.back(), 1) : 1;
  return static_cast<double>(y.elements()) * static_cast<double>(w.elements() / out_c);
}

template <typename B>
std::unique_ptr<PackedWeights> pack_quantized_matrix(const OpDesc& op, Tile tile, Lanes lanes,
                                                     StoredWeights* stored) {
  const MatrixForm form = matrix_form(op);
  const Operand& x = op.inputs[0];
  const Operand& w = op.inputs[1];
  const WeightReader weights(w);
  auto packed = std::make_unique<PackedQuantizedMatrix<B>>();
  packed->sizes = panel_sizes(form, tile);
  const auto columns = static_cast<size_t>(form.groups * packed->sizes.padded_columns);
  packed->b = AlignedArray<B>(columns * static_cast<size_t>(packed->sizes.depth()), stored);
  packed->bias = AlignedArray<int32_t>(columns, stored);
  packed->scale = AlignedArray<float>(columns, stored);
  packed->requant = requant_params(op);

  const int32_t zero = x.quantization.zero_point();
  if (lanes == Lanes::kS16) {
    packed->a_offset = zero;
  } else {
    packed->a_offset = byte_offset(x.dtype, lanes);
    packed->b_zero = w.quantization.zero_points[0] - (w.dtype == DType::kUInt8 ? 128 : 0);
  }
  packed->a_padding = zero - packed->a_offset;
  if (stored != nullptr) return packed;

  for_each_column(form, packed->sizes, [&](int64_t column, int64_t padded) {
    int64_t sum = 0;
    pack_column(form, packed->sizes, tile, padded, static_cast<B>(packed->b_zero), packed->b.data(),
                [&](int64_t k) {
                  const int32_t value = weights.at(weight_index(form, column, k), column);
                  sum += value;
                  return static_cast<B>(value + packed->b_zero);
                });
    const auto i = static_cast<size_t>(padded);
    packed->bias[i] = static_cast<int32_t>(bias_at(op, column) - packed->a_padding * sum);
    packed->scale[i] = requant_scale(op, column);
  });
  return packed;
}
template std::unique_ptr<PackedWeights> pack_quantized_matrix<int16_t>(const OpDesc&, Tile, Lanes,
                                                                       StoredWeights*);
template std::unique_ptr<PackedWeights> pack_quantized_matrix<int8_t>(const OpDesc&, Tile, Lanes,
                                                                      StoredWeights*);

template <typename B>
std::unique_ptr<PackedWeights> pack_float_matrix(const OpDesc& op, Tile tile,
                                                 StoredWeights* stored) {
  const MatrixForm form = matrix_form(op);
  const B* weights = op.inputs[1].constant<B>().data();
  auto packed = std::make_unique<PackedFloatMatrix<B>>();
  packed->sizes = panel_sizes(form, tile);
  const auto columns = static_cast<size_t>(form.groups * packed->sizes.padded_columns);
  packed->b = AlignedArray<B>(columns * static_cast<size_t>(packed->sizes.depth()), stored);
  packed->bias = AlignedArray<float>(columns, stored);
  const Activation activation = activation_of(op);
  packed->low = activation.min;
  packed->high = activation.max;
  if (stored != nullptr) return packed;
  for_each_column(form, packed->sizes, [&](int64_t column, int64_t padded) {
    pack_column(form, packed->sizes, tile, padded, B{0}, packed->b.data(),
                [&](int64_t k) { return weights[weight_index(form, column, k)]; });
    if (op.has_input(2)) {
      packed->bias[static_cast<size_t>(padded)] =
          op.inputs[2].constant<float>()[static_cast<size_t>(column)];
    }
  });
  return packed;
}

template std::unique_ptr<PackedWeights> pack_float_matrix<float>(const OpDesc&, Tile,
                                                                 StoredWeights*);
template std::unique_ptr<PackedWeights> pack_float_matrix<Half>(const OpDesc&, Tile,
                                                                StoredWeights*);

std::unique_ptr<PackedWeights> pack_half_matrix(const OpDesc& op, Tile tile,
                                                StoredWeights* stored) {
  const MatrixForm form = matrix_form(op);
  const FloatReader weights(op.inputs[1]);
  auto packed = std::make_unique<PackedHalfMatrix>();
  packed->sizes = panel_sizes(form, tile);
  const auto columns = static_cast<size_t>(form.groups * packed->sizes.padded_columns);
  packed->b = AlignedArray<Half>(columns * static_cast<size_t>(packed->sizes.depth()), stored);
  packed->bias = AlignedArray<float>(columns, stored);
  packed->scale = AlignedArray<float>(columns, stored);
  const Activation activation = activation_of(op);
  packed->low = activation.min;
  packed->high = activation.max;
  if (stored != nullptr) return packed;
  for_each_column(form, packed->sizes, [&](int64_t column, int64_t padded) {
    float largest = 0.F;
    for (int64_t k = 0; k < form.depth; ++k) {
      largest = std::max(largest, std::abs(weights[weight_index(form, column, k)]));
    }
    int exponent = 0;
    std::frexp(largest, &exponent);
    pack_column(form, packed->sizes, tile, padded, Half{0}, packed->b.data(), [&](int64_t k) {
      return float_to_half(std::ldexp(weights[weight_index(form, column, k)], -exponent));
    });
    const auto i = static_cast<size_t>(padded);
    packed->scale[i] = std::ldexp(1.F, exponent);
    if (op.has_input(2)) {
      packed->bias[i] = op.inputs[2].constant<float>()[static_cast<size_t>(column)];
    }
  });
  return packed;
}

bool enters_unchanged(DType input, Lanes lanes) {
  return (input == DType::kUInt8 && lanes == Lanes::kU8S8) ||
         (input == DType::kInt8 && lanes == Lanes::kS8S8);
}

namespace {

// The plan of single-pixel windows over every pixel: rows side by side.
void plan_rows(MatrixPlan* plan, Tile tile, int64_t element_bytes, bool same_type) {
  const MatrixForm& form = plan->form;
  plan->merged = true;
  plan->images = 1;
  plan->line_rows = 1;
  // Rows a multiple of 4 KiB apart compete for the same few lines of the first-level cache.
  const bool competing = form.depth * element_bytes % 4096 == 0 && form.rows > 1;
  const int64_t apart = competing ? 64 / element_bytes : 0;
  plan->row_stride = plan->pitch = form.depth + apart;
  plan->direct = same_type && !competing && form.depth % tile.depth_multiple == 0;
  plan->segments = {0};
  const int64_t row_bytes = std::max<int64_t>(form.depth * element_bytes, 1);
  const int64_t most =
      std::max<int64_t>(band_bytes(form, element_bytes) / row_bytes / tile.rows, 1) * tile.rows;
  const int64_t bands = (form.rows + most - 1) / most;
  if (bands == 0) return;
  plan->band_lines = round_up((form.rows + bands - 1) / bands, tile.rows);
  plan->bands = (form.rows + plan->band_lines - 1) / plan->band_lines;
}

void plan_windows(MatrixPlan* plan, int64_t element_bytes) {
  const MatrixForm& form = plan->form;
  const Window2d& w = form.window;
  const int64_t channels = form.in_c / form.groups;
  plan->merged = w.kernel_h == 1 && w.kernel_w == 1;
  plan->images = form.out_h * form.out_w == 0 ? 0 : form.rows / (form.out_h * form.out_w);
  plan->line_rows = form.out_w;
  // Single lines and pixels are copied without what lies between them.
  plan->step_h = w.kernel_h == 1 ? w.stride_h : 1;
  plan->step_w = w.kernel_w == 1 ? w.stride_w : 1;
  const int64_t stride_h = w.stride_h / plan->step_h;
  const int64_t stride_w = w.stride_w / plan->step_w;
  plan->pitch =
      ((form.out_w - 1) * stride_w + int64_t{w.kernel_w - 1} * w.dilation_w + 1) * channels;
  plan->row_stride = stride_w * channels;
  plan->line_stride = stride_h * plan->pitch;
  for (int64_t ky = 0; ky < w.kernel_h; ++ky) {
    const int64_t line = ky * w.dilation_h * plan->pitch;
    plan->segments.push_back(line);
    for (int64_t kx = 1; kx < w.kernel_w && w.dilation_w > 1; ++kx) {
      plan->segments.push_back(line + kx * w.dilation_w * channels);
    }
  }
  const int64_t line_bytes = std::max<int64_t>(plan->line_stride * element_bytes, 1);
  const int64_t most = std::max<int64_t>(band_bytes(form, element_bytes) / line_bytes, 1);
  plan->bands = (form.out_h + most - 1) / most;
  if (plan->bands == 0) return;
  plan->band_lines = (form.out_h + plan->bands - 1) / plan->bands;
  plan->bands = (form.out_h + plan->band_lines - 1) / plan->band_lines;
}

}  // namespace

int64_t band_input_lines(const MatrixPlan& plan, int64_t lines) {
  if (plan.form.rows_are_input) return lines;
  const Window2d& w = plan.form.window;
  return (lines - 1) * (w.stride_h / plan.step_h) + int64_t{w.kernel_h - 1} * w.dilation_h + 1;
}

namespace {

// `wide_bytes`: of the largest panel after widening; 0 where none is.
void plan_scratch(MatrixPlan* plan, Tile tile, int64_t element_bytes, int64_t wide_bytes = 0) {
  plan->max_workers = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1U));
  if (plan->bands == 0) return;
  if (!plan->direct) {
    // The last segment may be read up to its padded depth.
    const int64_t lines = std::min(plan->band_lines, plan->form.rows);
    plan->band_bytes = round_up(
        (band_input_lines(*plan, lines) * plan->pitch + tile.depth_multiple) * element_bytes, 64);
  }
  const int64_t rows = std::min(plan->band_lines * plan->line_rows, plan->form.rows);
  plan->sums_bytes = round_up(4 * rows, 64);
  plan->worker_bytes = plan->band_bytes + plan->sums_bytes;
  if (plan->depth_step > 0) plan->worker_bytes += 4 * rows * tile.columns;
  plan->wide_panel = round_up(plan->worker_bytes, 64);
  if (wide_bytes > 0) plan->worker_bytes = plan->wide_panel + wide_bytes;
  plan->scratch_bytes = plan->worker_bytes * plan->max_workers;
  plan->line_scratch_bytes = plan->worker_bytes;
}

}  // namespace

std::unique_ptr<MatrixPlan> plan_channel_windows(const OpDesc& op, const Window2d& window,
                                                 int64_t element_bytes) {
  const Shape& x = op.inputs[0].shape;
  const Shape& y = op.outputs[0].shape;
  auto plan = std::make_unique<MatrixPlan>();
  plan->form = {.in_h = x[1],
                .in_w = x[2],
                .in_c = x[3],
                .out_h = y[1],
                .out_w = y[2],
                .out_c = y[3],
                .rows = y[0] * y[1] * y[2],
                .columns = y[3],
                .window = window};
  plan_windows(plan.get(), element_bytes);
  plan_scratch(plan.get(), {.depth_multiple = 64}, element_bytes);  // whole blocks are readable
  return plan;
}

std::unique_ptr<Prepared> plan_matrix(const OpDesc& op, Tile tile, int64_t element_bytes,
                                      bool same_type) {
  auto plan = std::make_unique<MatrixPlan>();
  plan->form = matrix_form(op);
  if (plan->form.rows_are_input) {
    plan_rows(plan.get(), tile, element_bytes, same_type);
  } else {
    plan_windows(plan.get(), element_bytes);
  }
  const PanelSizes sizes = panel_sizes(plan->form, tile);
  const int64_t most = kPanelBytes / (tile.columns * element_bytes);  // of depth
  if (sizes.depth() > most) {
    plan->segment_step = std::max<int64_t>(most / std::max<int64_t>(sizes.segment_depth, 1), 1);
    plan->depth_step = std::max<int64_t>(most / tile.depth_multiple, 1) * tile.depth_multiple;
  }
  const bool widens = op.inputs[1].dtype == DType::kFloat16 && element_bytes == sizeof(float);
  const int64_t panel_bytes = round_up(4 * sizes.depth() * tile.columns, 64);
  plan_scratch(plan.get(), tile, element_bytes, widens ? panel_bytes : 0);
  return plan;
}

}  // namespace inferd::kernels::generic

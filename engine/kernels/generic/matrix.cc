// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/matrix.h"

#include <algorithm>
#include <thread>

#include "engine/kernels/generic/quantized.h"
#include "engine/kernels/requantize.h"

namespace inferd::kernels::generic {
namespace {

// Half of the smallest second-level cache per core among the boards in sight (Cortex-A53, 512 KiB
// for four cores).
constexpr int64_t kBlockBytes = 64 * 1024;

int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

int64_t weight_index(const MatrixForm& form, int64_t column, int64_t k) {
  return form.weights_by_depth ? k * form.columns + column : column * form.depth + k;
}

// Calls f(column among all groups, padded column among all panels).
template <typename F>
void for_each_column(const MatrixForm& form, int64_t panels, Tile tile, const F& f) {
  for (int64_t group = 0; group < form.groups; ++group) {
    for (int64_t c = 0; c < form.columns; ++c) {
      f(group * form.columns + c, group * panels * tile.columns + c);
    }
  }
}

// Writes one column of weights into its panel: b[k] = value(k).
template <typename B, typename F>
void pack_column(const MatrixForm& form, int64_t padded_depth, Tile tile, int64_t padded_column,
                 B* b, const F& value) {
  const int64_t panel = padded_column / tile.columns;
  const int64_t lane = padded_column % tile.columns;
  B* out = b + panel * padded_depth * tile.columns + lane * tile.interleave;
  for (int64_t k = 0; k < form.depth; ++k) {
    out[k / tile.interleave * tile.columns * tile.interleave + k % tile.interleave] = value(k);
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

bool accepts_symmetric_matrix(const OpDesc& op) {
  if (!accepts_quantized_matrix(op)) return false;
  const Operand& w = op.inputs[1];
  const int32_t middle = w.dtype == DType::kUInt8 ? 128 : 0;
  return std::all_of(w.quantization.zero_points.begin(), w.quantization.zero_points.end(),
                     [&](int32_t zero) { return zero == middle; });
}

bool accepts_float_matrix(const OpDesc& op) { return is_float_linear(op) && shapes_fit(op); }

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
std::unique_ptr<PackedWeights> pack_quantized_matrix(const OpDesc& op, Tile tile, Lanes lanes) {
  const MatrixForm form = matrix_form(op);
  const WeightReader weights(op.inputs[1]);
  const Operand& x = op.inputs[0];
  auto packed = std::make_unique<PackedQuantizedMatrix<B>>();
  packed->padded_depth = round_up(form.depth, tile.depth_multiple);
  packed->panels = (form.columns + tile.columns - 1) / tile.columns;
  const int64_t padded_columns = form.groups * packed->panels * tile.columns;
  packed->b = AlignedArray<B>(static_cast<size_t>(padded_columns * packed->padded_depth));
  packed->bias = AlignedArray<int32_t>(static_cast<size_t>(padded_columns));
  packed->scale = AlignedArray<float>(static_cast<size_t>(padded_columns));
  packed->requant = requant_params(op);

  const int32_t zero = x.quantization.zero_point();
  const bool unsigned_input = x.dtype == DType::kUInt8;
  switch (lanes) {
    case Lanes::kS16:
      packed->a_offset = zero;
      break;
    case Lanes::kU8S8:
      packed->a_offset = unsigned_input ? 0 : -128;
      break;
    case Lanes::kS8S8:
      packed->a_offset = unsigned_input ? 128 : 0;
      break;
  }
  packed->a_padding = zero - packed->a_offset;

  for_each_column(form, packed->panels, tile, [&](int64_t column, int64_t padded) {
    int64_t sum = 0;
    pack_column(form, packed->padded_depth, tile, padded, packed->b.data(), [&](int64_t k) {
      const int32_t w = weights.at(weight_index(form, column, k), column);
      sum += w;
      return static_cast<B>(w);
    });
    const auto i = static_cast<size_t>(padded);
    packed->bias[i] = static_cast<int32_t>(bias_at(op, column) - packed->a_padding * sum);
    packed->scale[i] = requant_scale(op, column);
  });
  return packed;
}
template std::unique_ptr<PackedWeights> pack_quantized_matrix<int16_t>(const OpDesc&, Tile, Lanes);
template std::unique_ptr<PackedWeights> pack_quantized_matrix<int8_t>(const OpDesc&, Tile, Lanes);

std::unique_ptr<PackedWeights> pack_float_matrix(const OpDesc& op, Tile tile) {
  const MatrixForm form = matrix_form(op);
  const float* weights = op.inputs[1].constant<float>().data();
  auto packed = std::make_unique<PackedFloatMatrix>();
  packed->padded_depth = round_up(form.depth, tile.depth_multiple);
  packed->panels = (form.columns + tile.columns - 1) / tile.columns;
  const int64_t padded_columns = form.groups * packed->panels * tile.columns;
  packed->b = AlignedArray<float>(static_cast<size_t>(padded_columns * packed->padded_depth));
  packed->bias = AlignedArray<float>(static_cast<size_t>(padded_columns));
  const Activation activation = activation_of(op);
  packed->low = activation.min;
  packed->high = activation.max;
  for_each_column(form, packed->panels, tile, [&](int64_t column, int64_t padded) {
    pack_column(form, packed->padded_depth, tile, padded, packed->b.data(),
                [&](int64_t k) { return weights[weight_index(form, column, k)]; });
    if (op.has_input(2)) {
      packed->bias[static_cast<size_t>(padded)] =
          op.inputs[2].constant<float>()[static_cast<size_t>(column)];
    }
  });
  return packed;
}

std::unique_ptr<Prepared> plan_matrix(const OpDesc& op, Tile tile, int64_t element_bytes,
                                      bool direct) {
  auto plan = std::make_unique<MatrixPlan>();
  plan->form = matrix_form(op);
  const int64_t rows = plan->form.rows;
  const int64_t row_bytes =
      std::max<int64_t>(round_up(plan->form.depth, tile.depth_multiple) * element_bytes, 1);
  const int64_t most = std::max<int64_t>(kBlockBytes / row_bytes / tile.rows, 1) * tile.rows;
  const int64_t blocks = (rows + most - 1) / most;
  plan->block_rows = blocks == 0 ? 0 : round_up((rows + blocks - 1) / blocks, tile.rows);
  plan->blocks = blocks == 0 ? 0 : (rows + plan->block_rows - 1) / plan->block_rows;
  plan->max_workers = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1U));
  if (!direct || !plan->form.rows_are_input) {
    plan->gather_bytes = round_up(std::min(plan->block_rows, rows) * row_bytes, 64);
    plan->scratch_bytes = static_cast<size_t>(plan->gather_bytes * plan->max_workers);
  }
  return plan;
}

}  // namespace inferd::kernels::generic

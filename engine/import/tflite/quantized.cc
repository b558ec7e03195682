// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cmath>

#include "engine/import/tflite/lower.h"

namespace inferd::import::tflite_lower {
namespace {

// A bias that was quantized with another scale than input * weights gives nonsense; the tolerance
// is that of TensorFlow Lite's kernels.
Status check_bias_scale(const ir::Value& x, const ir::Value& w, const ir::Value& bias,
                        const Quantization& y) {
  const Quantization& b = bias.quantization;
  if (x.quantization.empty() || w.quantization.empty() || b.empty() || y.empty())
    return ok_status();
  for (size_t i = 0; i < b.scales.size(); ++i) {
    const float weight_scale = w.quantization.scales[std::min(i, w.quantization.scales.size() - 1)];
    const float product = x.quantization.scale() * weight_scale;
    if (std::abs(product - b.scales[i]) / y.scale() > 0.02F) {
      return invalid_argument("bias '" + bias.name + "' has scale " + std::to_string(b.scales[i]) +
                              ", input scale times weight scale is " + std::to_string(product));
    }
  }
  return ok_status();
}

Status quantize(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  if (l.info(x).dtype == DType::kFloat32)
    return emit(l, node, OpKind::kQuantize, std::array{x}, {});
  return emit(l, node, OpKind::kRequantize, std::array{x}, RequantizeAttrs{Rounding::kFixedPoint});
}

Status dequantize(Lowering& l, const ForeignNode& node) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, 0));
  return emit(l, node, OpKind::kDequantize, std::array{x}, {});
}

const Row kRows[] = {
    {"", "DEQUANTIZE", dequantize},
    {"", "QUANTIZE", quantize},
};

}  // namespace

std::span<const Row> quantized_rows() { return kRows; }

Status in_float32(Lowering& l, const ForeignNode& node, Lowering::LowerNode lower) {
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (!l.has(node, i)) continue;
    INFERD_ASSIGN_OR_RETURN(ValueId x, l.input(node, i));
    if (!l.info(x).quantization.empty()) {
      INFERD_ASSIGN_OR_RETURN(x, l.builder().op(OpKind::kDequantize, {x}, {}, node.name,
                                                OutputSpec::typed("", DType::kFloat32)));
    }
    inputs.push_back(x);
  }
  ForeignGraph types;  // what the file says of the outputs, but for their type
  types.format = l.foreign().format;
  for (const std::string& name : node.outputs) {
    const ForeignTensor* const t = l.tensor(name);
    if (t == nullptr) continue;
    ForeignTensor real;
    real.shape = t->shape;
    real.shape_known = t->shape_known;
    types.tensors.emplace(name, std::move(real));
  }
  INFERD_ASSIGN_OR_RETURN(const auto made,
                          Lowering::run_node(types, lower, node, l.builder(), inputs));
  for (size_t i = 0; i < made.size(); ++i) {
    INFERD_ASSIGN_OR_RETURN(const ValueId y, l.builder().op(OpKind::kQuantize, {made[i]}, {},
                                                            node.name, spec(l, node, i)));
    INFERD_RETURN_IF_ERROR(l.set_output(node, i, y));
  }
  return ok_status();
}

Result<std::vector<ValueId>> weighted_inputs(Lowering& l, const ForeignNode& node, size_t x_at,
                                             size_t weights_at, size_t bias_at) {
  INFERD_ASSIGN_OR_RETURN(const ValueId x, l.input(node, x_at));
  INFERD_ASSIGN_OR_RETURN(ValueId w, l.input(node, weights_at));
  std::vector<ValueId> inputs = {x};
  const bool float_input = l.info(x).dtype == DType::kFloat32;
  if (float_input && l.info(w).dtype != DType::kFloat32) {
    INFERD_ASSIGN_OR_RETURN(w, l.builder().op(OpKind::kDequantize, {w}, {}, node.name + "/weights",
                                              OutputSpec::typed("", DType::kFloat32)));
  }
  inputs.push_back(w);
  if (l.has(node, bias_at)) {
    INFERD_ASSIGN_OR_RETURN(const ValueId bias, l.input(node, bias_at));
    if (!float_input) {
      INFERD_RETURN_IF_ERROR(
          check_bias_scale(l.info(x), l.info(w), l.info(bias), spec(l, node).quantization));
    }
    inputs.push_back(bias);
  }
  return inputs;
}

}  // namespace inferd::import::tflite_lower

// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/quantized.h"

#include "engine/kernels/requantize.h"

namespace inferd::kernels::generic {
namespace {

bool bias_fits(const OpDesc& op, DType dtype) {
  if (!op.has_input(2)) return true;
  const Operand& bias = op.inputs[2];
  return bias.is_constant() && bias.dtype == dtype && bias.elements() == op.outputs[0].shape.back();
}

}  // namespace

bool is_8bit(DType dtype) { return dtype == DType::kInt8 || dtype == DType::kUInt8; }

bool is_quantized(const Operand& x) {
  return is_8bit(x.dtype) && x.quantization.scales.size() == 1;
}

bool is_float(const Operand& x) { return x.dtype == DType::kFloat32; }

bool is_quantized_linear(const OpDesc& op, int64_t channels) {
  const Operand& x = op.inputs[0];
  const Operand& w = op.inputs[1];
  const Operand& y = op.outputs[0];
  const size_t scales = w.quantization.scales.size();
  const int channel_axis = op.kind == OpKind::kDepthwiseConv2d ? 2 : 0;
  return is_quantized(x) && is_quantized(y) && is_8bit(w.dtype) && w.is_constant() &&
         (scales == 1 ||
          (scales == static_cast<size_t>(channels) && w.quantization.axis == channel_axis)) &&
         bias_fits(op, DType::kInt32);
}

bool is_float_linear(const OpDesc& op) {
  const DType weights = op.inputs[1].dtype;
  const bool may_be_half = op.kind != OpKind::kMatMul;
  return op.inputs[0].dtype == DType::kFloat32 && op.inputs[1].is_constant() &&
         (weights == DType::kFloat32 || (may_be_half && weights == DType::kFloat16)) &&
         op.outputs[0].dtype == DType::kFloat32 && op.outputs[0].shape.rank() > 0 &&
         bias_fits(op, DType::kFloat32);
}

Activation activation_of(const OpDesc& op) {
  switch (op.kind) {
    case OpKind::kFullyConnected:
      return op.attrs_as<FullyConnectedAttrs>().activation;
    case OpKind::kMatMul:
      return op.attrs_as<MatMulAttrs>().activation;
    default:
      return op.attrs_as<Conv2dAttrs>().activation;
  }
}

RequantParams requant_params(const OpDesc& op) {
  const Operand& y = op.outputs[0];
  const int32_t zero = y.quantization.zero_point();
  const QuantRange range = activation_range(activation_of(op), y.dtype, y.quantization);
  return {.low = static_cast<float>(range.low - zero),
          .high = static_cast<float>(range.high - zero),
          .zero_point = zero};
}

float requant_scale(const OpDesc& op, int64_t channel) {
  const Quantization& w = op.inputs[1].quantization;
  const float weight_scale = w.scales[w.per_channel() ? static_cast<size_t>(channel) : 0];
  return op.inputs[0].quantization.scale() * weight_scale / op.outputs[0].quantization.scale();
}

int64_t bias_at(const OpDesc& op, int64_t channel) {
  return op.has_input(2) ? op.inputs[2].constant<int32_t>()[static_cast<size_t>(channel)] : 0;
}

WeightReader::WeightReader(const Operand& weights)
    : zero_points_(weights.quantization.zero_points) {
  if (weights.dtype == DType::kUInt8) {
    unsigned_ = weights.constant<uint8_t>().data();
  } else {
    signed_ = weights.constant<int8_t>().data();
  }
}

FloatReader::FloatReader(const Operand& weights) {
  if (weights.dtype == DType::kFloat16) {
    half_ = weights.constant<uint16_t>().data();
  } else {
    float_ = weights.constant<float>().data();
  }
}

}  // namespace inferd::kernels::generic

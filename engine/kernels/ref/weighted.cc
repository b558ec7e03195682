// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/ref/weighted.h"

namespace inferd::kernels::ref {

bool accepts_weighted(const OpDesc& op, int channel_axis) {
  const Operand& x = op.inputs[0];
  const Operand& w = op.inputs[1];
  const Operand& y = op.outputs[0];
  const bool has_bias = op.has_input(2);
  if (is_float(x)) {
    return (is_float(w) || w.dtype == DType::kFloat16) && is_float(y) &&
           (!has_bias || is_float(op.inputs[2]));
  }
  const Quantization& q = w.quantization;
  if (!is_8bit(w.dtype) || q.empty() || (q.per_channel() && q.axis != channel_axis)) return false;
  const bool narrow_bias = !has_bias || op.inputs[2].dtype == DType::kInt32;
  if (is_wide(x)) {
    return is_wide(y) && (narrow_bias || op.inputs[2].dtype == DType::kInt64);
  }
  return is_quantized(x) && is_quantized(y) && narrow_bias;
}

bool accepts_plain_int32(const OpDesc& op, const Activation& activation) {
  return is_plain_int32(op.inputs[0]) && is_plain_int32(op.inputs[1]) &&
         is_plain_int32(op.outputs[0]) && !op.has_input(2) && activation.none();
}

}  // namespace inferd::kernels::ref

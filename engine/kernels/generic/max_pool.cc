// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/max_pool.h"

#include "engine/kernels/requantize.h"

namespace inferd::kernels::generic {

bool accepts_max_pool(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  if (x.dtype != y.dtype || x.shape.rank() != 4 || y.shape.rank() != 4) return false;
  if (x.dtype == DType::kFloat32) return true;
  return (x.dtype == DType::kInt8 || x.dtype == DType::kUInt8) &&
         x.quantization.scales.size() == 1 && x.quantization == y.quantization;
}

MaxPoolParams max_pool_params(const OpDesc& op) {
  const auto& attrs = op.attrs_as<Pool2dAttrs>();
  const Operand& x = op.inputs[0];
  if (x.dtype == DType::kFloat32) {
    return {.window = attrs.window, .low = attrs.activation.min, .high = attrs.activation.max};
  }
  const QuantRange range = activation_range(attrs.activation, x.dtype, x.quantization);
  return {.window = attrs.window,
          .low = static_cast<float>(range.low),
          .high = static_cast<float>(range.high)};
}

}  // namespace inferd::kernels::generic

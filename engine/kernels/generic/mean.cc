// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/mean.h"

#include "engine/kernels/generic/quantized.h"

namespace inferd::kernels::generic {
bool accepts_mean(const OpDesc& op) {
  const auto& attrs = op.attrs_as<ReduceAttrs>();
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  if (attrs.kind != ReduceKind::kMean && attrs.kind != ReduceKind::kSum) return false;
  if (attrs.axes.empty() ||
      attrs.axes.back() - attrs.axes.front() + 1 != static_cast<int>(attrs.axes.size())) {
    return false;
  }
  return (x.dtype == DType::kFloat32 && y.dtype == DType::kFloat32) ||
         (is_quantized(x) && is_quantized(y));
}

std::unique_ptr<Prepared> plan_mean(const OpDesc& op, const PackedWeights*) {
  const auto& attrs = op.attrs_as<ReduceAttrs>();
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  auto plan = std::make_unique<MeanPlan>();
  plan->outer = x.shape.elements(0, attrs.axes.front());
  plan->count = x.shape.elements(attrs.axes.front(), attrs.axes.back() + 1);
  plan->inner = x.shape.elements(attrs.axes.back() + 1, x.shape.rank());
  const bool mean = attrs.kind == ReduceKind::kMean;
  if (x.dtype == DType::kFloat32) {
    plan->m = mean ? 1.F / static_cast<float>(plan->count) : 1.F;
    return plan;
  }
  const float divisor = mean ? static_cast<float>(std::max<int64_t>(plan->count, 1)) : 1.F;
  plan->m = x.quantization.scale() / (y.quantization.scale() * divisor);
  plan->x_zero = x.quantization.zero_point();
  plan->y_zero = y.quantization.zero_point();
  plan->range = type_range(y.dtype);
  return plan;
}

}  // namespace inferd::kernels::generic

// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/reduce.h"

#include "engine/kernels/generic/quantized.h"

namespace inferd::kernels::generic {

bool accepts_reduce(const OpDesc& op) {
  const auto& attrs = op.attrs_as<ReduceAttrs>();
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  if (attrs.kind >= ReduceKind::kProd || attrs.axes.empty() ||
      attrs.axes.back() - attrs.axes.front() + 1 != static_cast<int>(attrs.axes.size())) {
    return false;
  }
  return (is_float(x) && is_float(y)) || (is_quantized(x) && is_quantized(y) && x.elements() > 0);
}

std::unique_ptr<Prepared> plan_reduce(const OpDesc& op, const PackedWeights*) {
  const auto& attrs = op.attrs_as<ReduceAttrs>();
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  auto plan = std::make_unique<ReducePlan>();
  plan->kind = attrs.kind;
  plan->outer = x.shape.elements(0, attrs.axes.front());
  plan->count = x.shape.elements(attrs.axes.front(), attrs.axes.back() + 1);
  plan->inner = x.shape.elements(attrs.axes.back() + 1, x.shape.rank());
  const bool mean = attrs.kind == ReduceKind::kMean;
  if (is_float(x)) {
    plan->m = mean ? 1.F / static_cast<float>(plan->count) : 1.F;
    return plan;
  }
  const float divisor = mean ? static_cast<float>(plan->count) : 1.F;
  plan->m = x.quantization.scale() / (y.quantization.scale() * divisor);
  const bool sum = mean || attrs.kind == ReduceKind::kSum;
  plan->zeros = static_cast<int32_t>((sum ? plan->count : 1) * x.quantization.zero_point());
  plan->y_zero = y.quantization.zero_point();
  plan->range = type_range(y.dtype);
  return plan;
}

}  // namespace inferd::kernels::generic

// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/normalize.h"

#include <algorithm>

namespace inferd::kernels::generic {

bool accepts_normalize(const OpDesc& op) {
  const Shape& x = op.inputs[0].shape;
  const int axis = op.attrs_as<NormalizeAttrs>().axis;
  const Shape row(x.dims().subspan(static_cast<size_t>(axis)));
  const auto is_float = [](const Operand& o) { return o.dtype == DType::kFloat32; };
  return row.elements() > 0 && is_float(op.outputs[0]) &&
         std::all_of(op.inputs.begin(), op.inputs.end(), is_float) &&
         std::all_of(op.inputs.begin() + 1, op.inputs.end(),
                     [&](const Operand& parameter) { return parameter.shape == row; });
}

std::unique_ptr<Prepared> plan_normalize(const OpDesc& op, const PackedWeights*) {
  const auto& attrs = op.attrs_as<NormalizeAttrs>();
  const Shape& x = op.inputs[0].shape;
  auto plan = std::make_unique<NormalizePlan>();
  plan->kind = attrs.kind;
  plan->rows = x.elements(0, attrs.axis);
  plan->count = x.elements(attrs.axis, x.rank());
  plan->epsilon = attrs.epsilon;
  return plan;
}

}  // namespace inferd::kernels::generic

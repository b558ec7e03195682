// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/add.h"

#include <algorithm>
#include <cstdlib>

#include "engine/kernels/requantize.h"

namespace inferd::kernels::generic {
namespace {

AddParams params_of(const OpDesc& op) {
  return add_params(op.inputs[0].quantization.scale(), op.inputs[1].quantization.scale(),
                    op.outputs[0].quantization.scale(),
                    op.attrs_as<BinaryAttrs>().kind == BinaryKind::kSub);
}

}  // namespace

bool accepts_quantized_add(const OpDesc& op) {
  const auto& attrs = op.attrs_as<BinaryAttrs>();
  const BinaryKind kind = attrs.kind;
  const Operand& y = op.outputs[0];
  if (attrs.rounding != Rounding::kFixedPoint ||
      (kind != BinaryKind::kAdd && kind != BinaryKind::kSub) ||
      (y.dtype != DType::kInt8 && y.dtype != DType::kUInt8) || y.quantization.scales.size() != 1) {
    return false;
  }
  for (const Operand& x : op.inputs) {
    if (x.dtype != y.dtype || !(x.shape == y.shape) || x.quantization.scales.size() != 1) {
      return false;
    }
  }
  constexpr int32_t kMost = 1 << 21;
  const AddParams p = params_of(op);
  return std::max(std::abs(p.multiplier_a), std::abs(p.multiplier_b)) <= kMost;
}

std::unique_ptr<Prepared> plan_add(const OpDesc& op, const PackedWeights*) {
  const AddParams p = params_of(op);
  const Operand& y = op.outputs[0];
  const QuantRange range =
      activation_range(op.attrs_as<BinaryAttrs>().activation, y.dtype, y.quantization);
  const int64_t offset = (int64_t{1} << (p.shift - 1)) -
                         int64_t{op.inputs[0].quantization.zero_point()} * p.multiplier_a -
                         int64_t{op.inputs[1].quantization.zero_point()} * p.multiplier_b;
  auto plan = std::make_unique<AddPlan>();
  plan->multiplier_a = static_cast<uint32_t>(p.multiplier_a);
  plan->multiplier_b = static_cast<uint32_t>(p.multiplier_b);
  plan->offset = static_cast<uint32_t>(offset);
  plan->shift = p.shift;
  plan->zero_point = y.quantization.zero_point();
  plan->low = range.low;
  plan->high = range.high;
  return plan;
}

}  // namespace inferd::kernels::generic

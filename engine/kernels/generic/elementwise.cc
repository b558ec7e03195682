// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/elementwise.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "engine/kernels/candidates.h"
#include "engine/kernels/generic/quantized.h"

namespace inferd::kernels::generic {
namespace {

AddParams add_params_of(const OpDesc& op) {
  return add_params(op.inputs[0].quantization.scale(), op.inputs[1].quantization.scale(),
                    op.outputs[0].quantization.scale(),
                    op.attrs_as<BinaryAttrs>().kind == BinaryKind::kSub);
}

FixedAdd fixed_add(const OpDesc& op, QuantRange range) {
  const AddParams p = add_params_of(op);
  const int64_t offset = (int64_t{1} << (p.shift - 1)) -
                         int64_t{op.inputs[0].quantization.zero_point()} * p.multiplier_a -
                         int64_t{op.inputs[1].quantization.zero_point()} * p.multiplier_b;
  return {.multiplier_a = static_cast<uint32_t>(p.multiplier_a),
          .multiplier_b = static_cast<uint32_t>(p.multiplier_b),
          .offset = static_cast<uint32_t>(offset),
          .shift = p.shift,
          .zero_point = op.outputs[0].quantization.zero_point(),
          .low = range.low,
          .high = range.high};
}

// The dimension's stride of an operand broadcast to `to`, 0 where it repeats.
std::vector<int64_t> broadcast_strides(const Shape& from, const Shape& to) {
  std::vector<int64_t> strides(static_cast<size_t>(to.rank()), 0);
  int64_t step = 1;
  for (int i = from.rank() - 1; i >= 0; --i) {
    const int t = i + to.rank() - from.rank();
    if (from[i] != 1) strides[static_cast<size_t>(t)] = step;
    step *= from[i];
  }
  return strides;
}

}  // namespace

PairLoop pair_loop(const Shape& a, const Shape& b, const Shape& y) {
  const std::vector<int64_t> stride_a = broadcast_strides(a, y);
  const std::vector<int64_t> stride_b = broadcast_strides(b, y);
  PairLoop loop;
  // From the innermost dimension out: sizes and strides, neighbours merged.
  struct Dim {
    int64_t size, a, b;
  };
  std::vector<Dim> dims;
  for (auto i = static_cast<size_t>(y.rank()); i-- > 0;) {
    const int64_t size = y[static_cast<int>(i)];
    if (size == 1) continue;
    const Dim dim{size, stride_a[i], stride_b[i]};
    if (!dims.empty() && dim.a == dims.back().a * dims.back().size &&
        dim.b == dims.back().b * dims.back().size) {
      dims.back().size *= size;
    } else {
      dims.push_back(dim);
    }
  }
  if (dims.empty()) return loop;
  loop.run = dims[0].size;
  loop.step_a = dims[0].a != 0;
  loop.step_b = dims[0].b != 0;
  for (size_t i = dims.size(); i-- > 1;) {
    loop.dims.push_back(dims[i].size);
    loop.stride_a.push_back(dims[i].a);
    loop.stride_b.push_back(dims[i].b);
    loop.outer *= dims[i].size;
  }
  return loop;
}

bool accepts_quantized_binary(const OpDesc& op) {
  const auto& attrs = op.attrs_as<BinaryAttrs>();
  const Operand& y = op.outputs[0];
  if (!is_quantized(y)) return false;
  for (const Operand& x : op.inputs) {
    if (x.dtype != y.dtype || !is_quantized(x)) return false;
  }
  if (attrs.kind == BinaryKind::kMul) return true;
  if (attrs.kind != BinaryKind::kAdd && attrs.kind != BinaryKind::kSub) return false;
  if (attrs.rounding == Rounding::kFloat) return true;
  constexpr int32_t kMost = 1 << 21;
  const AddParams p = add_params_of(op);
  return std::max(std::abs(p.multiplier_a), std::abs(p.multiplier_b)) <= kMost;
}

bool accepts_float_binary(const OpDesc& op) {
  if (!is_float(op.inputs[0]) || !is_float(op.inputs[1]) || !is_float(op.outputs[0])) return false;
  switch (op.attrs_as<BinaryAttrs>().kind) {
    case BinaryKind::kAdd:
    case BinaryKind::kSub:
    case BinaryKind::kMul:
    case BinaryKind::kDiv:
    case BinaryKind::kMin:
    case BinaryKind::kMax:
      return true;
    default:
      return false;
  }
}

std::unique_ptr<Prepared> plan_binary(const OpDesc& op, const PackedWeights*) {
  const Operand& a = op.inputs[0];
  const Operand& b = op.inputs[1];
  const Operand& y = op.outputs[0];
  const auto& attrs = op.attrs_as<BinaryAttrs>();
  auto plan = std::make_unique<BinaryPlan>();
  plan->kind = attrs.kind;
  plan->rounding = attrs.rounding;
  plan->activation = attrs.activation;
  plan->loop = pair_loop(a.shape, b.shape, y.shape);
  if (is_float(y)) return plan;
  const QuantRange range = activation_range(attrs.activation, y.dtype, y.quantization);
  if (attrs.kind == BinaryKind::kMul) {
    const int32_t zero = y.quantization.zero_point();
    plan->multiply = {.zero_a = a.quantization.zero_point(),
                      .zero_b = b.quantization.zero_point(),
                      .zero_point = zero,
                      .m = a.quantization.scale() * b.quantization.scale() / y.quantization.scale(),
                      .low = static_cast<float>(range.low - zero),
                      .high = static_cast<float>(range.high - zero)};
  } else if (attrs.rounding == Rounding::kFloat) {
    plan->float_add = {.params = float_add_params(a.quantization, b.quantization, y.quantization,
                                                  attrs.kind == BinaryKind::kSub),
                       .low = static_cast<float>(range.low),
                       .high = static_cast<float>(range.high)};
  } else {
    plan->fixed_add = fixed_add(op, range);
  }
  return plan;
}

bool accepts_table(const OpDesc& op) {
  if (op.kind == OpKind::kLookup) {
    return is_8bit(op.inputs[0].dtype) && is_8bit(op.outputs[0].dtype) &&
           op.inputs[1].is_constant();
  }
  // Whatever else the reference computes of quantized numbers.
  return is_quantized(op.inputs[0]) && is_quantized(op.outputs[0]) && reference(op) != nullptr;
}

bool accepts_float_prelu(const OpDesc& op) {
  return is_float(op.inputs[0]) && is_float(op.inputs[1]) && is_float(op.outputs[0]);
}

std::unique_ptr<Prepared> plan_prelu(const OpDesc& op, const PackedWeights*) {
  auto plan = std::make_unique<BinaryPlan>();
  plan->loop = pair_loop(op.inputs[0].shape, op.inputs[1].shape, op.outputs[0].shape);
  return plan;
}

std::unique_ptr<Prepared> plan_table(const OpDesc& op, const PackedWeights*) {
  OpDesc every = op;
  every.inputs[0].shape = every.outputs[0].shape = {256};
  std::array<uint8_t, 256> bytes{};
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
  auto plan = std::make_unique<TablePlan>();
  const std::array<const std::byte*, 2> in = {reinterpret_cast<const std::byte*>(bytes.data()),
                                              op.has_input(1) ? op.inputs[1].data : nullptr};
  const std::array<std::byte*, 1> out = {reinterpret_cast<std::byte*>(plan->table.data())};
  run_reference(every, in, out);
  return plan;
}

bool accepts_float_unary(const OpDesc& op) {
  if (!is_float(op.inputs[0]) || !is_float(op.outputs[0])) return false;
  switch (op.attrs_as<UnaryAttrs>().kind) {
    case UnaryKind::kSigmoid:
    case UnaryKind::kTanh:
    case UnaryKind::kHardSwish:
    case UnaryKind::kHardSigmoid:
    case UnaryKind::kLeakyRelu:
    case UnaryKind::kSilu:
    case UnaryKind::kExp:
    case UnaryKind::kSqrt:
    case UnaryKind::kRsqrt:
    case UnaryKind::kSquare:
    case UnaryKind::kNeg:
    case UnaryKind::kAbs:
    case UnaryKind::kErf:
    case UnaryKind::kGelu:
    case UnaryKind::kGeluTanh:
      return true;
    default:
      return false;
  }
}

std::unique_ptr<Prepared> plan_unary(const OpDesc& op, const PackedWeights*) {
  auto plan = std::make_unique<UnaryPlan>();
  plan->attrs = op.attrs_as<UnaryAttrs>();
  return plan;
}

bool accepts_float_clamp(const OpDesc& op) {
  return is_float(op.inputs[0]) && is_float(op.outputs[0]);
}

std::unique_ptr<Prepared> plan_clamp(const OpDesc& op, const PackedWeights*) {
  auto plan = std::make_unique<ClampPlan>();
  plan->range = op.attrs_as<ClampAttrs>().range;
  return plan;
}

bool accepts_tensor_quantize(const OpDesc& op) {
  return is_float(op.inputs[0]) && is_quantized(op.outputs[0]);
}

bool accepts_tensor_dequantize(const OpDesc& op) {
  return is_quantized(op.inputs[0]) && is_float(op.outputs[0]);
}

}  // namespace inferd::kernels::generic

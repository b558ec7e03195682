// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/softmax.h"

#include <algorithm>
#include <cmath>

#include "engine/kernels/generic/quantized.h"
#include "engine/kernels/requantize.h"

namespace inferd::kernels::generic {
namespace {

int axis_of(const OpDesc& op) {
  const int axis = op.attrs_as<SoftmaxAttrs>().axis;
  return axis < 0 ? axis + op.inputs[0].shape.rank() : axis;
}

template <typename T, typename Out>
void run_typed(const RunArgs& args) {
  const auto& p = static_cast<const SoftmaxPlan&>(*args.prepared);
  const Operand& y = args.op.outputs[0];
  const float y_scale = y.quantization.scale();
  const int32_t zero = y.quantization.zero_point();
  const QuantRange range = type_range(y.dtype);
  const int64_t grain = std::max<int64_t>(4096 / std::max<int64_t>(p.count, 1), 1);
  args.parallel_for(p.outer * p.inner, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t start = i / p.inner * p.count * p.inner + i % p.inner;
      const T* const x = args.input<T>(0) + start;
      Out* const to = args.output<Out>(0) + start;
      T max = std::numeric_limits<T>::min();
      for (int64_t c = 0; c < p.count; ++c) max = std::max(max, x[c * p.inner]);
      float sum = 0.F;
      for (int64_t c = 0; c < p.count; ++c) sum += p.exponentials[max - x[c * p.inner]];
      const float inverse = 1.F / (sum * y_scale);
      for (int64_t c = 0; c < p.count; ++c) {
        const float share = p.exponentials[max - x[c * p.inner]] * inverse;
        const auto scaled = static_cast<int32_t>(std::min(1e6F, share + 0.5F));
        to[c * p.inner] = static_cast<Out>(std::clamp(scaled + zero, range.low, range.high));
      }
    }
  });
}

}  // namespace

bool accepts_float_softmax(const OpDesc& op) {
  return op.attrs_as<SoftmaxAttrs>().kind == SoftmaxKind::kSoftmax &&
         op.inputs[0].dtype == DType::kFloat32 && op.outputs[0].dtype == DType::kFloat32 &&
         axis_of(op) == op.inputs[0].shape.rank() - 1;
}

bool accepts_quantized_softmax(const OpDesc& op) {
  return op.attrs_as<SoftmaxAttrs>().kind == SoftmaxKind::kSoftmax && is_quantized(op.inputs[0]) &&
         is_quantized(op.outputs[0]);
}

std::unique_ptr<Prepared> plan_softmax(const OpDesc& op, const PackedWeights*) {
  const Operand& x = op.inputs[0];
  const int axis = axis_of(op);
  auto plan = std::make_unique<SoftmaxPlan>();
  plan->outer = x.shape.elements(0, axis);
  plan->count = x.shape[axis];
  plan->inner = x.shape.elements(axis + 1, x.shape.rank());
  plan->beta = op.attrs_as<SoftmaxAttrs>().beta;
  if (x.dtype == DType::kFloat32) return plan;
  const float scale = -x.quantization.scale() * plan->beta;
  for (int i = 0; i < 256; ++i) plan->exponentials[i] = std::exp(scale * static_cast<float>(i));
  return plan;
}

void run_quantized_softmax(const RunArgs& args) {
  const bool unsigned_out = args.op.outputs[0].dtype == DType::kUInt8;
  if (args.op.inputs[0].dtype == DType::kUInt8) {
    unsigned_out ? run_typed<uint8_t, uint8_t>(args) : run_typed<uint8_t, int8_t>(args);
  } else {
    unsigned_out ? run_typed<int8_t, uint8_t>(args) : run_typed<int8_t, int8_t>(args);
  }
}

}  // namespace inferd::kernels::generic

// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/pool.h"

#include <algorithm>

#include "engine/kernels/generic/quantized.h"

namespace inferd::kernels::generic {
namespace {

std::vector<PoolSpan> spans(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                            int64_t dilation, int64_t pad) {
  std::vector<PoolSpan> result;
  for (int64_t o = 0; o < out; ++o) {
    const int64_t start = o * stride - pad;
    const int64_t skipped = start < 0 ? (-start + dilation - 1) / dilation : 0;
    const int64_t inside = start < in ? (in - start + dilation - 1) / dilation : 0;
    const int64_t count = std::max<int64_t>(std::min(kernel, inside) - skipped, 0);
    result.push_back({count > 0 ? start + skipped * dilation : 0, count});
  }
  return result;
}

}  // namespace

bool accepts_max_pool(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  if (x.dtype != y.dtype) return false;
  return is_float(x) || (is_quantized(x) && x.quantization == y.quantization);
}

bool accepts_average_pool(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  return (is_float(x) && is_float(y)) || (is_quantized(x) && is_quantized(y));
}

std::unique_ptr<Prepared> plan_pool(const OpDesc& op, const PackedWeights*) {
  const auto& attrs = op.attrs_as<Pool2dAttrs>();
  const Window2d& w = attrs.window;
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  auto plan = std::make_unique<PoolPlan>();
  plan->images = x.shape[0];
  plan->in_h = x.shape[1];
  plan->in_w = x.shape[2];
  plan->out_h = y.shape[1];
  plan->out_w = y.shape[2];
  plan->channels = x.shape[3];
  plan->step_h = w.dilation_h;
  plan->step_w = w.dilation_w;
  plan->row_spans = spans(plan->in_h, plan->out_h, w.kernel_h, w.stride_h, w.dilation_h, w.pad_top);
  plan->column_spans =
      spans(plan->in_w, plan->out_w, w.kernel_w, w.stride_w, w.dilation_w, w.pad_left);
  const int64_t window = int64_t{w.kernel_h} * w.kernel_w;
  // Below so many elements read a wake-up of another thread costs more than it brings.
  const int64_t row = std::max<int64_t>(plan->out_w * plan->channels * window, 1);
  plan->grain = std::max<int64_t>(65536 / row, 1);
  plan->window = attrs.count_padding ? window : 0;
  plan->low = attrs.activation.min;
  plan->high = attrs.activation.max;
  if (is_float(x)) return plan;
  plan->range = activation_range(attrs.activation, y.dtype, y.quantization);
  plan->low = static_cast<float>(plan->range.low);
  plan->high = static_cast<float>(plan->range.high);
  plan->same = x.dtype == y.dtype && x.quantization == y.quantization && !attrs.count_padding;
  plan->x_scale = x.quantization.scale();
  plan->y_scale = y.quantization.scale();
  plan->x_zero = x.quantization.zero_point();
  plan->y_zero = y.quantization.zero_point();
  return plan;
}

}  // namespace inferd::kernels::generic

// SPDX-License-Identifier: Apache-2.0
#include "engine/kernels/generic/resize.h"

#include <algorithm>
#include <cmath>
#include <thread>

#include "engine/kernels/generic/copy_bytes.h"
#include "engine/kernels/generic/matrix.h"
#include "engine/kernels/resize_axis.h"

namespace inferd::kernels::generic {
namespace {

// Distances are multiplied by `step`.
std::vector<ResizeSample> samples(const ResizeAxis& axis, const ResizeAttrs& attrs, int64_t step) {
  std::vector<ResizeSample> result;
  for (int64_t i = 0; i < axis.out; ++i) {
    if (attrs.mode == ResizeMode::kNearest) {
      const int64_t at = axis.nearest(i, attrs.rounding) * step;
      result.push_back({.low = at, .high = at});
    } else {
      const Between at = between(axis, i);
      result.push_back({.low = at.low * step,
                        .high = at.high * step,
                        .weight = at.weight,
                        .fixed = static_cast<int32_t>(std::lrintf(at.weight * 2048.F))});
    }
  }
  return result;
}

bool keeps_type(const OpDesc& op) {
  return op.inputs[0].dtype == op.outputs[0].dtype &&
         op.inputs[0].quantization == op.outputs[0].quantization;
}

std::unique_ptr<ResizePlan> plan_resize(const OpDesc& op) {
  const auto& attrs = op.attrs_as<ResizeAttrs>();
  const Shape& x = op.inputs[0].shape;
  const Shape& y = op.outputs[0].shape;
  auto plan = std::make_unique<ResizePlan>();
  if (y.elements() == 0) return plan;
  plan->images = x[0];
  plan->channels = x[3];
  plan->in_picture = x[1] * x[2] * x[3];
  plan->rows = samples(resize_axis(op, 1, attrs.scale_h), attrs, x[2] * x[3]);
  plan->columns = samples(resize_axis(op, 2, attrs.scale_w), attrs, x[3]);
  plan->grain = std::max<int64_t>(8192 / (y[2] * y[3]), 1);
  return plan;
}

}  // namespace

bool accepts_nearest_resize(const OpDesc& op) {
  return op.attrs_as<ResizeAttrs>().mode == ResizeMode::kNearest && keeps_type(op);
}

bool accepts_linear_resize(const OpDesc& op) {
  const DType type = op.inputs[0].dtype;
  return op.attrs_as<ResizeAttrs>().mode == ResizeMode::kLinear && keeps_type(op) &&
         (type == DType::kFloat32 || type == DType::kInt8 || type == DType::kUInt8);
}

std::unique_ptr<Prepared> plan_nearest_resize(const OpDesc& op, const PackedWeights*) {
  return plan_resize(op);
}

std::unique_ptr<Prepared> plan_linear_resize(const OpDesc& op, const PackedWeights*) {
  auto plan = plan_resize(op);
  static_assert(sizeof(float) == sizeof(int32_t));
  plan->worker_bytes = round_up(
      2 * static_cast<int64_t>(plan->columns.size()) * plan->channels * int64_t{sizeof(float)}, 64);
  plan->max_workers = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1U));
  plan->scratch_bytes = plan->worker_bytes * plan->max_workers;
  return plan;
}

void run_nearest_resize(const RunArgs& args) {
  const auto& p = static_cast<const ResizePlan&>(*args.prepared);
  const auto width = static_cast<int64_t>(dtype_size(args.op.inputs[0].dtype));
  const auto out_h = static_cast<int64_t>(p.rows.size());
  const int64_t pixel = p.channels * width;
  const int64_t line = static_cast<int64_t>(p.columns.size()) * pixel;
  args.parallel_for(p.images * out_h, p.grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      std::byte* to = args.outputs[0] + i * line;
      const int64_t row = p.rows[static_cast<size_t>(i % out_h)].low;
      if (i > begin && i % out_h != 0 && row == p.rows[static_cast<size_t>(i % out_h - 1)].low) {
        std::memcpy(to, to - line, static_cast<size_t>(line));
        continue;
      }
      const std::byte* const from = args.inputs[0] + (i / out_h * p.in_picture + row) * width;
      for (const ResizeSample& column : p.columns) {
        copy_bytes(from + column.low * width, to, pixel);
        to += pixel;
      }
    }
  });
}

}  // namespace inferd::kernels::generic

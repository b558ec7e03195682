// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

// `count` elements, `step` apart, from `start` on.
struct Line {
  int64_t start, count, step;
  int64_t operator[](int64_t i) const { return start + i * step; }
};

template <typename F>
void for_lines(const OpDesc& op, F f) {
  const Shape& x = op.inputs[0].shape;
  const int given = op.attrs_as<SoftmaxAttrs>().axis;
  const int axis = given < 0 ? given + x.rank() : given;
  const int64_t inner = x.elements(axis + 1, x.rank());
  const int64_t outer = x.elements(0, axis);
  for (int64_t i = 0; i < outer * inner; ++i) {
    f(Line{i / inner * x[axis] * inner + i % inner, x[axis], inner});
  }
}

template <typename T>
void softmax_float(const T* x, T* y, const Line& line, const SoftmaxAttrs& attrs) {
  const auto beta = static_cast<T>(attrs.beta);
  T max = -std::numeric_limits<T>::infinity();
  for (int64_t i = 0; i < line.count; ++i) max = std::max(max, x[line[i]]);
  T sum = 0;
  if (attrs.kind == SoftmaxKind::kLogSoftmax) {
    for (int64_t i = 0; i < line.count; ++i) sum += std::exp((x[line[i]] - max) * beta);
    const T log_sum = std::log(sum);
    for (int64_t i = 0; i < line.count; ++i) y[line[i]] = (x[line[i]] - max) * beta - log_sum;
    return;
  }
  for (int64_t i = 0; i < line.count; ++i) sum += y[line[i]] = std::exp((x[line[i]] - max) * beta);
  for (int64_t i = 0; i < line.count; ++i) y[line[i]] /= sum;
}

template <typename T>
void hardmax(const T* x, T* y, const Line& line) {
  int64_t best = 0;
  for (int64_t i = 1; i < line.count; ++i) {
    if (x[line[i]] > x[line[best]]) best = i;
  }
  for (int64_t i = 0; i < line.count; ++i) y[line[i]] = static_cast<T>(i == best ? 1 : 0);
}

// TFLite's rules: a table of exp(-scale * beta * distance from the maximum), binary32 sums, and
// rounding half up; for the logarithm, rounding half to even.
class QuantizedSoftmax {
 public:
  explicit QuantizedSoftmax(const RunArgs& args)
      : args_(args),
        x_(args.op.inputs[0]),
        y_(args.op.outputs[0]),
        range_(type_range(y_.dtype)),
        step_(x_.quantization.scale() * args.op.attrs_as<SoftmaxAttrs>().beta) {
    for (size_t i = 0; i < table_.size(); ++i) table_[i] = std::exp(-step_ * static_cast<float>(i));
  }

  void operator()(const Line& line) const {
    int32_t max = INT32_MIN;
    for (int64_t i = 0; i < line.count; ++i) max = std::max(max, load(line[i]));
    const auto exponential = [&](int64_t i) {
      return table_[static_cast<size_t>(max - load(line[i]))];
    };
    float sum = 0;
    for (int64_t i = 0; i < line.count; ++i) sum += exponential(i);
    const float scale = y_.quantization.scale();
    if (args_.op.attrs_as<SoftmaxAttrs>().kind == SoftmaxKind::kLogSoftmax) {
      const float factor = step_ / scale;
      const float offset = (step_ * static_cast<float>(max) + std::log(sum)) / scale;
      for (int64_t i = 0; i < line.count; ++i) {
        const float stored = factor * static_cast<float>(load(line[i])) - offset;
        store(line[i], convert<int32_t>(std::max(std::nearbyint(stored), -1e6F)));
      }
      return;
    }
    const float inverse = 1.F / (sum * scale);
    for (int64_t i = 0; i < line.count; ++i) {
      // Absurd scales make NaN of it, which std::min() gives up for its first argument.
      store(line[i], static_cast<int32_t>(std::min(1e6F, exponential(i) * inverse + 0.5F)));
    }
  }

 private:
  int32_t load(int64_t i) const { return load8(args_.inputs[0], i, x_.dtype); }
  void store(int64_t i, int32_t value) const {
    store8(args_.outputs[0], i,
           std::clamp(value + y_.quantization.zero_point(), range_.low, range_.high));
  }

  const RunArgs& args_;
  const Operand& x_;
  const Operand& y_;
  const QuantRange range_;
  const float step_;
  std::array<float, 256> table_{};
};

}  // namespace

bool accepts_softmax(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  const bool hard = op.attrs_as<SoftmaxAttrs>().kind == SoftmaxKind::kHardmax;
  if (is_quantized(x)) return is_quantized(y) && !hard;
  if (x.dtype != y.dtype || x.dtype == DType::kFloat16) return false;
  return hard || x.dtype == DType::kFloat32 || x.dtype == DType::kFloat64;
}

void run_softmax(const RunArgs& args) {
  const Operand& x = args.op.inputs[0];
  const auto& attrs = args.op.attrs_as<SoftmaxAttrs>();
  if (is_quantized(x)) return for_lines(args.op, QuantizedSoftmax(args));
  with_type(x.dtype, [&](auto type) {
    using T = decltype(type);
    for_lines(args.op, [&](const Line& line) {
      if (attrs.kind == SoftmaxKind::kHardmax) {
        hardmax(args.input<T>(0), args.output<T>(0), line);
      } else if constexpr (std::is_floating_point_v<T>) {
        softmax_float(args.input<T>(0), args.output<T>(0), line, attrs);
      }
    });
  });
}

}  // namespace inferd::kernels::ref

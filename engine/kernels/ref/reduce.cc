// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

// Walks the input once; f(input offset, output offset). The output's strides are 0 along reduced
// axes.
template <typename F>
void for_reduced(const OpDesc& op, F f) {
  const Shape& x = op.inputs[0].shape;
  const auto& axes = op.attrs_as<ReduceAttrs>().axes;
  Index out_strides{};
  int64_t step = 1;
  for (int d = x.rank() - 1; d >= 0; --d) {
    if (std::find(axes.begin(), axes.end(), d) != axes.end()) continue;
    out_strides[static_cast<size_t>(d)] = step;
    step *= x[d];
  }
  const std::array<Index, 1> strides = {out_strides};
  Index index{};
  std::array<int64_t, 1> offset{};
  const int64_t count = x.elements();
  for (int64_t i = 0; i < count; ++i) {
    f(i, offset[0]);
    advance(x, index, offset, strides);
  }
}

template <typename T>
T start_of(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::kMax:
      return std::numeric_limits<T>::lowest();
    case ReduceKind::kMin:
      return std::numeric_limits<T>::max();
    case ReduceKind::kProd:
      return 1;
    default:
      return 0;
  }
}

template <typename T>
T combine(ReduceKind kind, T a, T b) {
  switch (kind) {
    case ReduceKind::kMax:
      return std::max(a, b);
    case ReduceKind::kMin:
      return std::min(a, b);
    case ReduceKind::kProd:
      return a * b;
    default:
      return a + b;
  }
}

int64_t reduced_count(const OpDesc& op) {
  int64_t count = 1;
  for (int axis : op.attrs_as<ReduceAttrs>().axes) count *= op.inputs[0].shape[axis];
  return count;
}

void reduce_float(const RunArgs& args) {
  const ReduceKind kind = args.op.attrs_as<ReduceAttrs>().kind;
  float* y = args.output<float>(0);
  const int64_t outputs = args.op.outputs[0].elements();
  std::fill_n(y, outputs,
              kind == ReduceKind::kMax   ? -kInf
              : kind == ReduceKind::kMin ? kInf
                                         : start_of<float>(kind));
  for_reduced(args.op,
              [&](int64_t i, int64_t o) { y[o] = combine(kind, y[o], args.input<float>(0)[i]); });
  if (kind != ReduceKind::kMean) return;
  const auto count = static_cast<float>(reduced_count(args.op));
  for (int64_t o = 0; o < outputs; ++o) y[o] /= count;
}

template <typename Int>
void reduce_int(const RunArgs& args) {
  const ReduceKind kind = args.op.attrs_as<ReduceAttrs>().kind;
  // Sums and products wrap around.
  using U = std::make_unsigned_t<Int>;
  Int* y = args.output<Int>(0);
  std::fill_n(y, args.op.outputs[0].elements(), start_of<Int>(kind));
  for_reduced(args.op, [&](int64_t i, int64_t o) {
    const Int x = args.input<Int>(0)[i];
    const bool ordered = kind == ReduceKind::kMax || kind == ReduceKind::kMin;
    y[o] = ordered ? combine(kind, y[o], x)
                   : static_cast<Int>(combine(kind, static_cast<U>(y[o]), static_cast<U>(x)));
  });
}

void reduce_quantized(const RunArgs& args) {
  const Operand& x = args.op.inputs[0];
  const Operand& y = args.op.outputs[0];
  const auto& attrs = args.op.attrs_as<ReduceAttrs>();
  const QuantRange range = type_range(y.dtype);
  const int64_t count = reduced_count(args.op);
  const bool mean = attrs.kind == ReduceKind::kMean;
  const float divisor = mean ? static_cast<float>(std::max<int64_t>(count, 1)) : 1.F;
  const float m = x.quantization.scale() / (y.quantization.scale() * divisor);
  const Index strides = strides_of(x.shape);
  Shape kept;
  Shape reduced;
  Index kept_strides{};
  Index reduced_strides{};
  for (int d = 0; d < x.shape.rank(); ++d) {
    const bool is_reduced = std::find(attrs.axes.begin(), attrs.axes.end(), d) != attrs.axes.end();
    Shape& shape = is_reduced ? reduced : kept;
    (is_reduced ? reduced_strides : kept_strides)[static_cast<size_t>(shape.rank())] =
        strides[static_cast<size_t>(d)];
    shape.push_back(x.shape[d]);
  }
  Index outer{};
  std::array<int64_t, 1> base{};
  const int64_t outputs = kept.elements();
  for (int64_t o = 0; o < outputs; ++o) {
    const bool ordered = attrs.kind == ReduceKind::kMax || attrs.kind == ReduceKind::kMin;
    int32_t acc = ordered ? start_of<int32_t>(attrs.kind) : 0;
    Index inner{};
    std::array<int64_t, 1> at = base;
    for (int64_t i = 0; i < count; ++i) {
      const int32_t value = load8(args.inputs[0], at[0], x.dtype) - x.quantization.zero_point();
      acc = ordered ? combine(attrs.kind, acc, value) : acc + value;
      advance(reduced, inner, at, {reduced_strides});
    }
    store8(args.outputs[0], o,
           requantize(static_cast<float>(acc) * m, y.quantization.zero_point(), range));
    advance(kept, outer, base, {kept_strides});
  }
}

template <typename Load>
void arg_max(const RunArgs& args, Load load) {
  const Shape& x = args.op.inputs[0].shape;
  const int axis = args.op.attrs_as<ArgMaxAttrs>().axis;
  const int64_t inner = x.elements(axis + 1, x.rank());
  const int64_t outer = x.elements(0, axis);
  for (int64_t i = 0; i < outer * inner; ++i) {
    const int64_t start = i / inner * x[axis] * inner + i % inner;
    int64_t best = 0;
    for (int64_t j = 1; j < x[axis]; ++j) {
      if (load(start + j * inner) > load(start + best * inner)) best = j;
    }
    if (args.op.outputs[0].dtype == DType::kInt64) {
      args.output<int64_t>(0)[i] = best;
    } else {
      args.output<int32_t>(0)[i] = static_cast<int32_t>(best);
    }
  }
}

void softmax_float(const float* x, float* y, int64_t count, int64_t step, float beta) {
  float max = -kInf;
  for (int64_t i = 0; i < count; ++i) max = std::max(max, x[i * step]);
  float sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += y[i * step] = std::exp((x[i * step] - max) * beta);
  for (int64_t i = 0; i < count; ++i) y[i * step] /= sum;
}

// TFLite's rule: a table of exp(-scale * beta * distance from the maximum), binary32 sums, and
// rounding half up.
void softmax_quantized(const RunArgs& args, int64_t start, int64_t count, int64_t step,
                       const std::array<float, 256>& table) {
  const Operand& x = args.op.inputs[0];
  const Operand& y = args.op.outputs[0];
  int32_t max = INT32_MIN;
  for (int64_t i = 0; i < count; ++i)
    max = std::max(max, load8(args.inputs[0], start + i * step, x.dtype));
  const auto exponential = [&](int64_t i) {
    return table[static_cast<size_t>(max - load8(args.inputs[0], start + i * step, x.dtype))];
  };
  float sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += exponential(i);
  const float inverse = 1.F / (sum * y.quantization.scale());
  const QuantRange range = type_range(y.dtype);
  for (int64_t i = 0; i < count; ++i) {
    const auto scaled = static_cast<int32_t>(std::min(exponential(i) * inverse + 0.5F, 1e6F));
    store8(args.outputs[0], start + i * step,
           std::clamp(scaled + y.quantization.zero_point(), range.low, range.high));
  }
}

}  // namespace

bool accepts_reduce(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  const ReduceKind kind = op.attrs_as<ReduceAttrs>().kind;
  if (is_float(x)) return is_float(y);
  if (x.dtype == DType::kInt32 || x.dtype == DType::kInt64) {
    return y.dtype == x.dtype && kind != ReduceKind::kMean;
  }
  return is_quantized(x) && is_quantized(y) && kind != ReduceKind::kProd;
}

void run_reduce(const RunArgs& args) {
  switch (args.op.inputs[0].dtype) {
    case DType::kFloat32:
      return reduce_float(args);
    case DType::kInt32:
      return reduce_int<int32_t>(args);
    case DType::kInt64:
      return reduce_int<int64_t>(args);
    default:
      return reduce_quantized(args);
  }
}

bool accepts_arg_max(const OpDesc& op) {
  const DType x = op.inputs[0].dtype;
  return x == DType::kFloat32 || x == DType::kInt32 || is_8bit(x);
}

void run_arg_max(const RunArgs& args) {
  const DType type = args.op.inputs[0].dtype;
  if (type == DType::kFloat32)
    return arg_max(args, [&](int64_t i) { return args.input<float>(0)[i]; });
  if (type == DType::kInt32)
    return arg_max(args, [&](int64_t i) { return args.input<int32_t>(0)[i]; });
  arg_max(args, [&](int64_t i) { return load8(args.inputs[0], i, type); });
}

bool accepts_softmax(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  return (is_float(x) && is_float(y)) || (is_quantized(x) && is_quantized(y));
}

void run_softmax(const RunArgs& args) {
  const Operand& x = args.op.inputs[0];
  const auto& attrs = args.op.attrs_as<SoftmaxAttrs>();
  const int axis = attrs.axis < 0 ? attrs.axis + x.shape.rank() : attrs.axis;
  const int64_t count = x.shape[axis];
  const int64_t inner = x.shape.elements(axis + 1, x.shape.rank());
  const int64_t outer = x.shape.elements(0, axis);
  std::array<float, 256> table{};
  if (!is_float(x)) {
    const float scale = -x.quantization.scale() * attrs.beta;
    for (size_t i = 0; i < table.size(); ++i) table[i] = std::exp(scale * static_cast<float>(i));
  }
  for (int64_t i = 0; i < outer * inner; ++i) {
    const int64_t start = i / inner * count * inner + i % inner;
    if (is_float(x)) {
      softmax_float(args.input<float>(0) + start, args.output<float>(0) + start, count, inner,
                    attrs.beta);
    } else {
      softmax_quantized(args, start, count, inner, table);
    }
  }
}

}  // namespace inferd::kernels::ref

// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

// What one output element is made of, in the order of the input.
struct ReducedSet {
  const Shape& shape;  // the reduced dimensions
  const Index& strides;
  int64_t base;  // offset of the first element

  // f(offset)
  template <typename F>
  void each(F f) const {
    Index index{};
    std::array<int64_t, 1> at = {base};
    const int64_t count = shape.elements();
    for (int64_t i = 0; i < count; ++i) {
      f(at[0]);
      advance(shape, index, at, {strides});
    }
  }
};

// f(index of the output, ReducedSet)
template <typename F>
void for_outputs(const OpDesc& op, F f) {
  const Shape& x = op.inputs[0].shape;
  const auto& axes = op.attrs_as<ReduceAttrs>().axes;
  const Index strides = strides_of(x);
  Shape kept;
  Shape reduced;
  Index kept_strides{};
  Index reduced_strides{};
  for (int d = 0; d < x.rank(); ++d) {
    const bool is_reduced = std::find(axes.begin(), axes.end(), d) != axes.end();
    Shape& shape = is_reduced ? reduced : kept;
    (is_reduced ? reduced_strides : kept_strides)[static_cast<size_t>(shape.rank())] =
        strides[static_cast<size_t>(d)];
    shape.push_back(x[d]);
  }
  Index index{};
  std::array<int64_t, 1> base{};
  const int64_t outputs = kept.elements();
  for (int64_t o = 0; o < outputs; ++o) {
    f(o, ReducedSet{reduced, reduced_strides, base[0]});
    advance(kept, index, base, {kept_strides});
  }
}

template <typename T>
T least_of(DType dtype) {
  if (dtype == DType::kBool) return 0;
  return std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity()
                                     : std::numeric_limits<T>::lowest();
}
template <typename T>
T greatest_of(DType dtype) {
  if (dtype == DType::kBool) return 1;
  return std::is_floating_point_v<T> ? std::numeric_limits<T>::infinity()
                                     : std::numeric_limits<T>::max();
}

// Sums of integers wrap around in 64 bits, and then in their own.
template <typename T>
using Sum = std::conditional_t<std::is_floating_point_v<T>, T,
                               std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;

// What is no number counts in neither maximum nor minimum.
template <typename T>
T extreme(const ReducedSet& set, const T* x, bool largest, T start) {
  set.each([&](int64_t i) { start = largest ? std::max(start, x[i]) : std::min(start, x[i]); });
  return start;
}

template <typename T, typename F>
Sum<T> sum_of(const ReducedSet& set, F term) {
  Sum<T> sum = 0;
  set.each([&](int64_t i) { sum += term(i); });
  return sum;
}

template <typename T>
T log_sum_exp(const ReducedSet& set, const T* x) {
  // Integers are computed in float64.
  using Real = std::conditional_t<std::is_floating_point_v<T>, T, double>;
  const auto max = static_cast<Real>(extreme(set, x, true, std::numeric_limits<T>::lowest()));
  // Infinities need no shift, and would give infinity - infinity.
  const Real shift = std::isfinite(max) ? max : 0;
  Real sum = 0;
  set.each([&](int64_t i) { sum += std::exp(static_cast<Real>(x[i]) - shift); });
  return convert<T>(std::log(sum) + shift);
}

// f(x), rounded towards zero for integers.
template <typename T, typename F>
T real_function(Sum<T> x, F f) {
  if constexpr (std::is_floating_point_v<T>) {
    return f(x);
  } else {
    return convert<T>(f(static_cast<double>(x)));
  }
}

template <typename T>
T reduce_set(ReduceKind kind, const ReducedSet& set, const T* x, DType dtype) {
  const auto value = [&](int64_t i) { return static_cast<Sum<T>>(x[i]); };
  const auto square = [&](int64_t i) { return value(i) * value(i); };
  switch (kind) {
    case ReduceKind::kMean: {
      const auto count = static_cast<Sum<T>>(set.shape.elements());
      if (std::is_integral_v<T> && count == 0) return 0;
      return static_cast<T>(sum_of<T>(set, value) / count);
    }
    case ReduceKind::kSum:
      return static_cast<T>(sum_of<T>(set, value));
    case ReduceKind::kMax:
      return extreme(set, x, true, least_of<T>(dtype));
    case ReduceKind::kMin:
      return extreme(set, x, false, greatest_of<T>(dtype));
    case ReduceKind::kProd: {
      Sum<T> product = 1;
      set.each([&](int64_t i) { product *= value(i); });
      return static_cast<T>(product);
    }
    case ReduceKind::kL1:
      return static_cast<T>(sum_of<T>(set, [&](int64_t i) {
        // Not std::abs, which unsigned types do not have; -0.0 becomes 0.0 in the sum.
        return x[i] < 0 ? -value(i) : value(i);
      }));
    case ReduceKind::kL2:
      return real_function<T>(sum_of<T>(set, square), [](auto sum) { return std::sqrt(sum); });
    case ReduceKind::kSumSquare:
      return static_cast<T>(sum_of<T>(set, square));
    case ReduceKind::kLogSum:
      return real_function<T>(sum_of<T>(set, value), [](auto sum) { return std::log(sum); });
    case ReduceKind::kLogSumExp:
      return log_sum_exp(set, x);
  }
  return 0;
}

template <typename T>
void reduce_plain(const RunArgs& args) {
  const ReduceKind kind = args.op.attrs_as<ReduceAttrs>().kind;
  for_outputs(args.op, [&](int64_t o, const ReducedSet& set) {
    args.output<T>(0)[o] = reduce_set(kind, set, args.input<T>(0), args.op.inputs[0].dtype);
  });
}

void reduce_quantized(const RunArgs& args) {
  const Operand& x = args.op.inputs[0];
  const Operand& y = args.op.outputs[0];
  const ReduceKind kind = args.op.attrs_as<ReduceAttrs>().kind;
  const QuantRange range = type_range(y.dtype);
  for_outputs(args.op, [&](int64_t o, const ReducedSet& set) {
    const bool mean = kind == ReduceKind::kMean;
    const float divisor =
        mean ? static_cast<float>(std::max<int64_t>(set.shape.elements(), 1)) : 1.F;
    const float m = x.quantization.scale() / (y.quantization.scale() * divisor);
    int32_t acc = kind == ReduceKind::kMax   ? std::numeric_limits<int32_t>::lowest()
                  : kind == ReduceKind::kMin ? std::numeric_limits<int32_t>::max()
                                             : 0;
    set.each([&](int64_t i) {
      const int32_t value = load8(args.inputs[0], i, x.dtype) - x.quantization.zero_point();
      acc = kind == ReduceKind::kMax   ? std::max(acc, value)
            : kind == ReduceKind::kMin ? std::min(acc, value)
                                       : acc + value;
    });
    store8(args.outputs[0], o,
           requantize(static_cast<float>(acc) * m, y.quantization.zero_point(), range));
  });
}

template <typename T>
void arg_max(const RunArgs& args) {
  const Shape& x = args.op.inputs[0].shape;
  const auto& attrs = args.op.attrs_as<ArgMaxAttrs>();
  const T* const data = args.input<T>(0);
  const int64_t count = x[attrs.axis];
  const int64_t inner = x.elements(attrs.axis + 1, x.rank());
  const int64_t outer = x.elements(0, attrs.axis);
  for (int64_t i = 0; i < outer * inner; ++i) {
    const int64_t start = i / inner * count * inner + i % inner;
    int64_t best = 0;
    for (int64_t j = 1; j < count; ++j) {
      const T value = data[start + j * inner];
      const T most = data[start + best * inner];
      if (attrs.smallest ? value < most : value > most) best = j;
      if (attrs.last && value == most) best = j;
    }
    if (args.op.outputs[0].dtype == DType::kInt64) {
      args.output<int64_t>(0)[i] = best;
    } else {
      args.output<int32_t>(0)[i] = static_cast<int32_t>(best);
    }
  }
}

template <typename T>
void cum_sum(const RunArgs& args) {
  const Shape& x = args.op.inputs[0].shape;
  const auto& attrs = args.op.attrs_as<CumSumAttrs>();
  const int64_t count = x[attrs.axis];
  const int64_t inner = x.elements(attrs.axis + 1, x.rank());
  const int64_t outer = x.elements(0, attrs.axis);
  for (int64_t i = 0; i < outer * inner; ++i) {
    const int64_t start = i / inner * count * inner + i % inner;
    Sum<T> sum = 0;
    for (int64_t j = 0; j < count; ++j) {
      const int64_t at = start + (attrs.reverse ? count - 1 - j : j) * inner;
      const Sum<T> before = sum;
      sum += static_cast<Sum<T>>(args.input<T>(0)[at]);
      args.output<T>(0)[at] = static_cast<T>(attrs.exclusive ? before : sum);
    }
  }
}

}  // namespace

bool accepts_reduce(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  const ReduceKind kind = op.attrs_as<ReduceAttrs>().kind;
  if (is_quantized(x)) return is_quantized(y) && kind < ReduceKind::kProd;
  if (x.dtype != y.dtype || x.dtype == DType::kFloat16) return false;
  return x.dtype != DType::kBool || kind == ReduceKind::kMax || kind == ReduceKind::kMin;
}

void run_reduce(const RunArgs& args) {
  const Operand& x = args.op.inputs[0];
  if (is_quantized(x)) return reduce_quantized(args);
  with_type(x.dtype, [&](auto type) { reduce_plain<decltype(type)>(args); });
}

bool accepts_arg_max(const OpDesc& op) { return op.inputs[0].dtype != DType::kFloat16; }

void run_arg_max(const RunArgs& args) {
  with_type(args.op.inputs[0].dtype, [&](auto type) { arg_max<decltype(type)>(args); });
}

bool accepts_cum_sum(const OpDesc& op) {
  const DType type = op.inputs[0].dtype;
  return type == op.outputs[0].dtype && type != DType::kFloat16 && type != DType::kBool &&
         op.inputs[0].quantization.empty();
}

void run_cum_sum(const RunArgs& args) {
  with_type(args.op.inputs[0].dtype, [&](auto type) { cum_sum<decltype(type)>(args); });
}

}  // namespace inferd::kernels::ref

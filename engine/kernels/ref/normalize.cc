// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

// What a row is multiplied with after `mean` was taken from it.
template <typename T>
struct RowForm {
  T mean, factor;
};

template <typename T>
RowForm<T> form_of(const NormalizeAttrs& attrs, const T* x, int64_t count) {
  const auto epsilon = static_cast<T>(attrs.epsilon);
  const auto n = static_cast<T>(count);
  T mean = 0;
  if (attrs.kind == NormalizeKind::kMeanVariance) {
    for (int64_t i = 0; i < count; ++i) mean += x[i];
    mean /= n;
  }
  T squares = 0;
  for (int64_t i = 0; i < count; ++i) squares += (x[i] - mean) * (x[i] - mean);
  if (attrs.kind == NormalizeKind::kL2) {
    const T length = std::max(std::sqrt(squares), epsilon);
    return {0, length == 0 ? 0 : 1 / length};
  }
  return {mean, 1 / std::sqrt(squares / n + epsilon)};
}

template <typename T>
void normalize(const RunArgs& args) {
  const OpDesc& op = args.op;
  const auto& attrs = op.attrs_as<NormalizeAttrs>();
  const Shape& shape = op.inputs[0].shape;
  const int64_t count = shape.elements(attrs.axis, shape.rank());
  const int64_t rows = shape.elements(0, attrs.axis);
  std::array<Index, 2> strides{};
  for (size_t i = 1; i < op.inputs.size(); ++i) {
    strides[i - 1] = broadcast_strides(op.inputs[i].shape, shape);
  }
  Index index{};
  std::array<int64_t, 2> offsets{};
  for (int64_t r = 0; r < rows; ++r) {
    const T* const x = args.input<T>(0) + r * count;
    T* const y = args.output<T>(0) + r * count;
    const RowForm<T> form = form_of(attrs, x, count);
    for (int64_t i = 0; i < count; ++i) {
      y[i] = (x[i] - form.mean) * form.factor;
      if (op.has_input(1)) y[i] *= args.input<T>(1)[offsets[0]];
      if (op.has_input(2)) y[i] += args.input<T>(2)[offsets[1]];
      advance(shape, index, offsets, strides);
    }
  }
}

// Rows of length 1, as TFLite's L2_NORMALIZATION. It approximates the root in fixed point, which
// may be a step away at ties.
void normalize_l2_quantized(const RunArgs& args) {
  const Operand& x = args.op.inputs[0];
  const Operand& y = args.op.outputs[0];
  const auto& attrs = args.op.attrs_as<NormalizeAttrs>();
  const QuantRange range = type_range(y.dtype);
  const int64_t count = x.shape.elements(attrs.axis, x.shape.rank());
  const int64_t rows = x.shape.elements(0, attrs.axis);
  for (int64_t r = 0; r < rows; ++r) {
    const auto value = [&](int64_t i) {
      return load8(args.inputs[0], r * count + i, x.dtype) - x.quantization.zero_point();
    };
    int64_t squares = 0;
    for (int64_t i = 0; i < count; ++i) squares += int64_t{value(i)} * value(i);
    const double length = std::sqrt(static_cast<double>(squares)) * x.quantization.scale();
    const double factor =
        squares == 0 ? 0. : x.quantization.scale() / std::max<double>(length, attrs.epsilon);
    for (int64_t i = 0; i < count; ++i) {
      store8(args.outputs[0], r * count + i,
             quantize(static_cast<float>(value(i) * factor), y.quantization.scale(),
                      y.quantization.zero_point(), range));
    }
  }
}

}  // namespace

bool accepts_normalize(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  if (is_quantized(x)) {
    return is_quantized(y) && op.inputs.size() == 1 &&
           op.attrs_as<NormalizeAttrs>().kind == NormalizeKind::kL2;
  }
  return (x.dtype == DType::kFloat32 || x.dtype == DType::kFloat64) && y.dtype == x.dtype &&
         std::all_of(op.inputs.begin(), op.inputs.end(),
                     [&](const Operand& input) { return input.dtype == x.dtype; });
}

void run_normalize(const RunArgs& args) {
  switch (args.op.inputs[0].dtype) {
    case DType::kFloat32:
      return normalize<float>(args);
    case DType::kFloat64:
      return normalize<double>(args);
    default:
      return normalize_l2_quantized(args);
  }
}

bool accepts_local_response_norm(const OpDesc& op) {
  return is_float(op.inputs[0]) && is_float(op.outputs[0]);
}

void run_local_response_norm(const RunArgs& args) {
  const Shape& x = args.op.inputs[0].shape;
  const auto& attrs = args.op.attrs_as<LocalResponseNormAttrs>();
  const int64_t channels = x[attrs.axis];
  const int64_t inner = x.elements(attrs.axis + 1, x.rank());
  const int64_t count = x.elements();
  const float* const data = args.input<float>(0);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t c = i / inner % channels;
    // Written so that neither end overflows, however many neighbours the file asks for.
    const int64_t first = -std::min(attrs.before, c);
    const int64_t last = std::min(attrs.after, channels - 1 - c);
    float squares = 0;
    for (int64_t d = first; d <= last; ++d) squares += data[i + d * inner] * data[i + d * inner];
    args.output<float>(0)[i] = data[i] / std::pow(attrs.bias + attrs.alpha * squares, attrs.beta);
  }
}

}  // namespace inferd::kernels::ref

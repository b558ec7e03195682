// SPDX-License-Identifier: Apache-2.0
//
// What works element by element and is neither in binary.cc nor in unary.cc.
#include <cstring>

#include "engine/kernels/ref/broadcast.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

template <typename T>
bool holds(CompareKind kind, T a, T b) {
  switch (kind) {
    case CompareKind::kEqual:
      return a == b;
    case CompareKind::kNotEqual:
      return a != b;
    case CompareKind::kLess:
      return a < b;
    case CompareKind::kLessEqual:
      return a <= b;
  }
  return false;
}

template <typename T>
void compare_numbers(const RunArgs& args) {
  const CompareKind kind = args.op.attrs_as<CompareAttrs>().kind;
  for_pairs(args.op, [&](int64_t i, int64_t j, int64_t k) {
    args.output<uint8_t>(0)[k] =
        holds(kind, args.input<T>(0)[i], args.input<T>(1)[j]) ? uint8_t{1} : uint8_t{0};
  });
}

// Quantized otherwise than each other: by their real values.
void compare_stored(const RunArgs& args) {
  const CompareKind kind = args.op.attrs_as<CompareAttrs>().kind;
  for_pairs(args.op, [&](int64_t i, int64_t j, int64_t k) {
    args.output<uint8_t>(0)[k] = holds(kind, load_real(args.op.inputs[0], args.inputs[0], i),
                                       load_real(args.op.inputs[1], args.inputs[1], j))
                                     ? uint8_t{1}
                                     : uint8_t{0};
  });
}

template <typename T>
void prelu_numbers(const RunArgs& args) {
  for_pairs(args.op, [&](int64_t i, int64_t j, int64_t k) {
    const T value = args.input<T>(0)[i];
    args.output<T>(0)[k] = value < 0 ? value * args.input<T>(1)[j] : value;
  });
}

void prelu_stored(const RunArgs& args) {
  const Operand& y = args.op.outputs[0];
  const QuantRange range = type_range(y.dtype);
  for_pairs(args.op, [&](int64_t i, int64_t j, int64_t k) {
    float real = load_real(args.op.inputs[0], args.inputs[0], i);
    if (real < 0) real *= load_real(args.op.inputs[1], args.inputs[1], j);
    store_real(y, args.outputs[0], k, real, range);
  });
}

}  // namespace

bool accepts_compare(const OpDesc& op) {
  const Operand& a = op.inputs[0];
  const Operand& b = op.inputs[1];
  if (a.dtype != b.dtype || a.dtype == DType::kFloat16) return false;
  return a.quantization == b.quantization || (is_stored(a) && is_stored(b));
}

void run_compare(const RunArgs& args) {
  const Operand& a = args.op.inputs[0];
  if (a.quantization != args.op.inputs[1].quantization) return compare_stored(args);
  with_type(a.dtype, [&](auto type) { compare_numbers<decltype(type)>(args); });
}

bool accepts_select(const OpDesc&) { return true; }

void run_select(const RunArgs& args) {
  const size_t size = dtype_size(args.op.outputs[0].dtype);
  for_broadcast<3>(args.op, [&](const std::array<int64_t, 3>& at, int64_t k) {
    const size_t from = args.input<uint8_t>(2)[at[2]] != 0 ? 0 : 1;
    std::memcpy(args.outputs[0] + k * static_cast<int64_t>(size),
                args.inputs[from] + at[from] * static_cast<int64_t>(size), size);
  });
}

bool accepts_prelu(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  const Operand& slope = op.inputs[1];
  const Operand& y = op.outputs[0];
  if (is_stored(x)) return is_stored(slope) && is_stored(y);
  return (is_float(x) || x.dtype == DType::kFloat64) && slope.dtype == x.dtype &&
         y.dtype == x.dtype;
}

void run_prelu(const RunArgs& args) {
  if (is_stored(args.op.inputs[0])) return prelu_stored(args);
  if (is_float(args.op.inputs[0])) return prelu_numbers<float>(args);
  prelu_numbers<double>(args);
}

bool accepts_lookup(const OpDesc& op) {
  return is_8bit(op.inputs[0].dtype) && is_8bit(op.outputs[0].dtype);
}

void run_lookup(const RunArgs& args) {
  const int64_t count = args.op.inputs[0].elements();
  for (int64_t i = 0; i < count; ++i) {
    args.outputs[0][i] = args.inputs[1][std::to_integer<size_t>(args.inputs[0][i])];
  }
}

bool accepts_batch_norm(const OpDesc& op) {
  return is_float(op.inputs[0]) && is_float(op.inputs[1]) && is_float(op.inputs[2]) &&
         is_float(op.outputs[0]);
}

void run_batch_norm(const RunArgs& args) {
  const Shape& x = args.op.inputs[0].shape;
  const int axis = args.op.attrs_as<BatchNormAttrs>().axis;
  const int64_t channels = x[axis];
  const int64_t inner = x.elements(axis + 1, x.rank());
  const int64_t count = x.elements();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t c = i / inner % channels;
    args.output<float>(0)[i] =
        args.input<float>(0)[i] * args.input<float>(1)[c] + args.input<float>(2)[c];
  }
}

}  // namespace inferd::kernels::ref

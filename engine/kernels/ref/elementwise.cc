// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "engine/kernels/ref/common.h"
#include "engine/kernels/ref/rows.h"

namespace inferd::kernels::ref {
namespace {

// f(a offset, b offset, y offset) over the broadcast shape; the innermost run without index
// arithmetic.
template <typename F>
void for_pairs(const OpDesc& op, F f) {
  const Shape& y = op.outputs[0].shape;
  const int64_t total = y.elements();
  if (op.inputs[0].shape == y && op.inputs[1].shape == y) {
    for (int64_t i = 0; i < total; ++i) f(i, i, i);
    return;
  }
  const std::array<Index, 2> strides = {broadcast_strides(op.inputs[0].shape, y),
                                        broadcast_strides(op.inputs[1].shape, y)};
  if (y.rank() == 0) return f(0, 0, 0);
  const auto last = static_cast<size_t>(y.rank() - 1);
  const int64_t run = y.back();
  const Shape outer(y.dims().first(last));
  Index index{};
  std::array<int64_t, 2> offsets{};
  for (int64_t i = 0; i < total; i += run) {
    for (int64_t j = 0; j < run; ++j) {
      f(offsets[0] + j * strides[0][last], offsets[1] + j * strides[1][last], i + j);
    }
    advance(outer, index, offsets, strides);
  }
}

float apply(BinaryKind kind, float a, float b) {
  switch (kind) {
    case BinaryKind::kAdd:
      return a + b;
    case BinaryKind::kSub:
      return a - b;
    case BinaryKind::kMul:
      return a * b;
    case BinaryKind::kDiv:
      return a / b;
    case BinaryKind::kMin:
      return a < b || std::isnan(a) ? a : b;
    case BinaryKind::kMax:
      return a > b || std::isnan(a) ? a : b;
    case BinaryKind::kPow:
      return std::pow(a, b);
  }
  return 0;
}

template <typename Int>
Int int_power(Int base, Int exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  uint64_t result = 1;
  for (auto square = static_cast<uint64_t>(base); exponent > 0; exponent /= 2, square *= square) {
    if (exponent % 2 == 1) result *= square;
  }
  return static_cast<Int>(result);
}

// Wraps around; x / 0 is 0, and the one overflowing quotient wraps too.
template <typename Int>
Int apply_int(BinaryKind kind, Int a, Int b) {
  using U = std::make_unsigned_t<Int>;
  switch (kind) {
    case BinaryKind::kAdd:
      return static_cast<Int>(static_cast<U>(a) + static_cast<U>(b));
    case BinaryKind::kSub:
      return static_cast<Int>(static_cast<U>(a) - static_cast<U>(b));
    case BinaryKind::kMul:
      return static_cast<Int>(static_cast<U>(a) * static_cast<U>(b));
    case BinaryKind::kDiv:
      if (b == 0) return 0;
      return b == -1 ? static_cast<Int>(U{0} - static_cast<U>(a)) : a / b;
    case BinaryKind::kMin:
      return a < b ? a : b;
    case BinaryKind::kMax:
      return a > b ? a : b;
    case BinaryKind::kPow:
      return int_power(a, b);
  }
  return 0;
}

// One loop for each kind, so that the choice is made outside of it.
template <BinaryKind kKind>
void binary_float(const RunArgs& args) {
  const Activation& activation = args.op.attrs_as<BinaryAttrs>().activation;
  const float* a = args.input<float>(0);
  const float* b = args.input<float>(1);
  float* y = args.output<float>(0);
  for_pairs(args.op, [=](int64_t i, int64_t j, int64_t k) {
    y[k] = clamp(apply(kKind, a[i], b[j]), activation);
  });
}

void binary_float(const RunArgs& args) {
  switch (args.op.attrs_as<BinaryAttrs>().kind) {
    case BinaryKind::kAdd:
      return binary_float<BinaryKind::kAdd>(args);
    case BinaryKind::kSub:
      return binary_float<BinaryKind::kSub>(args);
    case BinaryKind::kMul:
      return binary_float<BinaryKind::kMul>(args);
    case BinaryKind::kDiv:
      return binary_float<BinaryKind::kDiv>(args);
    case BinaryKind::kMin:
      return binary_float<BinaryKind::kMin>(args);
    case BinaryKind::kMax:
      return binary_float<BinaryKind::kMax>(args);
    case BinaryKind::kPow:
      return binary_float<BinaryKind::kPow>(args);
  }
}

template <typename Int>
void binary_int(const RunArgs& args) {
  const BinaryKind kind = args.op.attrs_as<BinaryAttrs>().kind;
  for_pairs(args.op, [&](int64_t i, int64_t j, int64_t k) {
    args.output<Int>(0)[k] = apply_int(kind, args.input<Int>(0)[i], args.input<Int>(1)[j]);
  });
}

void binary_quantized(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<BinaryAttrs>();
  const Operand& a = args.op.inputs[0];
  const Operand& b = args.op.inputs[1];
  const Operand& y = args.op.outputs[0];
  const QuantRange range = activation_range(attrs.activation, y.dtype, y.quantization);
  const int32_t za = a.quantization.zero_point();
  const int32_t zb = b.quantization.zero_point();
  const int32_t zy = y.quantization.zero_point();
  const auto each = [&](auto f) {
    for_pairs(args.op, [&](int64_t i, int64_t j, int64_t k) {
      store8(args.outputs[0], k,
             f(load8(args.inputs[0], i, a.dtype), load8(args.inputs[1], j, b.dtype)));
    });
  };
  if (attrs.kind == BinaryKind::kAdd || attrs.kind == BinaryKind::kSub) {
    const bool subtract = attrs.kind == BinaryKind::kSub;
    if (attrs.rounding == Rounding::kFloat) {
      const FloatAddParams p =
          float_add_params(a.quantization, b.quantization, y.quantization, subtract);
      return each([&](int32_t va, int32_t vb) { return quantized_add(p, va, vb, range); });
    }
    const AddParams p = add_params(a.quantization.scale(), b.quantization.scale(),
                                   y.quantization.scale(), subtract);
    return each(
        [&](int32_t va, int32_t vb) { return quantized_add(p, va, za, vb, zb, zy, range); });
  }
  if (attrs.kind == BinaryKind::kMul) {
    const float m = a.quantization.scale() * b.quantization.scale() / y.quantization.scale();
    return each([&](int32_t va, int32_t vb) {
      return requantize(static_cast<float>((va - za) * (vb - zb)) * m, zy, range);
    });
  }
  each([&](int32_t va, int32_t vb) {
    const float real =
        apply(attrs.kind, dequantize(va, a.quantization), dequantize(vb, b.quantization));
    return quantize(real, y.quantization.scale(), zy, range);
  });
}

float apply(const UnaryAttrs& attrs, float x) {
  switch (attrs.kind) {
    case UnaryKind::kSigmoid:
      return 1.F / (1.F + std::exp(-x));
    case UnaryKind::kTanh:
      return std::tanh(x);
    case UnaryKind::kHardSwish:
      return x * std::min(std::max(x + 3.F, 0.F), 6.F) / 6.F;
    case UnaryKind::kHardSigmoid:
      return std::min(std::max(attrs.alpha * x + attrs.beta, 0.F), 1.F);
    case UnaryKind::kLeakyRelu:
      return x < 0 ? attrs.alpha * x : x;
    case UnaryKind::kElu:
      return x < 0 ? attrs.alpha * std::expm1(x) : x;
    case UnaryKind::kSilu:
      return x / (1.F + std::exp(-x));
    case UnaryKind::kExp:
      return std::exp(x);
    case UnaryKind::kLog:
      return std::log(x);
    case UnaryKind::kSqrt:
      return std::sqrt(x);
    case UnaryKind::kRsqrt:
      return 1.F / std::sqrt(x);
    case UnaryKind::kSquare:
      return x * x;
    case UnaryKind::kNeg:
      return -x;
    case UnaryKind::kAbs:
      return std::fabs(x);
    case UnaryKind::kFloor:
      return std::floor(x);
    case UnaryKind::kCeil:
      return std::ceil(x);
    case UnaryKind::kRound:
      return std::nearbyint(x);
  }
  return 0;
}

// An 8-bit function of one operand is a table of 256 bytes, indexed by the stored byte.
template <typename F>
void run_table(const RunArgs& args, F real_to_real) {
  const Operand& x = args.op.inputs[0];
  const Operand& y = args.op.outputs[0];
  std::array<std::byte, 256> table{};
  for (int64_t i = 0; i < 256; ++i) {
    const auto byte = static_cast<std::byte>(i);
    const float real = real_to_real(dequantize(load8(&byte, 0, x.dtype), x.quantization));
    store8(
        table.data(), i,
        quantize(real, y.quantization.scale(), y.quantization.zero_point(), type_range(y.dtype)));
  }
  const int64_t count = x.elements();
  for (int64_t i = 0; i < count; ++i) {
    args.outputs[0][i] = table[std::to_integer<size_t>(args.inputs[0][i])];
  }
}

bool float_or_quantized(const OpDesc& op) {
  const Operand& x = op.inputs[0];
  const Operand& y = op.outputs[0];
  return (is_float(x) && is_float(y)) || (is_quantized(x) && is_quantized(y));
}

}  // namespace

bool accepts_binary(const OpDesc& op) {
  const Operand& a = op.inputs[0];
  const Operand& b = op.inputs[1];
  const Operand& y = op.outputs[0];
  if (is_quantized(a)) return is_quantized(b) && is_quantized(y);
  const bool same = a.dtype == b.dtype && a.dtype == y.dtype;
  if (is_float(a)) return same;
  return same && (a.dtype == DType::kInt32 || a.dtype == DType::kInt64) &&
         op.attrs_as<BinaryAttrs>().activation.none();
}

void run_binary(const RunArgs& args) {
  switch (args.op.inputs[0].dtype) {
    case DType::kFloat32:
      return binary_float(args);
    case DType::kInt32:
      return binary_int<int32_t>(args);
    case DType::kInt64:
      return binary_int<int64_t>(args);
    default:
      return binary_quantized(args);
  }
}

bool accepts_unary(const OpDesc& op) { return float_or_quantized(op); }

void run_unary(const RunArgs& args) {
  const auto& attrs = args.op.attrs_as<UnaryAttrs>();
  if (!is_float(args.op.inputs[0])) {
    return run_table(args, [&](float x) { return apply(attrs, x); });
  }
  const int64_t count = args.op.inputs[0].elements();
  for (int64_t i = 0; i < count; ++i)
    args.output<float>(0)[i] = apply(attrs, args.input<float>(0)[i]);
}

bool accepts_clamp(const OpDesc& op) { return float_or_quantized(op); }

void run_clamp(const RunArgs& args) {
  const Activation& range = args.op.attrs_as<ClampAttrs>().range;
  if (!is_float(args.op.inputs[0])) {
    return run_table(args, [&](float x) { return clamp(x, range); });
  }
  const int64_t count = args.op.inputs[0].elements();
  for (int64_t i = 0; i < count; ++i)
    args.output<float>(0)[i] = clamp(args.input<float>(0)[i], range);
}

bool accepts_prelu(const OpDesc& op) {
  const Operand& slope = op.inputs[1];
  return float_or_quantized(op) && (is_float(op.inputs[0]) ? is_float(slope) : is_quantized(slope));
}

void run_prelu(const RunArgs& args) {
  const Operand& x = args.op.inputs[0];
  const Operand& slope = args.op.inputs[1];
  const Operand& y = args.op.outputs[0];
  if (is_float(x)) {
    return for_pairs(args.op, [&](int64_t i, int64_t j, int64_t k) {
      const float value = args.input<float>(0)[i];
      args.output<float>(0)[k] = value < 0 ? value * args.input<float>(1)[j] : value;
    });
  }
  for_pairs(args.op, [&](int64_t i, int64_t j, int64_t k) {
    float real = dequantize(load8(args.inputs[0], i, x.dtype), x.quantization);
    if (real < 0) real *= dequantize(load8(args.inputs[1], j, slope.dtype), slope.quantization);
    store8(
        args.outputs[0], k,
        quantize(real, y.quantization.scale(), y.quantization.zero_point(), type_range(y.dtype)));
  });
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

// SPDX-License-Identifier: Apache-2.0
//
// The loops of elementwise.h, written so that the compiler makes vectors of them for the ISA of the
// file they are instantiated in. P names that ISA, lives in an unnamed namespace there (see
// matrix_run.h), and provides
//   lookup(table, x, n, y)  y[i] = table[x[i]] for bytes; x may be y
//   Floats                  a vector of float, with GCC's operators for vectors
//   fma(a, b, c)            a * b + c of vectors, rounded once where the ISA can
//   reciprocal(a)           1 / a to two units in the last place, for 1 <= a < 2^126
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "engine/kernels/generic/elementwise.h"

namespace inferd::kernels::generic {

// Below so many elements a wake-up of another thread costs more than it brings: of functions with
// exponentials and the like, and of operations that only wait for memory.
inline constexpr int64_t kElementGrain = 16384;
inline constexpr int64_t kPlainElementGrain = 4 * kElementGrain;

// Adding and subtracting 1.5 * 2^23 rounds to the nearest integer, halves to even, for |value|
// below 2^22: what std::nearbyint does, in two vector instructions.
[[gnu::always_inline]] inline float round_even(float value) {
  constexpr float kMagic = 12582912.F;
  return (value + kMagic) - kMagic;
}

[[gnu::always_inline]] inline float clamped(float v, float low, float high) {
  v = v < low ? low : v;  // NaN stays
  return v > high ? high : v;
}

// -- two operands

struct AddFixed {
  FixedAdd p;
  template <typename T>
  [[gnu::always_inline]] T operator()(T a, T b) const {
    const uint32_t sum = static_cast<uint32_t>(int32_t{a}) * p.multiplier_a +
                         static_cast<uint32_t>(int32_t{b}) * p.multiplier_b + p.offset;
    int32_t value = (static_cast<int32_t>(sum) >> p.shift) + p.zero_point;
    value = value < p.low ? p.low : value;
    value = value > p.high ? p.high : value;
    return static_cast<T>(value);
  }
};

struct AddFloat {
  FloatAdd p;
  template <typename T>
  [[gnu::always_inline]] T operator()(T a, T b) const {
    const float sum = (p.params.ratio_a * static_cast<float>(int32_t{a}) + p.params.fixed) +
                      p.params.ratio_b * static_cast<float>(int32_t{b});
    return static_cast<T>(static_cast<int32_t>(round_even(clamped(sum, p.low, p.high))));
  }
};

struct Multiply {
  QuantizedMultiply p;
  template <typename T>
  [[gnu::always_inline]] T operator()(T a, T b) const {
    const int32_t product = (int32_t{a} - p.zero_a) * (int32_t{b} - p.zero_b);
    const float value = clamped(static_cast<float>(product) * p.m, p.low, p.high);
    return static_cast<T>(static_cast<int32_t>(round_even(value)) + p.zero_point);
  }
};

template <BinaryKind kKind>
struct FloatPair {
  float low, high;
  [[gnu::always_inline]] float operator()(float a, float b) const {
    if constexpr (kKind == BinaryKind::kAdd) return clamped(a + b, low, high);
    if constexpr (kKind == BinaryKind::kSub) return clamped(a - b, low, high);
    if constexpr (kKind == BinaryKind::kMul) return clamped(a * b, low, high);
    if constexpr (kKind == BinaryKind::kDiv) return clamped(a / b, low, high);
    if constexpr (kKind == BinaryKind::kMin) return clamped(a < b || a != a ? a : b, low, high);
    if constexpr (kKind == BinaryKind::kMax) return clamped(a > b || a != a ? a : b, low, high);
  }
};

// y[i] = f(a[i * A], b[i * B]), A and B 0 or 1. y may be a or b.
template <typename P, int A, int B, typename F, typename T>
void pair_run(const F& function, const T* a, const T* b, T* y, int64_t count) {
  const F f = function;  // a copy: y cannot alias it
  if constexpr (A == 0 || B == 0) {
    if (count == 0) return;  // what repeats may be empty too
    const T repeated = A == 0 ? *a : *b;
#pragma GCC ivdep
    for (int64_t i = 0; i < count; ++i) y[i] = A == 0 ? f(repeated, b[i]) : f(a[i], repeated);
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < count; ++i) y[i] = f(a[i], b[i]);
  }
}

template <typename P, typename T, typename F>
void for_pairs(const RunArgs& args, const F& f) {
  const PairLoop& loop = static_cast<const BinaryPlan&>(*args.prepared).loop;
  const T* const a = args.input<T>(0);
  const T* const b = args.input<T>(1);
  T* const y = args.output<T>(0);
  const auto run = [&](const T* x0, const T* x1, T* out, int64_t n) {
    if (loop.step_a && loop.step_b) {
      pair_run<P, 1, 1>(f, x0, x1, out, n);
    } else if (loop.step_a) {
      pair_run<P, 1, 0>(f, x0, x1, out, n);
    } else {
      pair_run<P, 0, 1>(f, x0, x1, out, n);
    }
  };
  if (loop.outer == 1) {
    args.parallel_for(loop.run, kPlainElementGrain, [&](int64_t begin, int64_t end, int) {
      run(a + (loop.step_a ? begin : 0), b + (loop.step_b ? begin : 0), y + begin, end - begin);
    });
    return;
  }
  const int64_t grain = std::max<int64_t>(kPlainElementGrain / std::max<int64_t>(loop.run, 1), 1);
  args.parallel_for(loop.outer, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t at_a = 0;
      int64_t at_b = 0;
      int64_t rest = i;
      for (size_t d = loop.dims.size(); d-- > 0; rest /= loop.dims[d]) {
        at_a += rest % loop.dims[d] * loop.stride_a[d];
        at_b += rest % loop.dims[d] * loop.stride_b[d];
      }
      run(a + at_a, b + at_b, y + i * loop.run, loop.run);
    }
  });
}

template <typename P, typename T>
void run_quantized_pairs(const RunArgs& args) {
  const auto& plan = static_cast<const BinaryPlan&>(*args.prepared);
  if (plan.kind == BinaryKind::kMul) {
    for_pairs<P, T>(args, Multiply{plan.multiply});
  } else if (plan.rounding == Rounding::kFloat) {
    for_pairs<P, T>(args, AddFloat{plan.float_add});
  } else {
    for_pairs<P, T>(args, AddFixed{plan.fixed_add});
  }
}

template <typename P>
void run_quantized_binary(const RunArgs& args) {
  if (args.op.outputs[0].dtype == DType::kUInt8) {
    run_quantized_pairs<P, uint8_t>(args);
  } else {
    run_quantized_pairs<P, int8_t>(args);
  }
}

template <typename P, BinaryKind kKind>
void run_float_pairs(const RunArgs& args) {
  const Activation activation = static_cast<const BinaryPlan&>(*args.prepared).activation;
  for_pairs<P, float>(args, FloatPair<kKind>{activation.min, activation.max});
}

template <typename P>
void run_float_binary(const RunArgs& args) {
  switch (static_cast<const BinaryPlan&>(*args.prepared).kind) {
    case BinaryKind::kAdd:
      return run_float_pairs<P, BinaryKind::kAdd>(args);
    case BinaryKind::kSub:
      return run_float_pairs<P, BinaryKind::kSub>(args);
    case BinaryKind::kMul:
      return run_float_pairs<P, BinaryKind::kMul>(args);
    case BinaryKind::kDiv:
      return run_float_pairs<P, BinaryKind::kDiv>(args);
    case BinaryKind::kMin:
      return run_float_pairs<P, BinaryKind::kMin>(args);
    default:
      return run_float_pairs<P, BinaryKind::kMax>(args);
  }
}

struct PRelu {
  [[gnu::always_inline]] float operator()(float x, float slope) const {
    return x < 0 ? x * slope : x;
  }
};

template <typename P>
void run_float_prelu(const RunArgs& args) {
  for_pairs<P, float>(args, PRelu{});
}

// -- one operand

// Splits the elements over threads and calls f(index in the input, index in the output, count) for
// neighbours.
template <typename P, typename F>
void for_runs(const RunArgs& args, int64_t grain, const F& f) {
  const Shape& y = args.op.outputs[0].shape;
  args.parallel_for(y.elements(), grain, [&](int64_t begin, int64_t end, int) {
    if (args.pixel_stride == 0) return f(begin, begin, end - begin);
    const int64_t channels = y.back();
    int64_t channel = begin % channels;
    int64_t to = begin / channels * args.pixel_stride + channel;
    while (begin < end) {
      const int64_t count = std::min(channels - channel, end - begin);
      f(begin, to, count);
      begin += count;
      to += args.pixel_stride - channel;
      channel = 0;
    }
  });
}

template <typename P>
void run_table(const RunArgs& args) {
  const auto& plan = static_cast<const TablePlan&>(*args.prepared);
  const uint8_t* const x = args.input<uint8_t>(0);
  uint8_t* const y = args.output<uint8_t>(0);
  for_runs<P>(args, kPlainElementGrain, [&](int64_t from, int64_t to, int64_t count) {
    P::lookup(plan.table.data(), x + from, count, y + to);
  });
}

// y[i] = f(x[i]); y may be x.
template <typename P, typename In, typename Out, typename F>
void for_each_element(const RunArgs& args, const F& function, int64_t grain = kPlainElementGrain) {
  for_runs<P>(args, grain, [&](int64_t from, int64_t to, int64_t count) {
    const F f = function;
    const In* x = args.input<In>(0) + from;
    Out* y = args.output<Out>(0) + to;
#pragma GCC ivdep
    for (int64_t i = 0; i < count; ++i) y[i] = f(x[i]);
  });
}

template <typename P>
void run_quantize(const RunArgs& args) {
  const Operand& y = args.op.outputs[0];
  const float scale = y.quantization.scale();
  const int32_t zero = y.quantization.zero_point();
  const QuantRange range = type_range(y.dtype);
  const auto low = static_cast<float>(range.low - zero);
  const auto high = static_cast<float>(range.high - zero);
  const auto stored = [=](float x) __attribute__((always_inline)) {
    float v = x / scale;
    v = v == v ? v : 0.F;
    return static_cast<int32_t>(round_even(clamped(v, low, high))) + zero;
  };
  if (y.dtype == DType::kUInt8) {
    for_each_element<P, float, uint8_t>(
        args, [=](float x)
                  __attribute__((always_inline)) { return static_cast<uint8_t>(stored(x)); });
  } else {
    for_each_element<P, float, int8_t>(
        args, [=](float x)
                  __attribute__((always_inline)) { return static_cast<int8_t>(stored(x)); });
  }
}

template <typename P>
void run_dequantize(const RunArgs& args) {
  const Operand& x = args.op.inputs[0];
  const float scale = x.quantization.scale();
  const int32_t zero = x.quantization.zero_point();
  const auto real = [=](auto stored) __attribute__((always_inline)) {
    return scale * static_cast<float>(int32_t{stored} - zero);
  };
  if (x.dtype == DType::kUInt8) {
    for_each_element<P, uint8_t, float>(args, real);
  } else {
    for_each_element<P, int8_t, float>(args, real);
  }
}

// e^x to about one unit in the last place: x = n ln 2 + r with |r| <= ln 2 / 2, e^r by a polynomial
// of degree 7 (coefficients of Cephes' expf), times 2^n in two factors, so that results above and
// below the normal range come out as infinity, subnormal or 0.
[[gnu::always_inline]] inline float exponential(float x) {
  const float bounded = clamped(x, -104.F, 89.F);
  const float n = round_even(bounded * 1.44269504F);
  const float r = (bounded - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = (p * r) * r + r + 1.F;
  const auto whole = static_cast<int32_t>(n == n ? n : 0.F);
  const int32_t half = whole >> 1;
  const auto power = [](int32_t e) __attribute__((always_inline)) {
    return std::bit_cast<float>((e + 127) << 23);
  };
  return (p * power(half)) * power(whole - half);
}

// By exponentials away from 0, by a polynomial (Cephes' tanhf) near it, where those cancel.
[[gnu::always_inline]] inline float hyperbolic_tangent(float x) {
  const float magnitude = x < 0 ? -x : x;
  const float far = 1.F - 2.F / (exponential(2.F * magnitude) + 1.F);
  const float square = x * x;
  float p = -5.70498872745e-3F;
  p = p * square + 2.06390887954e-2F;
  p = p * square - 5.37397155531e-2F;
  p = p * square + 1.33314422036e-1F;
  p = p * square - 3.33332819422e-1F;
  const float near = x + x * square * p;
  const float signed_far = x < 0 ? -far : far;
  return magnitude < 0.625F ? near : signed_far;
}

// Within 1.3e-7. Near 0 an odd polynomial, elsewhere 1 - e^(-x^2) q(1 / (1 + |x| / 2)), both of
// least maximal deviation; from |x| = 4 on it is 1 in float32.
[[gnu::always_inline]] inline float error_function(float x) {
  const float magnitude = x < 0 ? -x : x;
  const float bounded = clamped(magnitude, 0.F, 4.F);
  const float square = x * x;
  float p = 7.8891193e-5F;
  p = p * square - 8.0208411e-4F;
  p = p * square + 5.1895352e-3F;
  p = p * square - 2.6854444e-2F;
  p = p * square + 1.1283600e-1F;
  p = p * square - 3.7612626e-1F;
  p = p * square + 1.1283791F;
  const float t = 1.F / (1.F + 0.5F * bounded);
  float q = -2.1715595e-1F;
  q = q * t + 6.0038602e-1F;
  q = q * t - 2.6163418e-2F;
  q = q * t + 3.7676671e-1F;
  q = q * t + 2.6489624e-1F;
  q = q * t + 1.2882712e-3F;
  const float far = 1.F - exponential(-bounded * bounded) * q;
  const float signed_far = x < 0 ? -far : far;
  return magnitude < 1.F ? x * p : signed_far;
}

template <UnaryKind kKind>
struct FloatFunction {
  float alpha, beta;
  [[gnu::always_inline]] float operator()(float x) const {
    if constexpr (kKind == UnaryKind::kTanh) return hyperbolic_tangent(x);
    if constexpr (kKind == UnaryKind::kHardSwish)
      return x * (clamped(x + 3.F, 0.F, 6.F) * (1.F / 6.F));
    if constexpr (kKind == UnaryKind::kHardSigmoid) return clamped(alpha * x + beta, 0.F, 1.F);
    if constexpr (kKind == UnaryKind::kLeakyRelu) return x < 0 ? alpha * x : x;
    if constexpr (kKind == UnaryKind::kExp) return exponential(x);
    if constexpr (kKind == UnaryKind::kSqrt) return std::sqrt(x);
    if constexpr (kKind == UnaryKind::kRsqrt) return 1.F / std::sqrt(x);
    if constexpr (kKind == UnaryKind::kSquare) return x * x;
    if constexpr (kKind == UnaryKind::kNeg) return -x;
    if constexpr (kKind == UnaryKind::kAbs) return std::fabs(x);
    if constexpr (kKind == UnaryKind::kErf) return error_function(x);
    if constexpr (kKind == UnaryKind::kGelu)
      return 0.5F * x * (1.F + error_function(x * 0.70710678F));
    if constexpr (kKind == UnaryKind::kGeluTanh) {
      const float inner = 0.79788456F * (x + 0.044715F * (x * x) * x);
      return 0.5F * x * (1.F + hyperbolic_tangent(inner));
    }
  }
};

// 1 / (1 + e^-x) to some units in the last place. e^-x as in exponential(); its power of two is one
// factor, because beyond 87 the result is 0 or 1 as far as float32 can tell.
template <typename P>
[[gnu::always_inline]] inline typename P::Floats sigmoid(typename P::Floats x) {
  using Floats = typename P::Floats;
  using Bits [[gnu::vector_size(sizeof(Floats))]] = int32_t;
  const Floats zero{};
  const auto all = [&](float value) __attribute__((always_inline)) { return zero + value; };
  Floats z = -x;
  z = -87.F > z ? all(-87.F) : z;  // NaN stays
  z = 87.F < z ? all(87.F) : z;
  // 1.5 * 2^23 + n: the lowest bits are n as an integer.
  const Floats magic = all(12582912.F);
  const Floats shifted = P::fma(z, all(1.44269504F), magic);
  const Floats n = shifted - magic;
  const Floats r = P::fma(n, all(2.12194440e-4F), P::fma(n, all(-0.693359375F), z));
  Floats p = P::fma(all(1.9875691500e-4F), r, all(1.3981999507e-3F));
  p = P::fma(p, r, all(8.3334519073e-3F));
  p = P::fma(p, r, all(4.1665795894e-2F));
  p = P::fma(p, r, all(1.6666665459e-1F));
  p = P::fma(p, r, all(5.0000001201e-1F));
  p = P::fma(p, r * r, r) + 1.F;
  const Bits exponent = (reinterpret_cast<Bits>(shifted) << 23) + (127 << 23);
  return P::reciprocal(P::fma(p, reinterpret_cast<Floats>(exponent), all(1.F)));
}

// As for_each_element(), a vector at a time.
template <typename P, typename F>
void for_each_vector(const RunArgs& args, const F& f) {
  using Floats = typename P::Floats;
  constexpr auto kLanes = static_cast<int64_t>(sizeof(Floats) / sizeof(float));
  for_runs<P>(args, kElementGrain, [&](int64_t from, int64_t to, int64_t count) {
    const float* x = args.input<float>(0) + from;
    float* y = args.output<float>(0) + to;
    Floats v{};
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      std::memcpy(&v, x + i, sizeof v);
      v = f(v);
      std::memcpy(y + i, &v, sizeof v);
    }
    const auto rest = static_cast<size_t>(count - i) * sizeof(float);
    if (rest == 0) return;
    std::memcpy(&v, x + i, rest);
    v = f(v);
    std::memcpy(y + i, &v, rest);
  });
}

template <typename P>
void run_sigmoid(const RunArgs& args) {
  for_each_vector<P>(
      args, [](typename P::Floats x) __attribute__((always_inline)) { return sigmoid<P>(x); });
}

template <typename P>
void run_silu(const RunArgs& args) {
  for_each_vector<P>(
      args, [](typename P::Floats x) __attribute__((always_inline)) { return x * sigmoid<P>(x); });
}

template <typename P, UnaryKind kKind>
void run_float_function(const RunArgs& args) {
  const UnaryAttrs& attrs = static_cast<const UnaryPlan&>(*args.prepared).attrs;
  constexpr bool kExponential = kKind == UnaryKind::kExp || kKind == UnaryKind::kTanh ||
                                kKind == UnaryKind::kErf || kKind == UnaryKind::kGelu ||
                                kKind == UnaryKind::kGeluTanh;
  for_each_element<P, float, float>(args, FloatFunction<kKind>{attrs.alpha, attrs.beta},
                                    kExponential ? kElementGrain : kPlainElementGrain);
}

template <typename P>
void run_float_unary(const RunArgs& args) {
  switch (static_cast<const UnaryPlan&>(*args.prepared).attrs.kind) {
    case UnaryKind::kSigmoid:
      return run_sigmoid<P>(args);
    case UnaryKind::kTanh:
      return run_float_function<P, UnaryKind::kTanh>(args);
    case UnaryKind::kHardSwish:
      return run_float_function<P, UnaryKind::kHardSwish>(args);
    case UnaryKind::kHardSigmoid:
      return run_float_function<P, UnaryKind::kHardSigmoid>(args);
    case UnaryKind::kLeakyRelu:
      return run_float_function<P, UnaryKind::kLeakyRelu>(args);
    case UnaryKind::kSilu:
      return run_silu<P>(args);
    case UnaryKind::kExp:
      return run_float_function<P, UnaryKind::kExp>(args);
    case UnaryKind::kSqrt:
      return run_float_function<P, UnaryKind::kSqrt>(args);
    case UnaryKind::kRsqrt:
      return run_float_function<P, UnaryKind::kRsqrt>(args);
    case UnaryKind::kSquare:
      return run_float_function<P, UnaryKind::kSquare>(args);
    case UnaryKind::kNeg:
      return run_float_function<P, UnaryKind::kNeg>(args);
    case UnaryKind::kErf:
      return run_float_function<P, UnaryKind::kErf>(args);
    case UnaryKind::kGelu:
      return run_float_function<P, UnaryKind::kGelu>(args);
    case UnaryKind::kGeluTanh:
      return run_float_function<P, UnaryKind::kGeluTanh>(args);
    default:
      return run_float_function<P, UnaryKind::kAbs>(args);
  }
}

template <typename P>
void run_float_clamp(const RunArgs& args) {
  const Activation range = static_cast<const ClampPlan&>(*args.prepared).range;
  for_each_element<P, float, float>(
      args, [=](float x)
                __attribute__((always_inline)) { return clamped(x, range.min, range.max); });
}

}  // namespace inferd::kernels::generic

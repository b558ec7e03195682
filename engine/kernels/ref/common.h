// SPDX-License-Identifier: Apache-2.0
//
// Helpers of the reference kernels. Shapes obey ir's shape rules when a kernel sees them (the
// planner and the tests see to that), so accepts() looks at types and quantization only.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "engine/base/float16.h"
#include "engine/kernels/kernel.h"
#include "engine/kernels/requantize.h"

namespace inferd::kernels::ref {

inline bool is_8bit(DType dtype) { return dtype == DType::kInt8 || dtype == DType::kUInt8; }

// 8 bits with one scale.
inline bool is_quantized(const Operand& x) {
  return is_8bit(x.dtype) && !x.quantization.empty() && !x.quantization.per_channel();
}
inline bool is_float(const Operand& x) { return x.dtype == DType::kFloat32; }

// An element of a float16 tensor.
struct Half {
  uint16_t bits;
  explicit operator float() const { return half_to_float(bits); }
};

// Reads an 8-bit element whichever sign it has.
inline int32_t load8(const std::byte* data, int64_t i, DType dtype) {
  return dtype == DType::kInt8 ? static_cast<int32_t>(reinterpret_cast<const int8_t*>(data)[i])
                               : static_cast<int32_t>(reinterpret_cast<const uint8_t*>(data)[i]);
}
// The low byte is the same for both signs.
inline void store8(std::byte* data, int64_t i, int32_t value) {
  data[i] = static_cast<std::byte>(static_cast<uint8_t>(value));
}

inline float dequantize(int32_t stored, const Quantization& q) {
  return q.scale() * static_cast<float>(stored - q.zero_point());
}

inline float clamp(float value, const Activation& a) {
  // Written so that NaN passes through.
  if (value < a.min) return a.min;
  if (value > a.max) return a.max;
  return value;
}

using Index = std::array<int64_t, kMaxRank>;

// Row-major strides in elements.
inline Index strides_of(const Shape& shape) {
  Index strides{};
  int64_t step = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[static_cast<size_t>(i)] = step;
    step *= shape[i];
  }
  return strides;
}

// Strides of `from` walked along the dimensions of `to`: 0 where `from` is broadcast.
inline Index broadcast_strides(const Shape& from, const Shape& to) {
  const Index own = strides_of(from);
  Index strides{};
  for (int i = 0; i < from.rank(); ++i) {
    const int t = i + to.rank() - from.rank();
    strides[static_cast<size_t>(t)] = from[i] == 1 ? 0 : own[static_cast<size_t>(i)];
  }
  return strides;
}

// Steps `index` through `shape` in row-major order, keeping offsets that move by `strides`.
template <size_t N>
void advance(const Shape& shape, Index& index, std::array<int64_t, N>& offsets,
             const std::array<Index, N>& strides) {
  for (int d = shape.rank() - 1; d >= 0; --d) {
    const auto i = static_cast<size_t>(d);
    for (size_t k = 0; k < N; ++k) offsets[k] += strides[k][i];
    if (++index[i] < shape[d]) return;
    for (size_t k = 0; k < N; ++k) offsets[k] -= strides[k][i] * shape[d];
    index[i] = 0;
  }
}

// Float to integer: truncates, saturates, NaN gives 0. Everything else as C++ converts.
template <typename To, typename From>
To convert(From value) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (std::isnan(value)) return 0;
    // The limits as From: exact powers of two or rounded up to one, hence >=.
    if (value >= static_cast<From>(std::numeric_limits<To>::max()))
      return std::numeric_limits<To>::max();
    if (value <= static_cast<From>(std::numeric_limits<To>::lowest())) {
      return std::numeric_limits<To>::lowest();
    }
  }
  return static_cast<To>(value);
}

// f(a value of the C++ type that stands for `dtype`); bool and float16 are handled by the callers.
template <typename F>
void with_type(DType dtype, F f) {
  switch (dtype) {
    case DType::kFloat32:
      return f(float{});
    case DType::kFloat64:
      return f(double{});
    case DType::kInt8:
      return f(int8_t{});
    case DType::kUInt8:
    case DType::kBool:
      return f(uint8_t{});
    case DType::kInt16:
      return f(int16_t{});
    case DType::kUInt16:
      return f(uint16_t{});
    case DType::kInt32:
      return f(int32_t{});
    case DType::kUInt32:
      return f(uint32_t{});
    case DType::kInt64:
      return f(int64_t{});
    case DType::kUInt64:
      return f(uint64_t{});
    case DType::kFloat16:
      return;
  }
}

// As with_type(), with Half for float16.
template <typename F>
void with_number(DType dtype, F f) {
  return dtype == DType::kFloat16 ? f(Half{}) : with_type(dtype, f);
}

// What an element is computed with, and back.
template <typename T>
auto to_number(T value) {
  if constexpr (std::is_same_v<T, Half>) {
    return static_cast<float>(value);
  } else {
    return value;
  }
}
template <typename T, typename Number>
T from_number(Number value) {
  if constexpr (std::is_same_v<T, Half>) {
    return {float_to_half(value)};
  } else {
    return static_cast<T>(value);
  }
}

inline bool is_index(const Operand& x) {
  return x.dtype == DType::kInt32 || x.dtype == DType::kInt64;
}

// Element `i` of an input of indices.
inline int64_t index_at(const RunArgs& args, size_t input, int64_t i) {
  return args.op.inputs[input].dtype == DType::kInt64 ? args.input<int64_t>(input)[i]
                                                      : int64_t{args.input<int32_t>(input)[i]};
}

// m of requantize.h for output channel `c`.
inline float channel_multiplier(const OpDesc& op, size_t c) {
  const Quantization& w = op.inputs[1].quantization;
  const float weight_scale = w.per_channel() ? w.scales[c] : w.scale();
  return op.inputs[0].quantization.scale() * weight_scale / op.outputs[0].quantization.scale();
}
inline int32_t channel_zero_point(const Quantization& w, size_t c) {
  return w.per_channel() ? w.zero_points[c] : w.zero_point();
}

}  // namespace inferd::kernels::ref

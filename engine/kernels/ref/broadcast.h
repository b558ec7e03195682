// SPDX-License-Identifier: Apache-2.0
//
// Walks over operands that are broadcast to one output, and reads and writes what such operators
// take: stored values of 8 and 16 bits.
#pragma once

#include <array>

#include "engine/kernels/ref/common.h"

namespace inferd::kernels::ref {

// f(offset of an element of each of the first N inputs, offset of the output's element) for every
// element of output 0, in row-major order; the innermost run without index arithmetic.
template <size_t N, typename F>
void for_broadcast(const OpDesc& op, F f) {
  const Shape& y = op.outputs[0].shape;
  const int64_t total = y.elements();
  std::array<int64_t, N> offsets{};
  if (y.rank() == 0) return f(offsets, 0);
  std::array<Index, N> strides;
  for (size_t i = 0; i < N; ++i) strides[i] = broadcast_strides(op.inputs[i].shape, y);
  const auto last = static_cast<size_t>(y.rank() - 1);
  const int64_t run = y.back();
  const Shape outer(y.dims().first(last));
  Index index{};
  for (int64_t k = 0; k < total; k += run) {
    std::array<int64_t, N> at = offsets;
    for (int64_t j = 0; j < run; ++j) {
      f(at, k + j);
      for (size_t i = 0; i < N; ++i) at[i] += strides[i][last];
    }
    advance(outer, index, offsets, strides);
  }
}

// Binary operators: f(offset in a, offset in b, offset in y).
template <typename F>
void for_pairs(const OpDesc& op, F f) {
  for_broadcast<2>(op,
                   [&](const std::array<int64_t, 2>& at, int64_t k) { return f(at[0], at[1], k); });
}

// 8 or 16 bits with one scale.
inline bool is_stored(const Operand& x) {
  return (is_8bit(x.dtype) || x.dtype == DType::kInt16) && !x.quantization.empty() &&
         !x.quantization.per_channel();
}

inline int32_t load_stored(const std::byte* data, int64_t i, DType dtype) {
  return dtype == DType::kInt16 ? int32_t{reinterpret_cast<const int16_t*>(data)[i]}
                                : load8(data, i, dtype);
}
inline void store_stored(std::byte* data, int64_t i, DType dtype, int32_t value) {
  if (dtype == DType::kInt16 || dtype == DType::kUInt16) {
    // The low half is the same for both signs.
    reinterpret_cast<uint16_t*>(data)[i] = static_cast<uint16_t>(value);
  } else {
    store8(data, i, value);
  }
}

// Real value of an element of a stored operand, and the way back (requantize.h).
inline float load_real(const Operand& x, const std::byte* data, int64_t i) {
  return dequantize(load_stored(data, i, x.dtype), x.quantization);
}
inline void store_real(const Operand& y, std::byte* data, int64_t i, float real, QuantRange range) {
  store_stored(data, i, y.dtype,
               quantize(real, y.quantization.scale(), y.quantization.zero_point(), range));
}

}  // namespace inferd::kernels::ref

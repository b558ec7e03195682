// SPDX-License-Identifier: Apache-2.0
//
// IEEE binary16 <-> binary32 in plain C++; kernels have their own vector forms.
#pragma once

#include <bit>
#include <cstdint>

namespace inferd {

// Exact. In line and without branches, so that loops over it become vectors.
inline float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000U) << 16;
  // Exponent and mantissa where binary32 has them; the product moves the exponent's bias from 15
  // to 127, also of subnormal numbers.
  const float scaled = std::bit_cast<float>(static_cast<uint32_t>(half & 0x7FFFU) << 13) * 0x1p112F;
  const uint32_t infinite = scaled >= 0x1p16F ? 0x7F800000U : 0U;  // or not a number
  return std::bit_cast<float>(sign | infinite | std::bit_cast<uint32_t>(scaled));
}

uint16_t float_to_half(float value);  // round to nearest even; overflow gives infinity

}  // namespace inferd

// SPDX-License-Identifier: Apache-2.0
//
// IEEE binary16 <-> binary32 in plain C++; kernels have their own vector forms.
#pragma once

#include <cstdint>

namespace inferd {

float half_to_float(uint16_t half);   // exact
uint16_t float_to_half(float value);  // round to nearest even; overflow gives infinity

}  // namespace inferd

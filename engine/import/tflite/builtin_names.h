// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace inferd::import {

inline constexpr int32_t kTfliteCustom = 32;

// "CONV_2D" for 3; "BUILTIN_n" for codes that are not known.
std::string tflite_builtin_name(int32_t code);

}  // namespace inferd::import

// SPDX-License-Identifier: Apache-2.0
//
// Elements of tensors as JSON.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "inferd/engine/tensor.h"

namespace inferd::serve {

// The numbers in `data`, flat or in arrays inside each other, in the order in which they stand.
// BOOL takes true and false, whole types take whole numbers of their range, FP32 and FP64 any
// number that is finite as such. INVALID_ARGUMENT names the element; FP16 has no form in JSON.
Result<std::vector<std::byte>> elements_from_json(const nlohmann::json& data, DType dtype);

// Appends the elements as a flat JSON array. Floating point is written with as many digits as bring
// the same number back. NaN and infinities are NaN, Infinity and -Infinity, as Triton writes them
// and most readers take them, though JSON has no such words. Precondition: not FP16.
void append_json(const TensorView& tensor, std::string& out);

}  // namespace inferd::serve

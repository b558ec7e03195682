// SPDX-License-Identifier: Apache-2.0
//
// Between real numbers and what tensors store of them.
#pragma once

#include <span>
#include <vector>

#include "inferd/engine/tensor.h"
#include "media/npy.h"

namespace inferd::media {

// INVALID_ARGUMENT for an input that is neither float32 nor int8 or uint8 with one scale.
Status takes_reals(const TensorInfo& input);

// What such an input stores of as many numbers as `out` has room for: float32 as they are; int8 and
// uint8 as round_half_even(real / scale) + zero_point, clamped.
void store_reals(std::span<const float> reals, const TensorInfo& input, std::span<std::byte> out);

// One tensor of an input, dynamic dimensions 1, from as many numbers as it has elements.
// INVALID_ARGUMENT when there are more or fewer, or the input stores something else.
Result<Array> array_of(std::span<const float> reals, const TensorInfo& input);

// The numbers that a tensor means: scale * (stored - zero_point) where it is quantized (one scale
// for the tensor), else what it stores.
std::vector<float> reals_of(const TensorView& tensor, const Quantization& quantization);

}  // namespace inferd::media

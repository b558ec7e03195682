// SPDX-License-Identifier: Apache-2.0
#include "media/reals.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace inferd::media {

Result<Array> array_of(std::span<const float> reals, const TensorInfo& input) {
  const Quantization& q = input.quantization;
  const bool bytes = input.dtype == DType::kInt8 || input.dtype == DType::kUInt8;
  const std::string what = "input '" + input.name + "' " + std::string(dtype_name(input.dtype)) +
                           input.shape.to_string();
  if (input.dtype != DType::kFloat32 && !(bytes && !q.empty() && !q.per_channel())) {
    return invalid_argument(what + " takes no real numbers: it is neither FP32 nor quantized");
  }
  Array array{input.dtype, input.shape, {}};
  for (int d = 0; d < array.shape.rank(); ++d) {
    if (array.shape[d] == kDynamicDim) array.shape[d] = 1;
  }
  if (array.shape.elements() != static_cast<int64_t>(reals.size())) {
    return invalid_argument(what + " takes another number of elements than " +
                            std::to_string(reals.size()));
  }
  if (!bytes) {
    array.data.resize(reals.size_bytes());
    std::memcpy(array.data.data(), reals.data(), reals.size_bytes());
    return array;
  }
  const float low = input.dtype == DType::kInt8 ? -128.F : 0.F;
  array.data.resize(reals.size());
  std::transform(reals.begin(), reals.end(), array.data.begin(), [&](float real) {
    const float stored = std::nearbyint(real / q.scale()) + static_cast<float>(q.zero_point());
    // Written so that NaN ends at an edge too.
    const float inside = stored > low ? std::min(stored, low + 255.F) : low;
    return static_cast<std::byte>(static_cast<int>(inside) & 0xFF);
  });
  return array;
}

std::vector<float> reals_of(const TensorView& tensor, const Quantization& quantization) {
  if (tensor.dtype == DType::kFloat32) {
    const auto floats = tensor.as<float>();
    return {floats.begin(), floats.end()};
  }
  const std::vector<double> numbers = to_numbers(tensor);
  std::vector<float> reals(numbers.begin(), numbers.end());
  if (quantization.empty()) return reals;
  for (float& real : reals) {
    real = quantization.scale() * (real - static_cast<float>(quantization.zero_point()));
  }
  return reals;
}

}  // namespace inferd::media

// SPDX-License-Identifier: Apache-2.0
#include "media/reals.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace inferd::media {

namespace {

std::string name_of(const TensorInfo& input) {
  return "input '" + input.name + "' " + std::string(dtype_name(input.dtype)) +
         input.shape.to_string();
}

}  // namespace

Status takes_reals(const TensorInfo& input) {
  const bool bytes = input.dtype == DType::kInt8 || input.dtype == DType::kUInt8;
  const Quantization& q = input.quantization;
  if (input.dtype == DType::kFloat32 || (bytes && !q.empty() && !q.per_channel()))
    return ok_status();
  return invalid_argument(name_of(input) +
                          " takes no real numbers: it is neither FP32 nor quantized");
}

void store_reals(std::span<const float> reals, const TensorInfo& input, std::span<std::byte> out) {
  if (input.dtype == DType::kFloat32) {
    std::memcpy(out.data(), reals.data(), out.size());
    return;
  }
  const float scale = input.quantization.scale();
  const auto zero = static_cast<float>(input.quantization.zero_point());
  const float low = input.dtype == DType::kInt8 ? -128.F : 0.F;
  std::transform(reals.begin(), reals.end(), out.begin(), [&](float real) {
    const float stored = std::nearbyint(real / scale) + zero;
    // Written so that NaN ends at an edge too.
    const float inside = stored > low ? std::min(stored, low + 255.F) : low;
    return static_cast<std::byte>(static_cast<int>(inside) & 0xFF);
  });
}

Result<Array> array_of(std::span<const float> reals, const TensorInfo& input) {
  INFERD_RETURN_IF_ERROR(takes_reals(input));
  Array array{input.dtype, input.shape, {}};
  for (int d = 0; d < array.shape.rank(); ++d) {
    if (array.shape[d] == kDynamicDim) array.shape[d] = 1;
  }
  if (array.shape.elements() != static_cast<int64_t>(reals.size())) {
    return invalid_argument(name_of(input) + " takes another number of elements than " +
                            std::to_string(reals.size()));
  }
  array.data.resize(reals.size() * dtype_size(input.dtype));
  store_reals(reals, input, array.data);
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

// SPDX-License-Identifier: Apache-2.0
#include "media/resample/elements.h"

#include <cmath>
#include <cstring>

namespace inferd::media {

Result<Elements> Elements::of(const Preprocess& options, const TensorInfo& input) {
  Elements e;
  const Quantization& q = input.quantization;
  const bool real = input.dtype == DType::kFloat32;
  const bool quantized = !real && options.normalize && !q.empty();
  e.kind = real ? ElementKind::kReals : quantized ? ElementKind::kSteps : ElementKind::kBytes;
  e.size = dtype_size(input.dtype);
  e.flip = input.dtype == DType::kUInt8 ? 0x80 : 0;
  for (size_t c = 0; c < 3; ++c) {
    const double mean = options.normalize ? options.mean[c] : 0;
    const double std = options.normalize ? options.std[c] : 1;
    const double scale = quantized ? double{q.scale()} : 1;
    const Affine affine{static_cast<float>((mean - 128) * 256),
                        static_cast<float>(1 / (256 * std * scale))};
    if (!std::isfinite((std::abs(affine.middle) + 32768) * affine.factor)) {
      return invalid_argument("mean and std make values of input '" + input.name +
                              "' that are not finite; check both");
    }
    e.reals[c] = affine;
    const int zero = quantized ? q.zero_point() - (input.dtype == DType::kUInt8 ? 128 : 0) : 0;
    e.steps[c] = {affine, static_cast<float>(-128 - zero), static_cast<float>(127 - zero), zero};
  }
  return e;
}

void Elements::write(int centred, size_t channel, std::byte* out) const {
  if (kind == ElementKind::kReals) {
    const float value = to_real(centred, reals[channel]);
    std::memcpy(out, &value, sizeof(value));
    return;
  }
  const int value =
      kind == ElementKind::kSteps ? to_step(centred, steps[channel]) : to_byte(centred);
  *out = static_cast<std::byte>(static_cast<uint8_t>(value) ^ flip);
}

}  // namespace inferd::media

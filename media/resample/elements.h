// SPDX-License-Identifier: Apache-2.0
//
// How the values of pixels become elements of a tensor.
#pragma once

#include "media/preprocess.h"
#include "media/resample/rows.h"

namespace inferd::media {

struct Elements {
  ElementKind kind = ElementKind::kBytes;
  uint8_t flip = 0;               // of kBytes and kSteps: XOR, 0x80 for uint8
  std::array<Affine, 3> reals{};  // by the tensor's channel
  std::array<Steps, 3> steps{};
  size_t size = 1;  // bytes of an element

  // INVALID_ARGUMENT where mean, std and scale make numbers that a float cannot have.
  static Result<Elements> of(const Preprocess& options, const TensorInfo& input);

  // One value, for `channel`; 1 or 4 bytes.
  void write(int centred, size_t channel, std::byte* out) const;
};

}  // namespace inferd::media

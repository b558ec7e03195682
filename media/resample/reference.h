// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "media/preprocess.h"

namespace inferd::media {

// What fill_tensor() does, pixel by pixel and in the fewest words: every faster way must give the
// same bits.
Result<Placement> fill_tensor_reference(const Picture& picture, const Preprocess& options,
                                        const TensorInfo& input, std::span<std::byte> tensor);

}  // namespace inferd::media

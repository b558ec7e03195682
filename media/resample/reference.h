// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "media/lens.h"
#include "media/preprocess.h"

namespace inferd::media {

// What fill_tensor() does, pixel by pixel and in the fewest words: every faster way must give the
// same bits.
Result<Placement> fill_tensor_reference(const Picture& picture, const Preprocess& options,
                                        const TensorInfo& input, std::span<std::byte> tensor);

// The same of a picture that a lens has bent.
Result<Placement> fill_tensor_reference(const Picture& picture, const Preprocess& options,
                                        const TensorInfo& input, const LensView& view,
                                        std::span<std::byte> tensor);

}  // namespace inferd::media

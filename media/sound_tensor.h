// SPDX-License-Identifier: Apache-2.0
//
// From a sound to a model's input tensor.
#pragma once

#include "inferd/engine/tensor.h"
#include "media/npy.h"
#include "media/sound.h"

namespace inferd::media {

// Which features a model wants is told from its input's shape, the batch aside: [49,10,1], [49,10]
// or [490] are keyword_mfcc(). INVALID_ARGUMENT for another shape, or a sound of another rate.
Result<Array> sound_tensor(const Sound& sound, const TensorInfo& input);

}  // namespace inferd::media

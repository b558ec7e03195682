// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "inferd/engine/engine.h"

namespace inferd::models {

// Whether whoever feeds one model can feed the other and understand its answers: the same inputs
// and outputs by name, in order, with type and shape. Scales and zero points of quantized tensors
// may differ. FAILED_PRECONDITION with "has no output 'boxes'" and the like.
Status check_same_interface(const ModelInfo& old, const ModelInfo& other);

}  // namespace inferd::models

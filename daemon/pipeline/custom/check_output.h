// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#include "inferd/engine/status.h"
#include "inferd/stage.h"

namespace inferd::pipeline {

// INVALID_ARGUMENT unless a stage's output is as inferd/stage.h wants it: finite numbers, not more
// than it allows, no null pointers. `shown`: detections of the frame that it is of.
Status check_output(const inferd_stage_output& output, size_t shown);

}  // namespace inferd::pipeline

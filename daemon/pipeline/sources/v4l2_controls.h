// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "daemon/pipeline/sources/v4l2_calls.h"

namespace inferd::pipeline {

// Sets a camera's controls (brightness, exposure), named as v4l2-ctl names them: in small letters
// with '_' between words. Those that others switch on come after these. Errors name the control,
// and the camera's own when it has none of that name.
Status set_v4l2_controls(V4l2Calls& calls, int fd, std::map<std::string, int64_t> controls);

}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "inferd/engine/status.h"

namespace inferd::config {

// Triton's model configuration as JSON, which may be anybody's, as the text of a config.pbtxt.
// INVALID_ARGUMENT: it is no JSON object, or has a field that is not known or of another type.
Result<std::string> triton_text_of(const std::string& json);

}  // namespace inferd::config

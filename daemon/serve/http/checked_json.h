// SPDX-License-Identifier: Apache-2.0
//
// JSON from strangers.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "inferd/engine/status.h"

namespace inferd::serve {

struct JsonLimits {
  int depth = 24;             // of arrays and objects inside each other
  int64_t bytes = 128 << 20;  // what the values may take in memory, about
};

// One JSON value and nothing behind it. INVALID_ARGUMENT says at which byte it is wrong (a number
// that fits no double is wrong, too), or which limit it breaks. Neither stack nor memory grow
// beyond the limits, whatever the text is.
Result<nlohmann::json> parse_json(std::string_view text, const JsonLimits& limits = {});

}  // namespace inferd::serve

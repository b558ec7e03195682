// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "inferd/engine/status.h"

namespace inferd::package {

// The bytes of a text in base64 with padding (RFC 4648, section 4), which may be anybody's. Line
// ends are skipped. INVALID_ARGUMENT: it is none.
Result<std::string> from_base64(std::string_view text);

}  // namespace inferd::package

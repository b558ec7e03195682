// SPDX-License-Identifier: Apache-2.0
//
// The lines of keys and signatures: "KIND ed25519 ID BASE64", single spaces, a newline at the end
// that may be missing. Private to this folder.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "inferd/engine/status.h"

namespace inferd::package {

// `bytes` in base64 with padding (RFC 4648, section 4).
std::string key_line(std::string_view kind, std::string_view id,
                     std::span<const unsigned char> bytes);

// Fills `bytes`, all of them, and returns the id. INVALID_ARGUMENT names `name`, and never quotes
// what follows the id.
Result<std::string> parse_key_line(std::string_view kind, std::string_view text,
                                   const std::string& name, std::span<unsigned char> bytes);

}  // namespace inferd::package

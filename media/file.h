// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "inferd/engine/status.h"

namespace inferd::media {

inline constexpr int64_t kMaxFileBytes = int64_t{1} << 30;

inline constexpr char kTemporary[] = ".tmp";

// The whole of a regular file of at most kMaxFileBytes. Errors name the path.
Result<std::vector<uint8_t>> read_file(const std::string& path);

// Writes beside the path and renames, so that readers see the old file or the new one, never half
// of it. The other name is the path, kTemporary and the process's number.
Status write_file(const std::string& path, std::span<const std::byte> bytes);

}  // namespace inferd::media

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace inferd::kernels::generic {

// std::memcpy for runs that are often a few pixels long, where a call costs more than the copy.
inline void copy_bytes(const std::byte* x, std::byte* y, int64_t count) {
  if (count > 64 || count < 16) {
    std::memcpy(y, x, static_cast<size_t>(count));
    return;
  }
  // Sixteen at a time; the last ones may overlap.
  for (int64_t i = 0; i + 16 < count; i += 16) std::memcpy(y + i, x + i, 16);
  std::memcpy(y + count - 16, x + count - 16, 16);
}

}  // namespace inferd::kernels::generic

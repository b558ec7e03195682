// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>

namespace inferd {

// As both protocols number them.
inline const char* fate_name(size_t fate) {
  static constexpr std::array kNames = {"overwritten", "skipped", "stale",
                                        "stopped",     "failed",  "used"};
  return fate < kNames.size() ? kNames[fate] : "unknown";
}

}  // namespace inferd

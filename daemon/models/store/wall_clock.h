// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace inferd::models {

// Milliseconds since the epoch: when something was decided or done, for people. What is waited for
// goes by schedule::now_ns().
inline int64_t wall_clock_ms() {
  using std::chrono::system_clock;
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             system_clock::now().time_since_epoch())
      .count();
}

}  // namespace inferd::models

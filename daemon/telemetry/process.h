// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace inferd::telemetry {

// What the system says of this process.
struct ProcessUse {
  int64_t resident_bytes = 0;  // memory, shared pages included
  int64_t threads = 0;
  double cpu_seconds = 0;  // of all threads since the start
};

// Zeros for what cannot be read.
ProcessUse process_use();

}  // namespace inferd::telemetry

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace inferd::ctl {

struct MemoryBandwidth {
  double gbytes_per_s = 0;  // 1e9 bytes
  int threads = 0;
  int64_t bytes = 0;  // that were read again and again
};

// How fast so many threads read memory together, each its own part, in the best of some rounds.
// What is read is four times as large as the last cache, 64 MiB at least and 256 MiB at most.
MemoryBandwidth measure_memory_bandwidth(int threads);

}  // namespace inferd::ctl

// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/freed_memory.h"

#include <malloc.h>

#include <algorithm>
#include <thread>

namespace inferd::host {

void share_heaps() {
  // As many as can be busy at one time, and some for who is interrupted in the middle.
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  mallopt(M_ARENA_MAX, std::max(cores, 1) + 2);
  // Otherwise both grow to what was once freed, up to 32 and 64 MiB, and malloc_trim() does not
  // reach the end of any heap but the first.
  constexpr int kLarge = 1 << 20;
  mallopt(M_MMAP_THRESHOLD, kLarge);
  mallopt(M_TRIM_THRESHOLD, kLarge);
}

void FreedMemory::give_back() {
  constexpr size_t kWorthIt = size_t{4} << 20;
  // What was given back counts as free as well, until somebody uses it.
  const size_t free = mallinfo2().fordblks;
  if (free < known_ + kWorthIt) {
    known_ = std::min(known_, free);
    return;
  }
  malloc_trim(0);
  known_ = mallinfo2().fordblks;
}

}  // namespace inferd::host

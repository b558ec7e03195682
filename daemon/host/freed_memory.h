// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace inferd::host {

// Has threads share heaps: glibc's allocator makes up to eight for each core, and what was freed in
// one is of no use to the others, so that a process whose threads come and go grows for hours.
// What is large, weights and what models compute with, goes back to the system when it is freed.
// Before there are threads.
void share_heaps();

// Gives memory back to the system that the allocator keeps for later: thousands of connections that
// were open for a moment leave theirs between blocks that are still in use. Of one thread.
class FreedMemory {
 public:
  // To be called now and then. Does nothing unless some megabytes were freed since the last time.
  void give_back();

 private:
  size_t known_ = 0;  // bytes that are free, but need no system memory any more
};

}  // namespace inferd::host

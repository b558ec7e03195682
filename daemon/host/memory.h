// SPDX-License-Identifier: Apache-2.0
//
// How much memory the process may still take, and how badly the machine needs some.
#pragma once

#include <cstdint>
#include <string>

namespace inferd::host {

struct MemoryState {
  // Bytes until the first limit: that of the machine, or of a control group that the process is in
  // (`MemoryMax=` and `MemoryHigh=` of systemd, `--memory` of containers). What the kernel can take
  // back without anybody noticing counts as available. INT64_MAX: not known.
  int64_t available = INT64_MAX;
  std::string limit;  // whose that is: "the machine", "control group /system.slice/inferd.service"
  double pressure = 0;  // of the last 10 s, the percentage in which somebody waited for memory
  int64_t total = INT64_MAX;  // that limit
};

// Reads /proc/meminfo, control groups of version 2 and 1, and the pressure that the kernel states
// for the process's own control group or else for the machine; what is not there is left out.
// `root` is put before all paths, for tests.
MemoryState read_memory(const std::string& root = "");

}  // namespace inferd::host

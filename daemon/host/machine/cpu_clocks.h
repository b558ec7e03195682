// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace inferd::host {

// CPUs that have one clock. On big.LITTLE, each kind of core has such a policy, or several.
struct CpuClock {
  std::string name;       // "policy0"
  std::vector<int> cpus;  // of it, ascending
  int64_t hertz = 0;      // now
  // As fast as they may be now, which is less than they can where the kernel or the firmware holds
  // them back; and as fast as they can be.
  int64_t allowed_hertz = 0, most_hertz = 0;
  // How fast they are, of 1024 for the fastest of the machine: as the kernel says, else by clock.
  int64_t capacity = 1024;
};

// Those that say something; none on machines without cpufreq. `root` is put before all paths, for
// tests.
std::vector<CpuClock> read_cpu_clocks(const std::string& root = "");

}  // namespace inferd::host

// SPDX-License-Identifier: Apache-2.0
#include "daemon/telemetry/process.h"

#include <unistd.h>

#include <ctime>
#include <fstream>
#include <string>

namespace inferd::telemetry {

ProcessUse process_use() {
  ProcessUse use;
  int64_t total_pages = 0, resident_pages = 0;
  if (std::ifstream("/proc/self/statm") >> total_pages >> resident_pages)
    use.resident_bytes = resident_pages * ::sysconf(_SC_PAGESIZE);
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key;) {
    if (key == "Threads:") status >> use.threads;
    status.ignore(1 << 16, '\n');
  }
  timespec cpu{};
  if (::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0)
    use.cpu_seconds = static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) / 1e9;
  return use;
}

}  // namespace inferd::telemetry

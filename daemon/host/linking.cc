// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/linking.h"

#include <sys/mman.h>

#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace inferd::host {
namespace {

struct Range {
  uintptr_t begin = 0, end = 0;
};

// Mappings of files that are not written to, and have no page that was: where addresses were filled
// in, throwing a page away would take them along. A mapping without any page in memory has nothing
// to give, and may be one of an emulator that does not count.
std::vector<Range> untouched() {
  std::vector<Range> ranges;
  std::ifstream smaps("/proc/self/smaps");
  Range range;
  bool is_read_only = false, has_pages = false;
  for (std::string line; std::getline(smaps, line);) {
    uintptr_t begin = 0, end = 0;
    std::array<char, 5> permissions{};
    int path = 0;
    unsigned long kilobytes = 0;
    // "begin-end rwxp offset device inode path", then a line for each fact.
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %n", &begin, &end,
                    permissions.data(), &path) == 3) {
      range = {begin, end};
      is_read_only = permissions[1] == '-' && static_cast<size_t>(path) < line.size() &&
                     line[static_cast<size_t>(path)] == '/';
    } else if (std::sscanf(line.c_str(), "Rss: %lu kB", &kilobytes) == 1) {
      has_pages = kilobytes > 0;
    } else if (is_read_only && has_pages &&
               std::sscanf(line.c_str(), "Anonymous: %lu kB", &kilobytes) == 1 && kilobytes == 0) {
      ranges.push_back(range);
    }
  }
  return ranges;
}

}  // namespace

void forget_linking() {
  for (const Range& range : untouched())
    ::madvise(reinterpret_cast<void*>(range.begin), range.end - range.begin, MADV_DONTNEED);
}

}  // namespace inferd::host

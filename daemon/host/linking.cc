// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/linking.h"

#include <dlfcn.h>
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

// Where the library that this is in lies.
uintptr_t own_address() {
  Dl_info info{};
  return ::dladdr(reinterpret_cast<const void*>(&forget_linking), &info) == 0
             ? 0
             : reinterpret_cast<uintptr_t>(info.dli_fbase);
}

// Mappings of files that are not written to, and have no page that was: where addresses were filled
// in, throwing a page away would take them along. None where the list is not of this process: an
// emulator's is of the emulator, at other addresses.
std::vector<Range> untouched() {
  std::vector<Range> ranges;
  std::ifstream smaps("/proc/self/smaps");
  Range range;
  const uintptr_t own = own_address();
  bool is_read_only = false, is_ours = false;
  for (std::string line; std::getline(smaps, line);) {
    uintptr_t begin = 0, end = 0;
    std::array<char, 5> permissions{};
    int path = 0;
    unsigned long kilobytes = 0;
    // "begin-end rwxp offset device inode path", then a line for each fact.
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %n", &begin, &end,
                    permissions.data(), &path) == 3) {
      range = {begin, end};
      is_ours = is_ours || begin == own;
      is_read_only = permissions[1] == '-' && static_cast<size_t>(path) < line.size() &&
                     line[static_cast<size_t>(path)] == '/';
    } else if (is_read_only && std::sscanf(line.c_str(), "Anonymous: %lu kB", &kilobytes) == 1 &&
               kilobytes == 0) {
      ranges.push_back(range);
    }
  }
  return is_ours ? ranges : std::vector<Range>();
}

}  // namespace

void forget_linking() {
  for (const Range& range : untouched())
    ::madvise(reinterpret_cast<void*>(range.begin), range.end - range.begin, MADV_DONTNEED);
}

}  // namespace inferd::host

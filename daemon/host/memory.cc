// SPDX-License-Identifier: Apache-2.0
//
// Formats: proc(5), https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.*),
// .../cgroup-v1/memory.html, https://docs.kernel.org/accounting/psi.html
#include "daemon/host/memory.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

#include "daemon/host/machine/pressure.h"
#include "daemon/host/machine/small_file.h"

namespace inferd::host {
namespace {

// The number after `key` at the beginning of a line.
std::optional<int64_t> number_after(const std::string& path, std::string_view key) {
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) {
    std::istringstream words(line);
    std::string word;
    int64_t value = 0;
    if (words >> word && word == key && words >> value) return value;
  }
  return std::nullopt;
}

// What files of a control group are called.
struct Names {
  std::array<const char*, 2> limits;  // the second may be null
  const char* used;
  const char *inactive,
      *active;  // in memory.stat: pages of files that nobody used lately, and others
};
constexpr Names kVersion2 = {
    {"memory.max", "memory.high"}, "memory.current", "inactive_file", "active_file"};
constexpr Names kVersion1 = {{"memory.limit_in_bytes", nullptr},
                             "memory.usage_in_bytes",
                             "total_inactive_file",
                             "total_active_file"};

void take_group(const std::string& folder, const std::string& group, const Names& names,
                MemoryState& state) {
  const auto used = number_in(folder + "/" + names.used);
  if (!used) return;
  // At least half of what is used of files can go, as the kernel reckons for MemAvailable.
  const std::string stat = folder + "/memory.stat";
  const int64_t can_go = number_after(stat, names.inactive).value_or(0) +
                         number_after(stat, names.active).value_or(0) / 2;
  for (const char* name : names.limits) {
    if (name == nullptr) continue;
    const auto limit = number_in(folder + "/" + name);
    if (!limit) continue;
    const int64_t available = std::max<int64_t>(*limit - (*used - can_go), 0);
    if (available >= state.available) continue;
    state.available = available;
    state.total = *limit;
    state.limit = "control group " + group;
  }
}

// The group and those that it is in: the limits of each hold. Where the process sees only a part of
// the tree (in a container), the groups it knows may be missing.
void take_groups(const std::string& mount, std::string group, const Names& names,
                 MemoryState& state) {
  for (;;) {
    take_group(mount + group, group.empty() ? "/" : group, names, state);
    const size_t slash = group.rfind('/');
    if (slash == std::string::npos) return;
    group.resize(slash);
  }
}

}  // namespace

MemoryState read_memory(const std::string& root) {
  MemoryState state;
  if (const auto kib = number_after(root + "/proc/meminfo", "MemAvailable:")) {
    state.available = *kib * 1024;
    if (const auto all = number_after(root + "/proc/meminfo", "MemTotal:"))
      state.total = *all * 1024;
    state.limit = "the machine";
  }
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // "hierarchy:controllers:/path"
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string group = line.substr(second + 1);
    if (group == "/") group.clear();
    const std::string mount = root + "/sys/fs/cgroup";
    if (controllers.empty()) {
      take_groups(mount, group, kVersion2, state);
    } else if (("," + controllers + ",").find(",memory,") != std::string::npos) {
      take_groups(mount + "/memory", group, kVersion1, state);
    }
  }
  state.pressure = read_pressure(root).memory.value_or(0);
  return state;
}

}  // namespace inferd::host

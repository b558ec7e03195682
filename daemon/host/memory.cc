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

#include "daemon/host/control_groups.h"
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

void take_group(const ControlGroup& group, const Names& names, MemoryState& state) {
  const std::string& folder = group.folder;
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
    state.limit = "control group " + group.name;
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
  for (const ControlGroup& group : control_groups("memory", root))
    take_group(group, group.version == 2 ? kVersion2 : kVersion1, state);
  state.pressure = read_pressure(root).memory.value_or(0);
  return state;
}

}  // namespace inferd::host

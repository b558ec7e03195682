// SPDX-License-Identifier: Apache-2.0
//
// Formats: https://docs.kernel.org/admin-guide/pm/cpufreq.html, and
// Documentation/ABI/testing/sysfs-devices-system-cpu (cpu_capacity).
#include "daemon/host/machine/cpu_clocks.h"

#include <algorithm>
#include <optional>

#include "daemon/host/machine/small_file.h"

namespace inferd::host {
namespace {

constexpr int64_t kFastest = 1024;

std::optional<int64_t> hertz_in(const std::string& path) {
  constexpr int64_t kMaxKilohertz = 100'000'000;
  const auto kilohertz = number_in(path);
  if (!kilohertz || *kilohertz <= 0 || *kilohertz > kMaxKilohertz) return std::nullopt;
  return *kilohertz * 1000;
}

// 0: the kernel does not say.
int64_t capacity_of(const std::string& cpus, int cpu) {
  const auto capacity = number_in(cpus + "/cpu" + std::to_string(cpu) + "/cpu_capacity");
  return capacity && *capacity > 0 && *capacity <= kFastest ? *capacity : 0;
}

}  // namespace

std::vector<CpuClock> read_cpu_clocks(const std::string& root) {
  const std::string cpus = root + "/sys/devices/system/cpu";
  std::vector<CpuClock> clocks;
  int64_t fastest = 0;
  bool all_said = true;
  for (const std::string& name : entries_of(cpus + "/cpufreq", "policy")) {
    const std::string path = cpus + "/cpufreq/" + name + "/";
    CpuClock clock;
    clock.name = name;
    clock.cpus = cpus_in(path + "related_cpus");
    const auto now = hertz_in(path + "scaling_cur_freq");
    const auto most = hertz_in(path + "cpuinfo_max_freq");
    if (!now || !most || clock.cpus.empty()) continue;
    clock.hertz = *now;
    clock.most_hertz = *most;
    clock.allowed_hertz = hertz_in(path + "scaling_max_freq").value_or(*most);
    clock.capacity = capacity_of(cpus, clock.cpus[0]);
    all_said = all_said && clock.capacity > 0;
    fastest = std::max(fastest, clock.most_hertz);
    clocks.push_back(std::move(clock));
  }
  for (CpuClock& clock : clocks) {
    if (!all_said) clock.capacity = clock.most_hertz * kFastest / fastest;
  }
  return clocks;
}

}  // namespace inferd::host

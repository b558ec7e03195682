// SPDX-License-Identifier: Apache-2.0
//
// Formats: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max),
// https://docs.kernel.org/scheduler/sched-bwc.html (cpu.cfs_quota_us)
#include "daemon/host/cpu_quota.h"

#include <algorithm>
#include <fstream>

#include "daemon/host/control_groups.h"
#include "daemon/host/machine/small_file.h"

namespace inferd::host {
namespace {

// Microseconds of CPU time in each period of so many microseconds.
struct Quota {
  double time = 0, period = 0;
};

Quota quota_of(const ControlGroup& group) {
  Quota quota;
  if (group.version == 2) {
    std::ifstream(group.folder + "/cpu.max") >> quota.time >> quota.period;  // "max": no number
  } else {
    quota.time = static_cast<double>(number_in(group.folder + "/cpu.cfs_quota_us").value_or(0));
    quota.period = static_cast<double>(number_in(group.folder + "/cpu.cfs_period_us").value_or(0));
  }
  return quota;
}

}  // namespace

std::optional<double> cpu_quota(const std::string& root) {
  std::optional<double> least;
  for (const ControlGroup& group : control_groups("cpu", root)) {
    const Quota quota = quota_of(group);
    if (quota.time <= 0 || quota.period <= 0) continue;
    const double cpus = quota.time / quota.period;
    least = std::min(least.value_or(cpus), cpus);
  }
  return least;
}

int threads_within(std::optional<double> quota, int cores) {
  const int most = std::max(cores, 1);
  if (!quota) return most;
  return static_cast<int>(std::clamp(*quota, 1.0, static_cast<double>(most)));
}

}  // namespace inferd::host

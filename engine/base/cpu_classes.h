// SPDX-License-Identifier: Apache-2.0
//
// Which CPUs are alike. On big.LITTLE chips some cores are several times as fast as others, and a
// layer that is split evenly waits for the slow ones.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace inferd {

// CPUs of about the same speed.
struct CpuClass {
  int64_t capacity = 1;   // speed, to compare with that of other classes
  std::vector<int> cpus;  // ascending
};

// The CPUs that this thread may run on.
std::vector<int> allowed_cpus();

// `cpus` by class, the fastest first. Speeds are cpuN/cpu_capacity under `root`, which the kernel
// knows for Arm chips and hybrid others, or cpuN/cpufreq/cpuinfo_max_freq; CPUs within 15 % of the
// fastest of their class are alike, as boost clocks differ by that. One class when either is not
// there for every CPU. Not empty unless `cpus` is.
std::vector<CpuClass> cpu_classes(std::span<const int> cpus,
                                  const std::string& root = "/sys/devices/system/cpu");

// Of `threads` threads, the class that each belongs to: fast CPUs are given out first, one to a
// thread. Threads beyond the CPUs begin again with the fastest class. All 0 without CPUs.
std::vector<size_t> class_of_threads(std::span<const CpuClass> classes, int threads);

// Ends of the shares when [0, count) is split in proportion to capacities, given as running sums:
// share s ends at split_at(count, sums, s).
inline int64_t split_at(int64_t count, std::span<const int64_t> sums, size_t s) {
  return count * sums[s] / sums.back();
}

}  // namespace inferd

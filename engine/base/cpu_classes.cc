// SPDX-License-Identifier: Apache-2.0
#include "engine/base/cpu_classes.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <utility>

namespace inferd {
namespace {

// CPUs are alike when one has this much of the other's speed.
constexpr double kAlike = 0.85;

// The positive number in each CPU's file of that name; nothing when one has none.
std::optional<std::vector<int64_t>> numbers_of(std::span<const int> cpus, const std::string& root,
                                               const std::string& name) {
  std::vector<int64_t> numbers;
  for (const int cpu : cpus) {
    std::ifstream file(root + "/cpu" + std::to_string(cpu) + "/" + name);
    int64_t number = 0;
    if (!(file >> number) || number <= 0) return std::nullopt;
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;  // more than CPU_SETSIZE
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

std::vector<CpuClass> cpu_classes(std::span<const int> cpus, const std::string& root) {
  if (cpus.empty()) return {};
  std::optional<std::vector<int64_t>> speeds = numbers_of(cpus, root, "cpu_capacity");
  if (!speeds) speeds = numbers_of(cpus, root, "cpufreq/cpuinfo_max_freq");
  if (!speeds) return {{.capacity = 1, .cpus = {cpus.begin(), cpus.end()}}};

  std::vector<std::pair<int64_t, int>> by_speed;
  for (size_t i = 0; i < cpus.size(); ++i) by_speed.emplace_back(-(*speeds)[i], cpus[i]);
  std::sort(by_speed.begin(), by_speed.end());
  std::vector<CpuClass> classes;
  for (const auto& [negative, cpu] : by_speed) {
    const int64_t speed = -negative;
    const bool alike =
        !classes.empty() &&
        static_cast<double>(speed) >= kAlike * static_cast<double>(classes.back().capacity);
    if (!alike) classes.push_back({.capacity = speed, .cpus = {}});
    classes.back().cpus.push_back(cpu);
  }
  for (CpuClass& c : classes) std::sort(c.cpus.begin(), c.cpus.end());
  return classes;
}

std::vector<size_t> class_of_threads(std::span<const CpuClass> classes, int threads) {
  std::vector<size_t> round;
  for (size_t c = 0; c < classes.size(); ++c) round.insert(round.end(), classes[c].cpus.size(), c);
  if (round.empty()) round.push_back(0);
  std::vector<size_t> each(static_cast<size_t>(threads));
  for (size_t t = 0; t < each.size(); ++t) each[t] = round[t % round.size()];
  return each;
}

}  // namespace inferd

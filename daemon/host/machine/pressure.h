// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace inferd::host {

// Of the last 10 s, the percentage in which somebody waited for it; nothing where the kernel does
// not say.
struct Pressure {
  std::optional<double> cpu, memory, io;
};

// Of the process's own control group, where the kernel says that, else of the machine. `root` is
// put before all paths, for tests.
Pressure read_pressure(const std::string& root = "");

// What one such file says ("some avg10=1.53 avg60=...": 1.53).
std::optional<double> pressure_in(const std::string& path);

}  // namespace inferd::host

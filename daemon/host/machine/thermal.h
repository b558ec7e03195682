// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace inferd::host {

// A place of the machine whose temperature the kernel knows.
struct ThermalZone {
  std::string name;    // "thermal_zone0"
  std::string type;    // "cpu-thermal", "GPU-therm": what people call it
  double celsius = 0;  // now
  // The lowest trip points of each kind: from where on the kernel makes the machine slower, tells
  // drivers that it is hot, switches it off.
  std::optional<double> passive, hot, critical;
};

// Those that say something: zones of units that are switched off, say, do not. `root` is put before
// all paths, for tests.
std::vector<ThermalZone> read_thermal_zones(const std::string& root = "");

}  // namespace inferd::host

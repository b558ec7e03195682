// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace inferd::host {

// What the machine runs on.
struct Power {
  std::optional<double> battery;  // percent of the charge; of several, the lowest
  bool discharging = false;       // one of them is
  std::optional<bool> mains;      // a supply is plugged in; nothing: the kernel knows of none
};

// Batteries of devices (a mouse's) are not looked at. `root` is put before all paths, for tests.
Power read_power(const std::string& root = "");

}  // namespace inferd::host

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace inferd::host {

// What the firmware of a Raspberry Pi does at this moment.
struct Throttling {
  bool under_voltage = false;  // the supply gives too little
  bool frequency_capped = false;
  bool throttled = false;
  bool soft_limit = false;  // of the temperature, from where on it is slower

  bool any() const { return under_voltage || frequency_capped || throttled || soft_limit; }
  std::string to_string() const;  // "under-voltage, throttled"; empty: none
};

// Nothing on other machines. `root` is put before all paths, for tests.
std::optional<Throttling> read_throttling(const std::string& root = "");

}  // namespace inferd::host

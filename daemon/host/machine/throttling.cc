// SPDX-License-Identifier: Apache-2.0
//
// Bits: https://www.raspberrypi.com/documentation/computers/os.html#get_throttled. Those from 16 on
// say what has been since the start, which is nothing to act on.
#include "daemon/host/machine/throttling.h"

#include "daemon/host/machine/small_file.h"

namespace inferd::host {

std::string Throttling::to_string() const {
  std::string text;
  const auto add = [&](bool is, const char* what) {
    if (is) text += std::string(text.empty() ? "" : ", ") + what;
  };
  add(under_voltage, "under-voltage");
  add(frequency_capped, "frequency capped");
  add(throttled, "throttled");
  add(soft_limit, "soft temperature limit");
  return text;
}

std::optional<Throttling> read_throttling(const std::string& root) {
  const std::string file = "/soc:firmware/get_throttled";
  for (const char* platform : {"/sys/devices/platform/soc", "/sys/devices/platform"}) {
    const auto bits = number_in(root + platform + file, 16);
    if (!bits) continue;
    const auto bit = [&](int number) { return (*bits >> number & 1) != 0; };
    return Throttling{bit(0), bit(1), bit(2), bit(3)};
  }
  return std::nullopt;
}

}  // namespace inferd::host

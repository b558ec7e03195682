// SPDX-License-Identifier: Apache-2.0
//
// Format: Documentation/ABI/testing/sysfs-class-power.
#include "daemon/host/machine/power.h"

#include "daemon/host/machine/small_file.h"

namespace inferd::host {

Power read_power(const std::string& root) {
  const std::string folder = root + "/sys/class/power_supply";
  Power power;
  for (const std::string& name : entries_of(folder, "")) {
    const std::string path = folder + "/" + name + "/";
    const std::string type = first_line(path + "type").value_or("");
    if (first_line(path + "scope").value_or("System") == "Device") continue;
    if (type == "Battery") {
      const auto percent = number_in(path + "capacity");
      const bool known = percent && *percent >= 0 && *percent <= 100;
      if (!known || number_in(path + "present").value_or(1) == 0) continue;
      const auto charge = static_cast<double>(*percent);
      if (!power.battery || charge < *power.battery) power.battery = charge;
      if (first_line(path + "status").value_or("") == "Discharging") power.discharging = true;
    } else if (type == "Mains" || type == "USB" || type == "Wireless") {
      const auto online = number_in(path + "online");
      if (online) power.mains = power.mains.value_or(false) || *online > 0;
    }
  }
  return power;
}

}  // namespace inferd::host

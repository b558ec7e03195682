// SPDX-License-Identifier: Apache-2.0
//
// Format: https://docs.kernel.org/driver-api/thermal/sysfs-api.html; the same on Raspberry Pi and
// Jetson, whose zones have names of their own.
#include "daemon/host/machine/thermal.h"

#include "daemon/host/machine/small_file.h"

namespace inferd::host {
namespace {

// Beyond these, no such board works: a sensor that is not there reads as 0 K, or as its largest
// number.
constexpr double kLeastCelsius = -60, kMostCelsius = 200;
constexpr int kMaxTrips = 16;

std::optional<double> celsius_in(const std::string& path) {
  const auto millidegrees = number_in(path);
  if (!millidegrees) return std::nullopt;
  const double celsius = static_cast<double>(*millidegrees) / 1000;
  if (celsius < kLeastCelsius || celsius > kMostCelsius) return std::nullopt;
  return celsius;
}

void take_trip(const std::string& kind, double celsius, ThermalZone& zone) {
  std::optional<double>* const trip = kind == "passive"    ? &zone.passive
                                      : kind == "hot"      ? &zone.hot
                                      : kind == "critical" ? &zone.critical
                                                           : nullptr;
  // Trip points that drivers leave out are 0.
  if (trip != nullptr && celsius > 0 && (!*trip || celsius < **trip)) *trip = celsius;
}

}  // namespace

std::vector<ThermalZone> read_thermal_zones(const std::string& root) {
  const std::string folder = root + "/sys/class/thermal";
  std::vector<ThermalZone> zones;
  for (const std::string& name : entries_of(folder, "thermal_zone")) {
    const std::string path = folder + "/" + name + "/";
    const auto celsius = celsius_in(path + "temp");
    if (!celsius) continue;
    ThermalZone zone;
    zone.name = name;
    zone.type = first_line(path + "type").value_or(name);
    zone.celsius = *celsius;
    for (int i = 0; i < kMaxTrips; ++i) {
      const std::string trip = path + "trip_point_" + std::to_string(i) + "_";
      const auto kind = first_line(trip + "type");
      if (!kind) break;
      if (const auto at = celsius_in(trip + "temp")) take_trip(*kind, *at, zone);
    }
    zones.push_back(std::move(zone));
  }
  return zones;
}

}  // namespace inferd::host

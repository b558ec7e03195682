// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/governor/signals.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>

namespace inferd::host {
namespace {

using config::GovernorConfig;
using config::GovernorThreshold;
using Level = Signal::Level;

// So far below the point where the kernel switches the machine off, zones that state no other trip
// point are taken to be hot: 85 C of a Raspberry Pi's 110, where its firmware begins to throttle.
constexpr double kHotBelowCritical = 25;

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

Level level_of(double value, const GovernorThreshold& threshold) {
  if (value >= threshold.enter) return Level::kHigh;
  return value <= threshold.leave ? Level::kLow : Level::kBetween;
}

// "X is at 82.0 C (80.0 C or more calls for less)"
Signal signal_of(const std::string& what, double value, const std::string& unit,
                 const GovernorThreshold& threshold) {
  Signal signal;
  signal.level = level_of(value, threshold);
  signal.says = what + " is at " + number(value) + unit + " (";
  signal.says += signal.level == Level::kHigh
                     ? number(threshold.enter) + unit + " or more calls for less)"
                     : number(threshold.leave) + unit + " or less is well)";
  return signal;
}

// Nothing: the zone does not say from where on it is hot, and neither does the configuration.
std::optional<GovernorThreshold> threshold_of(const ThermalZone& zone,
                                              const GovernorConfig& config) {
  if (config.temperature) return config.temperature;
  std::optional<double> trip = zone.passive ? zone.passive : zone.hot;
  if (!trip && zone.critical) trip = *zone.critical - kHotBelowCritical;
  if (!trip) return std::nullopt;
  return GovernorThreshold{*trip - config.below_trip.enter, *trip - config.below_trip.leave};
}

bool is_wanted(const ThermalZone& zone, const std::vector<std::string>& zones) {
  return zones.empty() || std::any_of(zones.begin(), zones.end(), [&](const std::string& name) {
           return name == zone.type || name == zone.name;
         });
}

void judge_zones(const Machine& machine, const GovernorConfig& config,
                 std::vector<Signal>& signals) {
  for (const ThermalZone& zone : machine.zones) {
    const auto threshold = threshold_of(zone, config);
    if (threshold && is_wanted(zone, config.zones))
      signals.push_back(signal_of("zone " + zone.type, zone.celsius, " C", *threshold));
  }
}

// Other than all others it calls for less below its threshold, and only while it is discharged.
void judge_battery(const Power& power, const GovernorThreshold& threshold,
                   std::vector<Signal>& signals) {
  if (!power.battery) return;
  const double charge = *power.battery;
  Signal signal;
  signal.level = !power.discharging || charge >= threshold.leave ? Level::kLow
                 : charge <= threshold.enter                     ? Level::kHigh
                                                                 : Level::kBetween;
  signal.says = "the battery is at " + number(charge) + " % and " +
                (power.discharging ? "discharged" : "not discharged") + " (";
  signal.says += signal.level == Level::kHigh
                     ? number(threshold.enter) + " % or less calls for less)"
                     : number(threshold.leave) + " % or more is well)";
  signals.push_back(std::move(signal));
}

std::optional<double> memory_used(const MemoryState& memory) {
  if (memory.total == INT64_MAX || memory.total <= 0) return std::nullopt;
  const double free = static_cast<double>(memory.available) / static_cast<double>(memory.total);
  return 100 * (1 - std::clamp(free, 0.0, 1.0));
}

}  // namespace

std::vector<Signal> judge(const Machine& machine, const GovernorConfig& config) {
  std::vector<Signal> signals;
  judge_zones(machine, config, signals);
  if (config.throttled && machine.throttling) {
    const std::string what = machine.throttling->to_string();
    signals.push_back({what.empty() ? Level::kLow : Level::kHigh,
                       "the firmware " + (what.empty() ? "does not throttle" : "says " + what)});
  }
  const auto add = [&](const std::string& what, std::optional<double> percent,
                       const std::optional<GovernorThreshold>& threshold) {
    if (percent && threshold) signals.push_back(signal_of(what, *percent, " %", *threshold));
  };
  add("the pressure on the CPUs", machine.pressure.cpu, config.cpu_pressure);
  add("the pressure on memory", machine.pressure.memory, config.memory_pressure);
  add("the use of memory of " + machine.memory.limit, memory_used(machine.memory), config.memory);
  if (config.battery) judge_battery(machine.power, *config.battery, signals);
  return signals;
}

}  // namespace inferd::host

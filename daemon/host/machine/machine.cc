// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/machine/machine.h"

#include <utility>

namespace inferd::host {
namespace {

using telemetry::MetricsPage;
using Labels = MetricsPage::Labels;

// "0-3,6"
std::string text_of(const std::vector<int>& cpus) {
  std::string text;
  for (size_t i = 0; i < cpus.size(); ++i) {
    const size_t first = i;
    while (i + 1 < cpus.size() && cpus[i + 1] == cpus[i] + 1) ++i;
    text += (text.empty() ? "" : ",") + std::to_string(cpus[first]);
    if (i > first) text += "-" + std::to_string(cpus[i]);
  }
  return text;
}

void add_temperatures(const std::vector<ThermalZone>& zones, MetricsPage& page) {
  for (const ThermalZone& zone : zones) {
    const Labels labels = {{"zone", zone.name}, {"type", zone.type}};
    page.gauge("inferd_host_temperature_celsius", "Of each thermal zone", labels, zone.celsius);
    const std::pair<const char*, std::optional<double>> trips[] = {
        {"passive", zone.passive}, {"hot", zone.hot}, {"critical", zone.critical}};
    for (const auto& [kind, celsius] : trips) {
      if (!celsius) continue;
      Labels trip = labels;
      trip.emplace_back("trip", kind);
      page.gauge("inferd_host_trip_celsius",
                 "From where on the kernel acts: slows down, warns, switches off", trip, *celsius);
    }
  }
}

void add_clocks(const std::vector<CpuClock>& clocks, MetricsPage& page) {
  for (const CpuClock& clock : clocks) {
    const Labels labels = {{"policy", clock.name}, {"cpus", text_of(clock.cpus)}};
    page.gauge("inferd_host_cpu_frequency_hertz", "Of CPUs with one clock", labels,
               static_cast<double>(clock.hertz));
    page.gauge("inferd_host_cpu_frequency_allowed_hertz",
               "The most that kernel and firmware allow now", labels,
               static_cast<double>(clock.allowed_hertz));
    page.gauge("inferd_host_cpu_frequency_max_hertz", "The most that they can", labels,
               static_cast<double>(clock.most_hertz));
    page.gauge("inferd_host_cpu_capacity", "How fast they are, of 1024 for the fastest", labels,
               static_cast<double>(clock.capacity));
  }
}

void add_throttling(const Throttling& throttling, MetricsPage& page) {
  const std::pair<const char*, bool> flags[] = {{"under_voltage", throttling.under_voltage},
                                                {"frequency_capped", throttling.frequency_capped},
                                                {"throttled", throttling.throttled},
                                                {"soft_limit", throttling.soft_limit}};
  for (const auto& [reason, is] : flags) {
    page.gauge("inferd_host_throttled", "1 while the firmware makes the machine slower, by reason",
               {{"reason", reason}}, is ? 1 : 0);
  }
}

void add_pressure(const Pressure& pressure, MetricsPage& page) {
  const std::pair<const char*, std::optional<double>> kinds[] = {
      {"cpu", pressure.cpu}, {"memory", pressure.memory}, {"io", pressure.io}};
  for (const auto& [resource, percent] : kinds) {
    if (!percent) continue;
    page.gauge("inferd_host_pressure_ratio",
               "Part of the last 10 seconds in which somebody waited for it",
               {{"resource", resource}}, *percent / 100);
  }
}

void add_memory(const MemoryState& memory, MetricsPage& page) {
  if (memory.limit.empty()) return;
  const Labels labels = {{"limit", memory.limit}};
  page.gauge("inferd_host_memory_available_bytes", "Until the nearest limit", labels,
             static_cast<double>(memory.available));
  page.gauge("inferd_host_memory_limit_bytes", "That limit", labels,
             static_cast<double>(memory.total));
}

void add_power(const Power& power, MetricsPage& page) {
  if (power.mains)
    page.gauge("inferd_host_mains_online", "1 while a supply is plugged in", {}, *power.mains);
  if (!power.battery) return;
  page.gauge("inferd_host_battery_ratio", "Charge of the battery", {}, *power.battery / 100);
  page.gauge("inferd_host_battery_discharging", "1 while it is discharged", {}, power.discharging);
}

}  // namespace

Machine read_machine(const std::string& root) {
  Machine machine;
  machine.zones = read_thermal_zones(root);
  machine.clocks = read_cpu_clocks(root);
  machine.throttling = read_throttling(root);
  machine.pressure = read_pressure(root);
  machine.memory = read_memory(root);
  machine.power = read_power(root);
  return machine;
}

void add_metrics(const Machine& machine, MetricsPage& page) {
  add_temperatures(machine.zones, page);
  add_clocks(machine.clocks, page);
  if (machine.throttling) add_throttling(*machine.throttling, page);
  add_pressure(machine.pressure, page);
  add_memory(machine.memory, page);
  add_power(machine.power, page);
}

}  // namespace inferd::host

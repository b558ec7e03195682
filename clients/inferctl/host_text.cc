// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/host_text.h"

#include <algorithm>
#include <cstdio>
#include <string>

namespace inferd::ctl {
namespace {

using Json = nlohmann::json;

Json or_null(const auto& value) { return value ? Json(*value) : Json(); }

std::string number(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

void add(std::string& line, const std::string& part) { line += (line.empty() ? "" : ", ") + part; }

std::string about_machine(const HostInfo& host) {
  std::string line;
  const auto warmest =
      std::max_element(host.zones.begin(), host.zones.end(),
                       [](const HostZone& a, const HostZone& b) { return a.celsius < b.celsius; });
  if (warmest != host.zones.end())
    add(line, number("%.1f C", warmest->celsius) + " (" + warmest->type + ")");
  if (host.throttled)
    add(line, host.throttled->empty() ? "not throttled" : "throttled: " + *host.throttled);
  std::string pressure;
  if (host.cpu_pressure) pressure += number(" cpu %.1f %%", *host.cpu_pressure);
  if (host.memory_pressure) pressure += number(" memory %.1f %%", *host.memory_pressure);
  if (host.io_pressure) pressure += number(" io %.1f %%", *host.io_pressure);
  if (!pressure.empty()) add(line, "pressure" + pressure);
  if (!host.memory_limit.empty()) {
    add(line,
        number("%.0f of ", static_cast<double>(host.memory_available_bytes) / 1e6) +
            number("%.0f MB of memory left", static_cast<double>(host.memory_limit_bytes) / 1e6));
  }
  if (host.battery) {
    add(line, number("battery %.0f %%", *host.battery) +
                  (host.discharging ? ", discharged" : ", not discharged"));
  }
  return line.empty() ? "it says nothing" : line;
}

std::string about_governor(const GovernorInfo& governor) {
  if (governor.level == 0)
    return "none of " + std::to_string(governor.steps.size()) + " steps is taken";
  std::string line = std::to_string(governor.level) + " of " +
                     std::to_string(governor.steps.size()) + " steps taken: ";
  std::string taken;
  for (const GovernorStepInfo& step : governor.steps) {
    if (!step.taken) continue;
    taken += (taken.empty() ? "" : "; ") + step.what;
    if (!step.vain.empty()) taken += " (in vain: " + step.vain + ")";
  }
  return line + taken + "; because " + governor.reason;
}

}  // namespace

Json to_json(const HostInfo& host) {
  Json json = {{"zones", Json::array()},
               {"clocks", Json::array()},
               {"throttled", or_null(host.throttled)},
               {"pressure",
                {{"cpu", or_null(host.cpu_pressure)},
                 {"memory", or_null(host.memory_pressure)},
                 {"io", or_null(host.io_pressure)}}},
               {"battery", or_null(host.battery)},
               {"discharging", host.discharging},
               {"mains", or_null(host.mains)},
               {"memory_limit", host.memory_limit},
               {"memory_limit_bytes", host.memory_limit_bytes},
               {"memory_available_bytes", host.memory_available_bytes},
               {"governor", Json()}};
  for (const HostZone& zone : host.zones) {
    json["zones"].push_back({{"name", zone.name},
                             {"type", zone.type},
                             {"celsius", zone.celsius},
                             {"passive", or_null(zone.passive)},
                             {"critical", or_null(zone.critical)}});
  }
  for (const HostClock& clock : host.clocks) {
    json["clocks"].push_back({{"name", clock.name},
                              {"cpus", clock.cpus},
                              {"hertz", clock.hertz},
                              {"allowed_hertz", clock.allowed_hertz},
                              {"most_hertz", clock.most_hertz},
                              {"capacity", clock.capacity}});
  }
  if (!host.governor) return json;
  Json& governor = json["governor"];
  governor = {
      {"level", host.governor->level}, {"reason", host.governor->reason}, {"steps", Json::array()}};
  for (const GovernorStepInfo& step : host.governor->steps) {
    governor["steps"].push_back({{"what", step.what},
                                 {"taken", step.taken},
                                 {"vain", step.vain},
                                 {"ups", step.ups},
                                 {"downs", step.downs}});
  }
  return json;
}

void print_host(const HostInfo& host) {
  std::printf("host     %s\n", about_machine(host).c_str());
  if (host.governor) std::printf("governor %s\n", about_governor(*host.governor).c_str());
}

}  // namespace inferd::ctl

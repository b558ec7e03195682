// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/host.h"

namespace inferd {
namespace {

HostZone from_proto(const inferd::v1::ThermalZone& z) {
  HostZone zone{z.name(), z.type(), z.celsius(), {}, {}};
  if (z.has_passive()) zone.passive = z.passive();
  if (z.has_critical()) zone.critical = z.critical();
  return zone;
}

GovernorInfo from_proto(const inferd::v1::Governor& g) {
  GovernorInfo governor{{}, g.level(), g.reason()};
  for (const auto& step : g.steps())
    governor.steps.push_back({step.what(), step.taken(), step.vain(), step.ups(), step.downs()});
  return governor;
}

}  // namespace

HostInfo from_proto(const inferd::v1::Host& h) {
  HostInfo host;
  for (const auto& zone : h.zones()) host.zones.push_back(from_proto(zone));
  for (const auto& c : h.clocks()) {
    host.clocks.push_back({c.name(),
                           {c.cpus().begin(), c.cpus().end()},
                           c.hertz(),
                           c.allowed_hertz(),
                           c.most_hertz(),
                           c.capacity()});
  }
  if (h.has_throttled()) host.throttled = h.throttled();
  if (h.pressure().has_cpu()) host.cpu_pressure = h.pressure().cpu();
  if (h.pressure().has_memory()) host.memory_pressure = h.pressure().memory();
  if (h.pressure().has_io()) host.io_pressure = h.pressure().io();
  if (h.power().has_battery()) host.battery = h.power().battery();
  host.discharging = h.power().discharging();
  if (h.power().has_mains()) host.mains = h.power().mains();
  host.memory_limit = h.memory_limit();
  host.memory_limit_bytes = h.memory_limit_bytes();
  host.memory_available_bytes = h.memory_available_bytes();
  if (h.has_governor()) host.governor = from_proto(h.governor());
  return host;
}

std::vector<ClientInfo> from_proto(const inferd::v1::ListClientsResponse& response) {
  std::vector<ClientInfo> clients;
  for (const auto& c : response.clients()) {
    clients.push_back({c.protocol(), c.user(), c.process(), c.address(), c.subject(), c.name(),
                       c.requests(), c.failed(), c.on_their_way(), c.idle_ms()});
  }
  return clients;
}

}  // namespace inferd

// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/services/host_calls.h"

#include <algorithm>

#include "daemon/config/accounts.h"
#include "daemon/serve/client_counts.h"
#include "daemon/serve/services/seat.h"
#include "daemon/telemetry/log.h"
#include "daemon/telemetry/log_tail.h"

namespace inferd::serve {
namespace {

void fill(const host::ThermalZone& zone, inferd::v1::ThermalZone* out) {
  out->set_name(zone.name);
  out->set_type(zone.type);
  out->set_celsius(zone.celsius);
  if (zone.passive) out->set_passive(*zone.passive);
  if (zone.critical) out->set_critical(*zone.critical);
}

void fill(const host::CpuClock& clock, inferd::v1::CpuClock* out) {
  out->set_name(clock.name);
  for (const int cpu : clock.cpus) out->add_cpus(cpu);
  out->set_hertz(clock.hertz);
  out->set_allowed_hertz(clock.allowed_hertz);
  out->set_most_hertz(clock.most_hertz);
  out->set_capacity(clock.capacity);
}

void fill(const host::Pressure& pressure, inferd::v1::HostPressure* out) {
  if (pressure.cpu) out->set_cpu(*pressure.cpu);
  if (pressure.memory) out->set_memory(*pressure.memory);
  if (pressure.io) out->set_io(*pressure.io);
}

void fill(const host::Power& power, inferd::v1::HostPower* out) {
  if (power.battery) out->set_battery(*power.battery);
  out->set_discharging(power.discharging);
  if (power.mains) out->set_mains(*power.mains);
}

void fill(const host::GovernorState& governor, inferd::v1::Governor* out) {
  out->set_level(static_cast<int32_t>(governor.level));
  out->set_reason(governor.reason);
  for (const host::GovernorState::Step& step : governor.steps) {
    auto* s = out->add_steps();
    s->set_what(step.what);
    s->set_taken(step.taken);
    s->set_vain(step.vain);
    s->set_ups(step.ups);
    s->set_downs(step.downs);
  }
}

// In the same order, after UNSPECIFIED.
inferd::v1::LogLevel to_proto(LogLevel level) {
  return static_cast<inferd::v1::LogLevel>(static_cast<int>(level) + 1);
}

void fill(const telemetry::LogTail::Line& line, inferd::v1::LogLine* out) {
  out->set_number(line.number);
  out->set_time_ms(line.time_ms);
  out->set_level(to_proto(line.level));
  out->set_text(line.text);
  out->set_model(line.model);
  out->set_pipeline(line.pipeline);
}

}  // namespace

Status HostCalls::show(const Asked& asked, const inferd::v1::ShowHostRequest&,
                       inferd::v1::Host& response) {
  INFERD_RETURN_IF_ERROR(check_role(asked.roles, Role::kObserve, "ShowHost"));
  if (host_ == nullptr) return unimplemented("this daemon does not look at its host");
  const host::HostState state = host_->state();
  const host::Machine& machine = state.machine;
  for (const host::ThermalZone& zone : machine.zones) fill(zone, response.add_zones());
  for (const host::CpuClock& clock : machine.clocks) fill(clock, response.add_clocks());
  if (machine.throttling) response.set_throttled(machine.throttling->to_string());
  fill(machine.pressure, response.mutable_pressure());
  fill(machine.power, response.mutable_power());
  if (!machine.memory.limit.empty()) {
    response.set_memory_limit(machine.memory.limit);
    response.set_memory_limit_bytes(machine.memory.total);
    response.set_memory_available_bytes(machine.memory.available);
  }
  if (state.governor) fill(*state.governor, response.mutable_governor());
  return ok_status();
}

Status HostCalls::list_clients(const Asked& asked, const inferd::v1::ListClientsRequest&,
                               inferd::v1::ListClientsResponse& response) {
  INFERD_RETURN_IF_ERROR(check_role(asked.roles, Role::kAdmin, "ListClients"));
  const int64_t now = schedule::now_ns();
  for (const ClientCounts::Client& client : client_counts().all()) {
    auto* c = response.add_clients();
    c->set_protocol(client.protocol);
    if (client.user >= 0) c->set_user(config::name_of_user(static_cast<uid_t>(client.user)));
    c->set_process(client.process);
    c->set_address(client.address);
    c->set_subject(client.subject);
    c->set_name(client.name);
    c->set_requests(client.requests);
    c->set_failed(client.failed);
    c->set_on_their_way(client.on_their_way);
    c->set_idle_ms(std::max<int64_t>(now - client.newest_ns, 0) / 1'000'000);
  }
  return ok_status();
}

// Lines name files, addresses and clients: for admins.
Status HostCalls::tail_log(const Asked& asked, const inferd::v1::TailLogRequest& request,
                           const Answers<inferd::v1::LogLine>& answers) {
  INFERD_RETURN_IF_ERROR(check_role(asked.roles, Role::kAdmin, "TailLog"));
  const Seat seat(readers_, kMaxReaders);
  if (!seat.ok()) {
    return resource_exhausted(std::to_string(kMaxReaders) + " read the log already");
  }
  const telemetry::LogTail& tail = telemetry::log_tail();
  uint64_t seen = request.lines() == 0 ? 0 : tail.before_newest(request.lines());
  answers.begin();
  inferd::v1::LogLine message;
  while (!asked.cancelled()) {
    const auto line = tail.next(seen, kCheckCallerMs);
    if (line == nullptr) continue;
    seen = line->number;
    if (to_proto(line->level) < request.min_level()) continue;
    message.Clear();
    fill(*line, &message);
    if (!answers.write(message)) break;
  }
  return ok_status();
}

}  // namespace inferd::serve

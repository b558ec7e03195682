// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/top/views.h"

#include <algorithm>

#include "clients/inferctl/text.h"
#include "clients/inferctl/top/pipeline_view.h"

namespace inferd::ctl {
namespace {

std::string number(const char* format, auto value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// "a [1,224,224,3] UINT8"
std::string describe(const TensorInfo& tensor) {
  return tensor.name + " " + std::string(dtype_name(tensor.dtype)) + tensor.shape.to_string();
}

Table what_and_value() { return {{{"", "what", false, 12}, {"", "value", false, 12}}, {}}; }

void add(Table& table, const std::string& what, const std::string& value, Mark mark = Mark::kNone) {
  table.rows.push_back({what, {text_cell(what), text_cell(value, mark)}});
}

const ServedModelStatistics* find(const Sample& sample, const ServedModelStatistics& like) {
  for (const auto& m : sample.statistics)
    if (m.name == like.name && m.version == like.version) return &m;
  return nullptr;
}

// How much each number grew, and the means of what came meanwhile.
struct ModelRate {
  ServedModelStatistics grown;  // means are of the growth
  double seconds = 0;           // 0: there is no earlier sample

  ModelRate(const SamplePair& samples, const ServedModelStatistics& now) : grown(now) {
    if (!samples.has_before) return;
    seconds = samples.seconds();
    const ServedModelStatistics* before = find(samples.before, now);
    if (before == nullptr || before->executions > now.executions ||
        before->inferences > now.inferences || before->succeeded > now.succeeded ||
        before->failed > now.failed)
      return;  // it was loaded anew meanwhile
    grown.inferences -= before->inferences;
    grown.executions -= before->executions;
    grown.succeeded -= before->succeeded;
    grown.failed -= before->failed;
    const auto mean = [&](double all, double earlier) {
      const auto n = static_cast<double>(grown.succeeded);
      if (grown.succeeded == 0) return 0.0;
      return std::max(0.0, (all * static_cast<double>(now.succeeded) -
                            earlier * static_cast<double>(before->succeeded)) /
                               n);
    };
    grown.mean_queue_ms = mean(now.mean_queue_ms, before->mean_queue_ms);
    grown.mean_compute_ms = mean(now.mean_compute_ms, before->mean_compute_ms);
  }

  TableCell per_second(uint64_t count) const {
    return seconds > 0 ? number_cell(static_cast<double>(count) / seconds, 1) : no_cell();
  }
};

Mark mark_of_state(const std::string& state) {
  if (state == "READY") return Mark::kGood;
  return state == "UNAVAILABLE" ? Mark::kBad : Mark::kNone;
}

const ServedModelInfo* known(const Sample& sample, const std::string& name,
                             const std::string& version) {
  for (const ServedModelInfo& m : sample.models)
    if (m.name == name && (version.empty() || m.version == version)) return &m;
  return nullptr;
}

std::vector<TableCell> cells_of(const SamplePair& samples, const ServedModelStatistics& m) {
  const ModelRate rate(samples, m);
  const ServedModelStatistics& g = rate.grown;
  const bool ran = g.executions > 0;
  const bool answered = g.succeeded > 0;
  const ServedModelInfo* info = known(samples.now, m.name, m.version);
  const std::string state = info == nullptr ? "READY" : info->state;
  return {
      text_cell(m.name),
      number_cell(std::strtod(m.version.c_str(), nullptr)),
      text_cell(state, mark_of_state(state)),
      rate.per_second(g.succeeded + g.failed),
      rate.per_second(g.inferences),
      ran ? number_cell(static_cast<double>(g.inferences) / static_cast<double>(g.executions), 1)
          : no_cell(),
      answered ? number_cell(g.mean_queue_ms, 2) : no_cell(),
      answered ? number_cell(g.mean_compute_ms, 2) : no_cell(),
      number_cell(static_cast<double>(m.failed), 0, g.failed > 0 ? Mark::kBad : Mark::kNone),
      number_cell(static_cast<double>(m.succeeded + m.failed))};
}

Table models(const SamplePair& samples) {
  Table table{{{"MODEL", "model", false, 12, 40},
               {"VERSION", "version", true},
               {"STATE", "state", false, 5, 12},
               {"REQ/S", "requests_per_s", true, 7},
               {"INFER/S", "inferences_per_s", true, 7},
               {"BATCH", "batch", true, 5},
               {"QUEUE ms", "queue_ms", true, 8},
               {"RUN ms", "compute_ms", true, 8},
               {"FAILED", "failed", true, 6},
               {"REQUESTS", "requests", true, 8}},
              {}};
  for (const auto& m : samples.now.statistics)
    table.rows.push_back({m.name + "/" + m.version, cells_of(samples, m)});
  // Those that are not loaded.
  for (const ServedModelInfo& m : samples.now.models) {
    const bool is_loaded =
        std::any_of(samples.now.statistics.begin(), samples.now.statistics.end(),
                    [&](const auto& s) { return s.name == m.name && s.version == m.version; });
    if (is_loaded) continue;
    const TableCell version =
        m.version.empty() ? no_cell() : number_cell(std::strtod(m.version.c_str(), nullptr));
    const TableCell none = no_cell();
    table.rows.push_back({m.name + "/" + m.version,
                          {text_cell(m.name), version, text_cell(m.state, mark_of_state(m.state)),
                           none, none, none, none, none, none, none}});
  }
  return table;
}

Table one_model(const SamplePair& samples, const std::string& key) {
  Table table = what_and_value();
  const std::string name = key.substr(0, key.rfind('/'));
  const std::string version = key.substr(key.rfind('/') + 1);
  const ServedModelInfo* info = known(samples.now, name, version);
  if (info != nullptr) {
    add(table, "model", info->name);
    add(table, "version", info->version);
    add(table, "state", info->state + (info->reason.empty() ? "" : ": " + info->reason),
        mark_of_state(info->state));
    if (!info->platform.empty()) add(table, "platform", info->platform);
    for (const TensorInfo& t : info->inputs) add(table, "input", describe(t));
    for (const TensorInfo& t : info->outputs) add(table, "output", describe(t));
  }
  for (const auto& m : samples.now.statistics) {
    if (m.name != name || m.version != version) continue;
    const ModelRate rate(samples, m);
    add(table, "requests",
        std::to_string(m.succeeded) + " answered, " + std::to_string(m.failed) + " failed");
    add(table, "inferences",
        std::to_string(m.inferences) + " in " + std::to_string(m.executions) + " runs");
    add(table, "queue",
        number("%.3f ms on average", m.mean_queue_ms) +
            number(", %.3f now", rate.grown.mean_queue_ms));
    add(table, "compute",
        number("%.3f ms on average", m.mean_compute_ms) +
            number(", %.3f now", rate.grown.mean_compute_ms));
  }
  return table;
}

std::string who(const ClientInfo& c) {
  std::string who = c.name;
  const auto say = [&](const std::string& what) { who += (who.empty() ? "" : " ") + what; };
  if (!c.subject.empty()) say("subject:" + c.subject);
  if (!c.user.empty()) say("user:" + c.user);
  if (c.process != 0) say("process:" + std::to_string(c.process));
  if (!c.address.empty()) say(c.address);
  return who.empty() ? "?" : who;
}

std::string key_of(const ClientInfo& c) { return c.protocol + " " + who(c); }

TableCell rate_of(const SamplePair& samples, const ClientInfo& c) {
  if (!samples.has_before || samples.seconds() <= 0) return no_cell();
  uint64_t before = 0;
  if (samples.before.clients.ok()) {
    for (const ClientInfo& b : *samples.before.clients)
      if (key_of(b) == key_of(c) && b.requests <= c.requests) before = b.requests;
  }
  return number_cell(static_cast<double>(c.requests - before) / samples.seconds(), 1);
}

Table clients(const SamplePair& samples) {
  Table table{{{"CLIENT", "client", false, 12, 60},
               {"OVER", "protocol", false, 5},
               {"REQ/S", "requests_per_s", true, 7},
               {"ON WAY", "on_their_way", true, 6},
               {"FAILED", "failed", true, 6},
               {"REQUESTS", "requests", true, 8},
               {"IDLE s", "idle_s", true, 7}},
              {}};
  if (!samples.now.clients.ok()) {
    const TableCell none = no_cell();
    const std::string why = "not known: " + samples.now.clients.status().message();
    table.rows.push_back({"?", {text_cell(why), text_cell(""), none, none, none, none, none}});
    return table;
  }
  for (const ClientInfo& c : *samples.now.clients) {
    table.rows.push_back(
        {key_of(c),
         {text_cell(who(c)), text_cell(c.protocol), rate_of(samples, c),
          number_cell(static_cast<double>(c.on_their_way)),
          number_cell(static_cast<double>(c.failed)), number_cell(static_cast<double>(c.requests)),
          number_cell(static_cast<double>(c.idle_ms) / 1e3, 1)}});
  }
  return table;
}

Table one_client(const SamplePair& samples, const std::string& key) {
  Table table = what_and_value();
  if (!samples.now.clients.ok()) return table;
  for (const ClientInfo& c : *samples.now.clients) {
    if (key_of(c) != key) continue;
    add(table, "protocol", c.protocol);
    if (!c.name.empty()) add(table, "calls itself", c.name);
    if (!c.user.empty()) add(table, "user", c.user);
    if (c.process != 0) add(table, "process", std::to_string(c.process));
    if (!c.address.empty()) add(table, "address", c.address);
    if (!c.subject.empty()) add(table, "certificate of", c.subject);
    add(table, "requests", std::to_string(c.requests));
    add(table, "failed", std::to_string(c.failed), c.failed > 0 ? Mark::kBad : Mark::kNone);
    add(table, "on their way", std::to_string(c.on_their_way));
    add(table, "idle", number("%.1f s", static_cast<double>(c.idle_ms) / 1e3));
  }
  return table;
}

void add_machine(const HostInfo& host, Table& table) {
  for (const HostZone& zone : host.zones) {
    std::string text = number("%.1f C", zone.celsius);
    if (zone.passive) text += number(", slower from %.0f C", *zone.passive);
    if (zone.critical) text += number(", off at %.0f C", *zone.critical);
    const bool is_hot = zone.passive && zone.celsius >= *zone.passive;
    add(table, zone.name + " " + zone.type, text, is_hot ? Mark::kBad : Mark::kNone);
  }
  for (const HostClock& clock : host.clocks) {
    add(table, "clock " + clock.name,
        number("%.0f MHz", static_cast<double>(clock.hertz) / 1e6) +
            number(", %.0f allowed", static_cast<double>(clock.allowed_hertz) / 1e6) +
            number(" of %.0f", static_cast<double>(clock.most_hertz) / 1e6) + ", " +
            std::to_string(clock.cpus.size()) + " CPUs",
        clock.allowed_hertz < clock.most_hertz ? Mark::kBad : Mark::kNone);
  }
  if (host.throttled) {
    add(table, "throttled", host.throttled->empty() ? "no" : *host.throttled,
        host.throttled->empty() ? Mark::kGood : Mark::kBad);
  }
  if (host.cpu_pressure) add(table, "pressure on CPU", number("%.1f %%", *host.cpu_pressure));
  if (host.memory_pressure)
    add(table, "pressure on memory", number("%.1f %%", *host.memory_pressure));
  if (host.io_pressure) add(table, "pressure on disks", number("%.1f %%", *host.io_pressure));
  if (!host.memory_limit.empty()) {
    add(table, "memory left",
        number("%.0f of ", static_cast<double>(host.memory_available_bytes) / 1e6) +
            number("%.0f MB", static_cast<double>(host.memory_limit_bytes) / 1e6) + ", of " +
            host.memory_limit);
  }
  if (host.battery) {
    add(table, "battery",
        number("%.0f %%", *host.battery) + (host.discharging ? ", discharging" : ""));
  }
}

Table host_table(const SamplePair& samples) {
  Table table{{{"HOST", "what", false, 12, 40}, {"", "value", false, 12}}, {}};
  if (!samples.now.host.ok()) {
    add(table, "not known", samples.now.host.status().message());
    return table;
  }
  const HostInfo& host = *samples.now.host;
  add_machine(host, table);
  if (!host.governor) return table;
  add(table, "governor",
      std::to_string(host.governor->level) + " of " + std::to_string(host.governor->steps.size()) +
          " steps taken" +
          (host.governor->reason.empty() ? "" : ", because " + host.governor->reason),
      host.governor->level > 0 ? Mark::kBad : Mark::kGood);
  for (size_t i = 0; i < host.governor->steps.size(); ++i) {
    const GovernorStepInfo& step = host.governor->steps[i];
    std::string text = step.taken ? "taken" : "not taken";
    if (!step.vain.empty()) text += ", in vain: " + step.vain;
    text += "; " + std::to_string(step.ups) + " times taken, " + std::to_string(step.downs) +
            " taken back";
    add(table, std::to_string(i + 1) + ". " + step.what, text);
  }
  return table;
}

Table one_of_host(const SamplePair& samples, const std::string& key) {
  Table table = host_table(samples);
  std::erase_if(table.rows, [&](const Row& row) { return row.key != key; });
  return table;
}

}  // namespace

const std::array<View, 4>& views() {
  static const std::array<View, 4> all = {{{"models", models, one_model},
                                           {"pipelines", pipelines_table, one_pipeline},
                                           {"clients", clients, one_client},
                                           {"host", host_table, one_of_host}}};
  return all;
}

std::string headline(const SamplePair& samples) {
  const Sample& now = samples.now;
  std::string line =
      now.server.name + " " + now.server.version + (now.server.ready ? ", ready" : ", not ready");
  double requests = 0;
  for (const auto& m : now.statistics) {
    const ModelRate rate(samples, m);
    if (rate.seconds > 0)
      requests += static_cast<double>(rate.grown.succeeded + rate.grown.failed) / rate.seconds;
  }
  line += number(", %.1f requests/s", requests);
  if (now.host.ok()) {
    const auto& zones = now.host->zones;
    const auto warmest =
        std::max_element(zones.begin(), zones.end(),
                         [](const auto& a, const auto& b) { return a.celsius < b.celsius; });
    if (warmest != zones.end()) line += number(", %.0f C", warmest->celsius);
    if (now.host->throttled && !now.host->throttled->empty())
      line += ", throttled: " + *now.host->throttled;
    if (!now.host->memory_limit.empty()) {
      line += number(", %.0f MB of memory left",
                     static_cast<double>(now.host->memory_available_bytes) / 1e6);
    }
  }
  return printable(line);
}

}  // namespace inferd::ctl

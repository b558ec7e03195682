// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/settings.h"

#include <algorithm>
#include <array>

#include "daemon/telemetry/log.h"

namespace inferd::serve {
namespace {

// On: this level and those that are more urgent are written. Off: only the latter.
struct Switch {
  std::string_view name;
  LogLevel level;
  LogLevel more_urgent;
};
constexpr std::array<Switch, 3> kSwitches = {{
    {"log_verbose_level", LogLevel::kDebug, LogLevel::kInfo},
    {"log_info", LogLevel::kInfo, LogLevel::kWarning},
    {"log_warning", LogLevel::kWarning, LogLevel::kError},
}};

bool is_switch(std::string_view name) {
  return std::any_of(kSwitches.begin(), kSwitches.end(),
                     [&](const Switch& s) { return s.name == name; });
}

Result<bool> is_on(const Switch& setting, const Parameter& value) {
  if (setting.level != LogLevel::kDebug) {
    if (const bool* on = std::get_if<bool>(&value); on != nullptr) return *on;
    return invalid_argument("log setting '" + std::string(setting.name) + "' is true or false");
  }
  if (const auto* level = std::get_if<uint64_t>(&value); level != nullptr) return *level > 0;
  if (const auto* level = std::get_if<int64_t>(&value); level != nullptr) return *level > 0;
  return invalid_argument("log setting '" + std::string(setting.name) + "' is a whole number");
}

// Those that a running daemon keeps may be "set" to what they are.
Status check_kept(const std::string& name, const Parameter& value) {
  const LogSettings now = log_settings();
  const auto kept = now.find(name);
  if (kept == now.end()) return invalid_argument("unknown log setting '" + name + "'");
  if (kept->second == value) return ok_status();
  return unimplemented("log setting '" + name +
                       "' cannot be changed while the daemon runs; see 'log' in its configuration");
}

}  // namespace

LogSettings log_settings() {
  LogSettings settings = {{"log_error", true},
                          {"log_file", std::string()},
                          {"log_format", std::string(telemetry::logs_json() ? "json" : "default")}};
  const LogLevel level = telemetry::log_level();
  for (const Switch& setting : kSwitches) {
    settings[std::string(setting.name)] = level <= setting.level;
  }
  settings["log_verbose_level"] = uint64_t{level <= LogLevel::kDebug ? 1U : 0U};
  return settings;
}

Status set_log_settings(const LogSettings& settings) {
  for (const auto& [name, value] : settings) {
    if (!is_switch(name)) INFERD_RETURN_IF_ERROR(check_kept(name, value));
  }
  LogLevel level = telemetry::log_level();
  for (const Switch& setting : kSwitches) {
    const auto given = settings.find(std::string(setting.name));
    if (given == settings.end()) continue;
    INFERD_ASSIGN_OR_RETURN(const bool on, is_on(setting, given->second));
    level = on ? std::min(level, setting.level) : std::max(level, setting.more_urgent);
  }
  telemetry::set_log_level(level);
  return ok_status();
}

TraceSettings trace_settings() { return {{"trace_level", {"OFF"}}}; }

Status set_trace_settings(const TraceSettings& settings) {
  for (const auto& [name, values] : settings) {
    const bool is_off = name == "trace_level" && values == std::vector<std::string>{"OFF"};
    if (values.empty() || is_off) continue;
    return unimplemented("trace setting '" + name + "' cannot be set: nothing is traced");
  }
  return ok_status();
}

}  // namespace inferd::serve

// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/settings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "daemon/telemetry/log.h"
#include "daemon/telemetry/trace.h"

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

constexpr const char* kTraceMode = "chrome";

Status set_trace_level(const std::vector<std::string>& values, telemetry::TraceOverrides& out) {
  for (const std::string& value : values) {
    if (value == "TENSORS") return unimplemented("trace_level TENSORS: tensors are not traced");
    if (value != "OFF" && value != "TIMESTAMPS") {
      return invalid_argument("trace_level must be OFF or TIMESTAMPS, not '" + value + "'");
    }
    out.timestamps = out.timestamps.value_or(false) || value == "TIMESTAMPS";
  }
  return ok_status();
}

// One setting of a client's; without values, nothing is set.
Status set_trace_setting(const std::string& name, const std::vector<std::string>& values,
                         telemetry::TraceOverrides& out) {
  if (name == "trace_level") return set_trace_level(values, out);
  if (values.size() > 1) return invalid_argument("trace setting '" + name + "' has one value");
  const std::string value = values.empty() ? "" : values[0];
  if (name == "trace_mode") {
    if (values.empty() || value == kTraceMode) return ok_status();
    return unimplemented("trace_mode is always '" + std::string(kTraceMode) + "'");
  }
  if (name == "trace_file") {
    if (!values.empty()) out.file = value;
    return ok_status();
  }
  const std::map<std::string, std::optional<int64_t>*> numbers = {
      {"trace_rate", &out.rate},
      {"trace_count", &out.count},
      {"log_frequency", &out.log_frequency}};
  const auto known = numbers.find(name);
  if (known == numbers.end()) return invalid_argument("unknown trace setting '" + name + "'");
  if (values.empty()) return ok_status();
  int64_t number = 0;
  const char* const end = value.data() + value.size();
  const auto [stopped, error] = std::from_chars(value.data(), end, number);
  if (error != std::errc() || stopped != end) {
    return invalid_argument("trace setting '" + name + "' must be a whole number");
  }
  *known->second = number;
  return ok_status();
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

TraceSettings trace_settings(const std::string& model) {
  const config::TraceConfig now = telemetry::tracer().settings(model);
  return {{"trace_level", {now.timestamps ? "TIMESTAMPS" : "OFF"}},
          {"trace_rate", {std::to_string(now.rate)}},
          {"trace_count", {std::to_string(now.count)}},
          {"log_frequency", {std::to_string(now.log_frequency)}},
          {"trace_file", {now.file}},
          {"trace_mode", {kTraceMode}}};
}

Status set_trace_settings(const std::string& model, const TraceSettings& settings) {
  if (settings.empty()) return ok_status();
  telemetry::TraceOverrides given;
  for (const auto& [name, values] : settings) {
    INFERD_RETURN_IF_ERROR(set_trace_setting(name, values, given));
  }
  return telemetry::tracer().change(model, [&](telemetry::TraceOverrides& overrides) {
    const auto take = [&](const std::string& name, auto& own, const auto& other) {
      if (settings.contains(name)) own = other;
    };
    take("trace_level", overrides.timestamps, given.timestamps);
    take("trace_rate", overrides.rate, given.rate);
    take("trace_count", overrides.count, given.count);
    take("log_frequency", overrides.log_frequency, given.log_frequency);
    take("trace_file", overrides.file, given.file);
  });
}

}  // namespace inferd::serve

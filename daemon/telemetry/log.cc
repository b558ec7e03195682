// SPDX-License-Identifier: Apache-2.0
#include "daemon/telemetry/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

namespace inferd::telemetry {
namespace {

bool g_json = false;  // set once, by set_up_log()

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

void set_up_log(const config::LogConfig& config) {
  g_json = config.format == "json";
  auto logger = spdlog::stderr_color_mt("inferd");
  logger->set_level(spdlog::level::from_str(config.level));
  logger->set_pattern(g_json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":%v})"
                             : "%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
  spdlog::set_default_logger(std::move(logger));
}

void set_log_level(LogLevel level) { spdlog::set_level(level_of(level)); }

LogLevel log_level() {
  for (const LogLevel level : {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning}) {
    if (spdlog::should_log(level_of(level))) return level;
  }
  return LogLevel::kError;
}

bool logs_json() { return g_json; }

void log(LogLevel level, std::string_view message) {
  if (!g_json) return spdlog::log(level_of(level), "{}", message);
  using Json = nlohmann::json;
  const std::string quoted =
      Json(std::string(message)).dump(-1, ' ', false, Json::error_handler_t::replace);
  spdlog::log(level_of(level), "{}", quoted);
}

}  // namespace inferd::telemetry

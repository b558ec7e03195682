// SPDX-License-Identifier: Apache-2.0
#include "daemon/telemetry/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "daemon/telemetry/journal.h"
#include "daemon/telemetry/log_tail.h"

namespace inferd::telemetry {
namespace {

// Set once, by set_up_log().
bool g_json = false;
bool g_journal = false;

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

std::string quoted(std::string_view text) {
  using Json = nlohmann::json;
  return Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

void set_up_log(const config::LogConfig& config) {
  g_json = config.format == "json";
  g_journal = !g_json && is_journal(STDERR_FILENO, std::getenv("JOURNAL_STREAM"));
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

void log(LogLevel level, std::string_view message) { log(level, message, About()); }

void log(LogLevel level, std::string_view message, const About& about) {
  if (!spdlog::should_log(level_of(level))) return;
  log_tail().add(level, message, about);
  if (g_journal && send_to_journal(journal_entry(level, message, about))) return;
  if (!g_json) return spdlog::log(level_of(level), "{}", message);
  std::string values = quoted(message);
  if (!about.model.empty()) values += ",\"model\":" + quoted(about.model);
  if (!about.pipeline.empty()) values += ",\"pipeline\":" + quoted(about.pipeline);
  spdlog::log(level_of(level), "{}", values);
}

}  // namespace inferd::telemetry

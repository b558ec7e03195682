// SPDX-License-Identifier: Apache-2.0
//
// The daemon's log: one line per event on stderr, as text or as JSON; where stderr is systemd's
// journal and lines are text, entries with fields instead. Any thread.
#pragma once

#include <string_view>

#include "daemon/config/config.h"
#include "inferd/engine/engine.h"

namespace inferd::telemetry {

// Call once, before threads start.
void set_up_log(const config::LogConfig& config);

// What is less urgent than the level is not written. Any thread.
void set_log_level(LogLevel level);
LogLevel log_level();
bool logs_json();

// What an event is about, for whoever looks for all of one thing: `journalctl MODEL=detector`,
// and keys "model" and "pipeline" in JSON. The message says it as well. Empty: nothing of the kind.
struct About {
  std::string_view model = {}, pipeline = {};
};

void log(LogLevel level, std::string_view message);
void log(LogLevel level, std::string_view message, const About& about);

}  // namespace inferd::telemetry

// SPDX-License-Identifier: Apache-2.0
//
// The daemon's log: one line per event on stderr, as text or as JSON. Any thread.
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

void log(LogLevel level, std::string_view message);

}  // namespace inferd::telemetry

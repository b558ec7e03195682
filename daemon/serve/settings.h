// SPDX-License-Identifier: Apache-2.0
//
// What clients of any protocol may look at and change while the daemon runs: Triton's logging and
// trace extensions. Any thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/serve/call.h"

namespace inferd::serve {

// `log_verbose_level` (0 or 1), `log_info`, `log_warning`, `log_error`, `log_file`, `log_format`.
using LogSettings = std::map<std::string, Parameter>;
LogSettings log_settings();

// Changes those that are given, or none of them. One level lies behind the first three: to be told
// more means to be told of all that is more urgent, too, and of two that contradict each other, the
// more urgent one wins. INVALID_ARGUMENT for unknown names and for values of another kind;
// UNIMPLEMENTED for what only the configuration can change.
Status set_log_settings(const LogSettings& settings);

// `trace_level` (OFF or TIMESTAMPS), `trace_rate`, `trace_count` (what is left), `log_frequency`,
// `trace_file` and `trace_mode` (always "chrome") of one model, or of all where the name is empty.
using TraceSettings = std::map<std::string, std::vector<std::string>>;
TraceSettings trace_settings(const std::string& model);

// Changes those that are given, or none of them; one without values is cleared: a model's is then
// that of all models, and that of all models the configuration's. UNIMPLEMENTED for the level
// TENSORS, INVALID_ARGUMENT for other values that mean nothing and for unknown names, and as
// telemetry::Tracer::change().
Status set_trace_settings(const std::string& model, const TraceSettings& settings);

}  // namespace inferd::serve

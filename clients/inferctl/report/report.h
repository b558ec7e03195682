// SPDX-License-Identifier: Apache-2.0
//
// Reports of measurements as one file of HTML. They show what --json prints, and carry it along.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "clients/inferctl/measure/latency_histogram.h"
#include "inferd/engine/status.h"

namespace inferd::ctl::report {

// Of --json: [[from ms, to ms, how many], ...].
nlohmann::json histogram_json(const LatencyHistogram& latency);

// What a report says of where and how it was made: machine, kernel, versions, command, time.
nlohmann::json about_this_run(const std::string& version);

// `result`: what `inferctl bench --profile --json` prints, with how memory was measured.
std::string bench_report(const nlohmann::json& result, const nlohmann::json& about);

// `result`: what `inferctl load --json` prints. `about` has `endpoint` and `daemon`, too.
std::string load_report(const nlohmann::json& result, const nlohmann::json& about);

// Written beside the path and renamed. FAILED_PRECONDITION: it cannot be written.
Status write_report(const std::string& path, const std::string& html);

}  // namespace inferd::ctl::report

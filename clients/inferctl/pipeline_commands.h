// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "clients/inferctl/command.h"
#include "inferd/client/client.h"

namespace inferd::ctl {

nlohmann::json to_json(const PipelineInfo& pipeline);

// A line: of JSON, or for people.
void print_frame(const Globals& globals, const WatchedFrame& frame);

void add_pipeline_ask(CLI::App& pipeline, const Globals& globals, Run& chosen);
// pipeline check, pipeline reload.
void add_pipeline_check(CLI::App& pipeline, const Globals& globals, Run& chosen);
void add_pipeline_snapshot(CLI::App& pipeline, const Globals& globals, Run& chosen);
void add_pipeline_stats(CLI::App& pipeline, const Globals& globals, Run& chosen);

}  // namespace inferd::ctl

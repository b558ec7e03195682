// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/config/config.h"
#include "inferd/engine/engine.h"

namespace inferd {

// Everything a start would do but listening: models are loaded, pipelines are built.
Status check(const config::Config& config);

// Runs the daemon until SIGTERM or SIGINT, then drains. SIGHUP: the pipelines that the file at
// `config_path` has then are taken from it. OK when it ended as asked. Tests bring an engine of
// their own, and a folder that stands for the machine's files in /sys and /proc.
using MakeEngine = std::function<Result<std::shared_ptr<Engine>>(const EngineOptions&)>;
Status run(const config::Config& config, const std::string& config_path, const std::string& version,
           const MakeEngine& make_engine = Engine::create, const std::string& machine_root = "");

}  // namespace inferd

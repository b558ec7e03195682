// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "daemon/config/config.h"

namespace inferd {

// Everything a start would do but listening: models are loaded, pipelines are built.
Status check(const config::Config& config);

// Runs the daemon until SIGTERM or SIGINT, then drains. OK when it ended as asked.
Status run(const config::Config& config, const std::string& version);

}  // namespace inferd

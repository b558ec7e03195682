// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "daemon/config/config.h"
#include "daemon/config/yaml.h"

namespace inferd::config {

// Reads `governor` of the configuration file; without it, there is none.
void read_governor(MapReader& parent, std::optional<GovernorConfig>& governor);

}  // namespace inferd::config

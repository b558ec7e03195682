// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config/config.h"
#include "daemon/config/yaml.h"

namespace inferd::config {

// The keys `self_test`, `shadow`, `canary` and `probation`.
void read_rollout(MapReader& r, RolloutConfig& rollout);

}  // namespace inferd::config

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config/config.h"
#include "daemon/config/yaml.h"

namespace inferd::config {

// The keys of a model but its name: ours, and beside them those of Triton's model configuration
// under their own names, which mean the same.
void read_model_options(MapReader& r, ModelConfig& model);

}  // namespace inferd::config

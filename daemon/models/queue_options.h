// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config/config.h"
#include "daemon/schedule/queue_options.h"

namespace inferd::models {

// What a model's configuration says, with defaults for the rest.
schedule::QueueOptions queue_options(const config::ModelConfig& config);

}  // namespace inferd::models

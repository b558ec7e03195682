// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config/config.h"
#include "daemon/config/yaml.h"

namespace inferd::config {

// A request holds what passes between all steps.
inline constexpr size_t kMaxEnsembleSteps = 64;

// The keys that make an ensemble of a model: `ensemble_scheduling`, `input` and `output`, as
// Triton's model configuration has them. Nothing where they are absent.
void read_ensemble(MapReader& parent, EnsembleConfig& ensemble);

}  // namespace inferd::config

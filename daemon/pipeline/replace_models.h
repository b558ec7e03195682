// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "daemon/config/config.h"

namespace inferd::pipeline {

// The pipeline with other models: `models` says by which they are replaced. A stage that names the
// version of its model keeps it.
config::PipelineConfig replace_models(config::PipelineConfig config,
                                      const std::map<std::string, std::string>& models);

// Whether a stage runs this model.
bool uses_model(const config::PipelineConfig& config, const std::string& model);

}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
//
// The sources, for the table in factory.cc. Their keys are described in
// config/pipelines/detect.yaml.
#pragma once

#include "daemon/pipeline/source.h"

namespace inferd::pipeline {

Result<std::unique_ptr<Source>> make_images(const config::NodeConfig& node);
Result<std::unique_ptr<Source>> make_test_pattern(const config::NodeConfig& node);

}  // namespace inferd::pipeline

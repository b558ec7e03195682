// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>

#include "daemon/config/config.h"

namespace inferd::config {

// The content of a file by its path.
using ReadFile = std::function<Result<std::string>(const std::string& path)>;

// Reads a file of one pipeline, with values of its parameters (docs/pipelines.md). `read` gives the
// contents of this file and of those that it includes. INVALID_ARGUMENT with every error,
// "file:line:column: message" each.
Result<PipelineConfig> load_pipeline(const std::string& path,
                                     const std::map<std::string, std::string>& parameters,
                                     const ReadFile& read);

}  // namespace inferd::config

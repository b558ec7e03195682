// SPDX-License-Identifier: Apache-2.0
//
// Pipelines as they are written; see docs/pipelines.md. Private to config.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/config/pipeline_file.h"
#include "daemon/config/yaml.h"

namespace inferd::config {

// Reads the key `pipelines` of a configuration: a list of pipelines, and of files of them, whose
// contents `read` gives.
void read_pipelines(MapReader& r, const ReadFile& read, std::vector<PipelineConfig>& pipelines);

// Reads a file of one pipeline. `with`: values of its parameters. Errors are noted; then the
// pipeline is of no use.
PipelineConfig read_pipeline_file(const std::string& path, const ReadFile& read,
                                  const std::map<std::string, std::string>& with, Errors& errors);

}  // namespace inferd::config

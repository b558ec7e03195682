// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config/config.h"
#include "daemon/config/yaml.h"

namespace inferd::config {

// How programs are answered that know other protocols than ours (docs/adapters.md): the keys
// `vision` and `frigate` of `server`.
void read_adapters(MapReader& r, ServerConfig& server);

// Once all pipelines are read: says which of those that adapters ask there are not.
void check_adapters(const Config& config, Errors& errors);

}  // namespace inferd::config

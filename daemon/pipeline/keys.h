// SPDX-License-Identifier: Apache-2.0
//
// What sources, stages and sinks do with their keys beyond NodeReader.
#pragma once

#include <string>

#include "daemon/config/config.h"

namespace inferd::pipeline {

// INVALID_ARGUMENT with the place of a key, or of the node where it lacks that key.
Status bad_key(const config::NodeConfig& node, const std::string& key, const std::string& message);

// A path, relative to the file that says it, or a credential's ("credential:NAME"); "" where the
// key is missing.
std::string path_key(config::NodeReader& reader, const config::NodeConfig& node,
                     const std::string& key);

// INVALID_ARGUMENT where `path`, the value of `key`, cannot be read; "" can.
Status check_readable(const config::NodeConfig& node, const std::string& key,
                      const std::string& path);

// What to say of a node whose module (daemon/host/module.h), which stands on `library`, could not
// be had: where it is, and what is missing. Keeps the code of `why`.
Status without_module(const config::NodeConfig& node, const std::string& library,
                      const Status& why);

}  // namespace inferd::pipeline

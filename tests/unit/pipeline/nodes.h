// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/config/config.h"

namespace inferd::pipeline {

// A source, stage or sink as if it stood at line 3 of p.yaml, its keys in line 4.
inline config::NodeConfig node(const std::string& type,
                               const std::map<std::string, std::string>& keys = {}) {
  config::NodeConfig n;
  n.type = type;
  n.mark = {"p.yaml", 3, 5};
  for (const auto& [key, value] : keys) n.entries[key] = {{value}, false, {"p.yaml", 4, 7}};
  return n;
}

// With a list as well.
inline config::NodeConfig node(const std::string& type,
                               const std::map<std::string, std::string>& keys,
                               const std::string& key, const std::vector<std::string>& items) {
  config::NodeConfig n = node(type, keys);
  n.entries[key] = {items, true, {"p.yaml", 4, 7}};
  return n;
}

}  // namespace inferd::pipeline

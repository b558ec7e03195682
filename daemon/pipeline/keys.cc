// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/keys.h"

#include <filesystem>
#include <fstream>

#include "daemon/config/credential.h"

namespace inferd::pipeline {

Status bad_key(const config::NodeConfig& node, const std::string& key, const std::string& message) {
  const auto entry = node.entries.find(key);
  const config::Mark& mark = entry == node.entries.end() ? node.mark : entry->second.mark;
  return invalid_argument(mark.to_string() + ": " + message);
}

std::string path_key(config::NodeReader& reader, const config::NodeConfig& node,
                     const std::string& key) {
  const std::string text = reader.text(key, "");
  if (text.empty()) return text;
  // check_readable() says what is wrong with one.
  if (config::is_credential(text)) {
    const auto found = config::credential_path(text);
    return found.ok() ? *found : text;
  }
  const std::filesystem::path folder =
      std::filesystem::path(node.entries.at(key).mark.file).parent_path();
  return (folder / text).lexically_normal().string();
}

Status check_readable(const config::NodeConfig& node, const std::string& key,
                      const std::string& path) {
  if (path.empty() || std::ifstream(path).is_open()) return ok_status();
  if (config::is_credential(path)) {
    if (const auto found = config::credential_path(path); !found.ok())
      return bad_key(node, key, "'" + key + "': " + found.status().message());
  }
  return bad_key(node, key, "'" + key + "': cannot read '" + path + "'");
}

Status without_module(const config::NodeConfig& node, const std::string& library,
                      const Status& why) {
  return why.with_context(node.mark.to_string() + ": '" + node.type + "' needs " + library);
}

}  // namespace inferd::pipeline

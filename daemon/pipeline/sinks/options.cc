// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sinks/options.h"

#include <filesystem>
#include <fstream>

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
  const std::filesystem::path folder = std::filesystem::path(node.mark.file).parent_path();
  return (folder / text).lexically_normal().string();
}

Status check_readable(const config::NodeConfig& node, const std::string& key,
                      const std::string& path) {
  if (path.empty() || std::ifstream(path).is_open()) return ok_status();
  return bad_key(node, key, "'" + key + "': cannot read '" + path + "'");
}

std::string fill_in(std::string text, const std::map<std::string, std::string>& values) {
  for (const auto& [name, value] : values) {
    const std::string hole = "{" + name + "}";
    for (size_t at = text.find(hole); at != std::string::npos;
         at = text.find(hole, at + value.size())) {
      text.replace(at, hole.size(), value);
    }
  }
  return text;
}

std::string class_name(const std::string& label, int class_id) {
  return label.empty() ? "class " + std::to_string(class_id) : label;
}

bool Changes::changed(const FrameResult& result) {
  std::set<std::string> now;
  for (const Detection& d : result.detections) {
    now.insert("detection " + class_name(d.label, d.class_id) + " " + std::to_string(d.track_id) +
               " " + d.text);
  }
  if (!result.classes.empty())
    now.insert("class " + class_name(result.classes[0].label, result.classes[0].class_id));
  if (!result.text.empty()) now.insert("text " + result.text);
  const auto [last, first_time] = last_.try_emplace(result.node);
  if (!first_time && last->second == now) return false;
  last->second = std::move(now);
  return true;
}

Choice Choice::from(config::NodeReader& reader, const std::string& fallback) {
  return Choice(reader.one_of("on", fallback, {"every", "detections", "changes"}));
}

bool Choice::takes(const FrameResult& result) {
  if (on_ == "detections") return !result.detections.empty();
  return on_ == "every" || changes_.changed(result);
}

Status Troubles::next(const SinkStatus& status) {
  if (status.last_error == told_) return ok_status();
  told_ = status.last_error;
  return unavailable(told_);
}

}  // namespace inferd::pipeline

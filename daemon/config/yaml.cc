// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/yaml.h"

#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "daemon/config/asked_keys.h"
#include "daemon/config/credential.h"

namespace inferd::config {
namespace {

constexpr uintmax_t kMaxBytes = 1 << 20;
constexpr int kMaxDepth = 32;

// Number of single-character edits between two keys.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

// Refuses what makes small files large in memory, before the tree is built.
class Guard : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) throw YAML::ParserException(mark, "more than one document in the file");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw YAML::ParserException(mark, "aliases (*name) are not supported");
  }
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    enter(mark);
  }
  void OnSequenceEnd() override { --depth_; }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    enter(mark);
  }
  void OnMapEnd() override { --depth_; }

 private:
  void enter(const YAML::Mark& mark) {
    if (++depth_ > kMaxDepth) throw YAML::ParserException(mark, "nested more than 32 levels deep");
  }
  int documents_ = 0;
  int depth_ = 0;
};

}  // namespace

std::string Mark::to_string() const {
  return file + ":" + std::to_string(line) + ":" + std::to_string(column);
}

Status Errors::status() const {
  if (text_.empty()) return ok_status();
  return invalid_argument(text_.substr(0, text_.size() - 1));
}

std::string suggestion(const std::string& key, const std::vector<std::string>& known) {
  const auto closest = std::min_element(
      known.begin(), known.end(),
      [&](const auto& a, const auto& b) { return distance(key, a) < distance(key, b); });
  if (closest != known.end() && distance(key, *closest) <= std::max<size_t>(2, key.size() / 3)) {
    return "; did you mean '" + *closest + "'?";
  }
  std::string list;
  for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
  return "; known keys: " + list;
}

Result<std::string> read_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return not_found("cannot open '" + path +
                     "': " + (error ? error.message() : "not a regular file"));
  }
  if (std::filesystem::file_size(path, error) > kMaxBytes) {
    return resource_exhausted("'" + path + "' is larger than 1 MiB");
  }
  std::ifstream stream(path, std::ios::binary);
  std::stringstream content;
  content << stream.rdbuf();
  if (!stream) return unavailable("cannot read '" + path + "'");
  return std::move(content).str();
}

Result<YAML::Node> parse_file(const std::string& path) {
  INFERD_ASSIGN_OR_RETURN(const std::string text, read_file(path));
  return parse_text(path, text);
}

Result<YAML::Node> parse_text(const std::string& path, const std::string& text) {
  if (text.size() > kMaxBytes) return resource_exhausted("'" + path + "' is larger than 1 MiB");
  try {
    std::istringstream content(text);
    YAML::Parser parser(content);
    Guard guard;
    while (parser.HandleNextDocument(guard)) {
    }
    content.clear();
    content.seekg(0);
    return YAML::Load(content);
  } catch (const YAML::Exception& e) {
    const Mark mark{path, e.mark.line + 1, e.mark.column + 1};
    return invalid_argument(mark.to_string() + ": " + e.msg);
  }
}

std::string resolve(const std::string& file, const std::string& path) {
  namespace fs = std::filesystem;
  if (path.empty() || fs::path(path).is_absolute()) return path;
  return (fs::path(file).parent_path() / path).lexically_normal().string();
}

std::string resolve_secret(MapReader& reader, const YAML::Node& node, const std::string& path) {
  if (!is_credential(path)) return resolve(reader.file(), path);
  const auto found = credential_path(path);
  if (found.ok()) return *found;
  reader.error(node, found.status().message());
  return path;
}

MapReader::MapReader(const YAML::Node& node, std::string file, Errors& errors)
    : node_(node), file_(std::move(file)), errors_(errors) {
  if (node_.IsDefined() && !node_.IsNull() && !node_.IsMap()) {
    error(node_, "expected a mapping of keys to values");
    node_ = YAML::Node();
  }
}

Mark MapReader::mark_of(const YAML::Node& node) const {
  return {file_, node.Mark().line + 1, node.Mark().column + 1};
}

YAML::Node MapReader::child(const std::string& key) {
  AskedKeys::note({.name = key});
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
  if (!node_.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
  // Not node_[key]: that would create it.
  for (const auto& entry : node_) {
    if (entry.first.IsScalar() && entry.first.Scalar() == key) return entry.second;
  }
  return YAML::Node(YAML::NodeType::Undefined);
}

void MapReader::read(const std::string& key, std::string& out) {
  const YAML::Node node = child(key);
  if (!node.IsDefined()) return;
  if (!node.IsScalar()) return error(node, "'" + key + "' must be a text");
  out = node.Scalar();
}

void MapReader::read(const std::string& key, bool& out) {
  const YAML::Node node = child(key);
  if (!node.IsDefined()) return;
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  if (text != "true" && text != "false") return error(node, "'" + key + "' must be true or false");
  out = text == "true";
}

std::optional<int64_t> MapReader::whole(const YAML::Node& node, const std::string& key, int64_t min,
                                        int64_t max) {
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!text.empty() && code == std::errc() && end == text.data() + text.size() && value >= min &&
      value <= max) {
    return value;
  }
  error(node, "'" + key + "' must be a whole number from " + std::to_string(min) + " to " +
                  std::to_string(max));
  return std::nullopt;
}

void MapReader::read(const std::string& key, int64_t& out, int64_t min, int64_t max) {
  const YAML::Node node = child(key);
  if (node.IsDefined()) out = whole(node, key, min, max).value_or(out);
}

void MapReader::read(const std::string& key, double& out, double min, double max) {
  const YAML::Node node = child(key);
  if (!node.IsDefined()) return;
  double value = 0;
  const bool number = node.IsScalar() && YAML::convert<double>::decode(node, value);
  if (number && value >= min && value <= max) {
    out = value;
    return;
  }
  std::ostringstream range;
  range << min << " to " << max;
  error(node, "'" + key + "' must be a number from " + range.str());
}

void MapReader::read(const std::string& key, int& out, int64_t min, int64_t max) {
  int64_t value = out;
  read(key, value, min, max);
  out = static_cast<int>(value);
}

void MapReader::read(const std::string& key, std::string& out,
                     const std::vector<std::string>& allowed) {
  std::string value = out;
  read(key, value);
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) {
    out = value;
    return;
  }
  std::string list;
  for (const std::string& name : allowed) list += (list.empty() ? "" : ", ") + name;
  error(child(key), "'" + key + "' must be one of " + list);
}

void MapReader::read(const std::string& key, std::vector<std::string>& out) {
  const YAML::Node node = child(key);
  if (!node.IsDefined()) return;
  if (!node.IsSequence()) return error(node, "'" + key + "' must be a list of texts");
  out.clear();
  for (const auto& item : node) {
    if (!item.IsScalar()) return error(item, "'" + key + "' must be a list of texts");
    out.push_back(item.Scalar());
  }
}

void MapReader::read(const std::string& key, std::vector<int>& out, int64_t min, int64_t max) {
  const YAML::Node node = child(key);
  if (!node.IsDefined()) return;
  if (!node.IsSequence()) return error(node, "'" + key + "' must be a list of whole numbers");
  out.clear();
  for (const auto& item : node) {
    if (const auto value = whole(item, key, min, max)) out.push_back(static_cast<int>(*value));
  }
}

void MapReader::finish() {
  if (!node_.IsMap()) return;
  std::set<std::string> seen;
  for (const auto& entry : node_) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
      error(entry.first, "unknown key '" + key + "'" + suggestion(key, known_));
    } else if (!seen.insert(key).second) {
      error(entry.first, "key '" + key + "' stands twice");
    }
  }
}

}  // namespace inferd::config

// SPDX-License-Identifier: Apache-2.0
//
// YAML with marks, limits and collected errors. Private to config; nothing else sees yaml-cpp.
#pragma once

#include <yaml-cpp/yaml.h>

#include <optional>
#include <string>
#include <vector>

#include "daemon/config/config.h"

namespace inferd::config {

// All errors of one load, in the order they were found.
class Errors {
 public:
  void add(const Mark& mark, const std::string& message) {
    text_ += mark.to_string() + ": " + message + "\n";
  }
  void add_text(const std::string& message) { text_ += message + "\n"; }
  bool empty() const { return text_.empty(); }
  Status status() const;

 private:
  std::string text_;
};

// "; did you mean 'batch'?" when a known key is close to `key`, else the list of known keys.
std::string suggestion(const std::string& key, const std::vector<std::string>& known);

// A path in a file is relative to that file.
std::string resolve(const std::string& file, const std::string& path);

class MapReader;
// The same of a file that is to be secret or to be trusted: it may be a credential, too. What is
// wrong with that is an error at `node`.
std::string resolve_secret(MapReader& reader, const YAML::Node& node, const std::string& path);

// The content of a file. Errors: cannot be read, larger than 1 MiB.
Result<std::string> read_file(const std::string& path);

// Parses one file. Errors: cannot be read, larger than 1 MiB, not YAML (with line and column),
// aliases (a few lines of them can stand for gigabytes), several documents.
Result<YAML::Node> parse_file(const std::string& path);
// The same of what it says. `path`: for messages.
Result<YAML::Node> parse_text(const std::string& path, const std::string& text);

// Typed reading of one mapping. Each get() names a key; finish() then reports every other key as
// unknown and keys that stand twice.
class MapReader {
 public:
  MapReader(const YAML::Node& node, std::string file, Errors& errors);

  const YAML::Node& node() const { return node_; }
  Mark mark() const { return mark_of(node_); }
  Mark mark_of(const YAML::Node& node) const;
  // Null node when absent.
  YAML::Node child(const std::string& key);

  void read(const std::string& key, std::string& out);
  void read(const std::string& key, bool& out);
  void read(const std::string& key, int& out, int64_t min, int64_t max);
  void read(const std::string& key, int64_t& out, int64_t min, int64_t max);
  void read(const std::string& key, double& out, double min, double max);
  template <typename T, typename... Range>
  void read(const std::string& key, std::optional<T>& out, Range... range) {
    T value{};
    if (child(key).IsDefined()) {
      read(key, value, range...);
      out = value;
    }
  }
  void read(const std::string& key, std::string& out, const std::vector<std::string>& allowed);
  void read(const std::string& key, std::vector<std::string>& out);
  void read(const std::string& key, std::vector<int>& out, int64_t min, int64_t max);

  void error(const YAML::Node& node, const std::string& message) {
    errors_.add(mark_of(node), message);
  }
  const std::string& file() const { return file_; }
  Errors& errors() { return errors_; }
  void finish();

 private:
  // The whole number that `node` holds; says what is wrong of `key` where it is none of the range.
  std::optional<int64_t> whole(const YAML::Node& node, const std::string& key, int64_t min,
                               int64_t max);

  YAML::Node node_;
  std::string file_;
  Errors& errors_;
  std::vector<std::string> known_;
};

}  // namespace inferd::config

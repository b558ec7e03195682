// SPDX-License-Identifier: Apache-2.0
#include "package/manifest.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "package/digest.h"
#include "package/name.h"
#include "package/text.h"

namespace inferd::package {
namespace {

using Json = nlohmann::json;

constexpr int64_t kFormat = 1;

Status wrong(const std::string& what) { return invalid_argument("manifest.json: " + what); }

// Sees what the parser's value does not show: keys that are given twice, of which another reader
// would take the other one, and depth, which is not built at all.
class Checks {
 public:
  bool operator()(int depth, Json::parse_event_t event, const Json& value) {
    constexpr int kDepth = 3;  // the manifest, its files, a file
    if (!status_.ok()) return false;
    switch (event) {
      case Json::parse_event_t::object_start:
        keys_.emplace_back();
        break;
      case Json::parse_event_t::object_end:
        keys_.pop_back();
        break;
      case Json::parse_event_t::key:
        if (!keys_.back().insert(value.get_ref<const std::string&>()).second) {
          status_ =
              wrong("the member " + shown(value.get_ref<const std::string&>()) + " is given twice");
        }
        break;
      default:
        break;
    }
    if (depth > kDepth) status_ = wrong("it is nested too deeply");
    return depth <= kDepth;
  }
  const Status& status() const { return status_; }

 private:
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
  Status status_;
};

Result<Json> parse_json(std::string_view text) {
  Checks checks;
  try {
    Json json = Json::parse(text.begin(), text.end(), std::ref(checks));
    INFERD_RETURN_IF_ERROR(checks.status());
    return json;
  } catch (const Json::parse_error& error) {
    return wrong("not JSON at byte " + std::to_string(error.byte));
  } catch (const Json::exception&) {  // a number that no double holds
    return wrong("not JSON: a number is too large");
  }
}

// The members of one object, which has no others than these.
class Members {
 public:
  static Result<Members> of(const Json& json, std::string where,
                            std::initializer_list<std::string_view> names) {
    if (!json.is_object()) return wrong(where + " must be an object");
    const Members members(json, std::move(where));
    for (const auto& [key, value] : json.items()) {
      if (std::find(names.begin(), names.end(), key) == names.end()) {
        return wrong(members.where_ + " has an unknown member " + shown(key));
      }
    }
    return members;
  }

  bool has(const char* name) const { return json_->contains(name); }

  Result<int64_t> integer(const char* name, int64_t min) const {
    // Numbers that are not negative are unsigned to the parser.
    if (const Json* value = find(name); value != nullptr && value->is_number_unsigned()) {
      const auto number = value->get<uint64_t>();
      if (number >= static_cast<uint64_t>(min) && number <= uint64_t{INT64_MAX}) {
        return static_cast<int64_t>(number);
      }
    }
    return wrong(where_ + " needs '" + name + "', an integer of " + std::to_string(min) +
                 " or more");
  }

  // Text of which `holds` says whether it is what it should be.
  template <typename Predicate>
  Result<std::string> text(const char* name, const char* what, Predicate holds) const {
    const Json* value = find(name);
    if (value == nullptr || !value->is_string()) {
      return wrong(where_ + " needs '" + name + "', " + what);
    }
    const auto& text = value->get_ref<const std::string&>();
    if (!holds(text)) return wrong(where_ + ": '" + name + "' is " + shown(text) + ", not " + what);
    return text;
  }

  Result<int64_t> time(const char* name) const {
    INFERD_ASSIGN_OR_RETURN(const std::string utc,
                            text(name, "a time like '2026-01-31T12:00:00Z'",
                                 [](const std::string& t) { return parse_utc(t).has_value(); }));
    return *parse_utc(utc);
  }

  Result<const Json*> array(const char* name) const {
    const Json* value = find(name);
    if (value == nullptr || !value->is_array())
      return wrong(where_ + " needs '" + name + "', a list");
    return value;
  }

 private:
  Members(const Json& json, std::string where) : json_(&json), where_(std::move(where)) {}

  const Json* find(const char* name) const {
    const auto found = json_->find(name);
    return found == json_->end() ? nullptr : &*found;
  }

  const Json* json_;
  std::string where_;
};

Result<ManifestFile> parse_file(const Json& json, size_t index) {
  INFERD_ASSIGN_OR_RETURN(const Members members, Members::of(json, "file " + std::to_string(index),
                                                             {"path", "bytes", "sha256"}));
  ManifestFile file;
  INFERD_ASSIGN_OR_RETURN(file.path,
                          members.text("path", "a path that a package may have", is_package_path));
  INFERD_ASSIGN_OR_RETURN(file.bytes, members.integer("bytes", 0));
  INFERD_ASSIGN_OR_RETURN(file.sha256,
                          members.text("sha256", "64 lower-case hexadecimal digits", is_sha256));
  return file;
}

// No path is there twice, or is a folder on the way to another.
Status check_paths(const std::vector<ManifestFile>& files) {
  std::set<std::string_view> paths;
  for (const ManifestFile& file : files) {
    if (!paths.insert(file.path).second)
      return wrong("the file '" + file.path + "' is listed twice");
  }
  for (const std::string_view path : paths) {
    for (size_t slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1)) {
      const std::string folder(path.substr(0, slash));
      if (paths.contains(folder)) return wrong("'" + folder + "' is both a file and a folder");
    }
  }
  return ok_status();
}

Result<std::vector<ManifestFile>> parse_files(const Json& list) {
  if (list.empty()) return wrong("it lists no files");
  if (list.size() > kMaxFiles) {
    return wrong("it lists " + std::to_string(list.size()) + " files; a package has at most " +
                 std::to_string(kMaxFiles));
  }
  std::vector<ManifestFile> files;
  int64_t total = 0;
  for (const Json& item : list) {
    INFERD_ASSIGN_OR_RETURN(ManifestFile file, parse_file(item, files.size()));
    if (file.bytes > INT64_MAX - total) return wrong("the sizes of its files overflow");
    total += file.bytes;
    files.push_back(std::move(file));
  }
  INFERD_RETURN_IF_ERROR(check_paths(files));
  return files;
}

}  // namespace

int64_t Manifest::total_bytes() const {
  return std::accumulate(files.begin(), files.end(), int64_t{0},
                         [](int64_t sum, const ManifestFile& file) { return sum + file.bytes; });
}

Result<Manifest> parse_manifest(std::string_view json) {
  if (json.size() > static_cast<size_t>(kMaxManifestBytes)) {
    return resource_exhausted("manifest.json has " + std::to_string(json.size()) +
                              " bytes; it may have " + std::to_string(kMaxManifestBytes));
  }
  INFERD_ASSIGN_OR_RETURN(const Json root, parse_json(json));
  INFERD_ASSIGN_OR_RETURN(
      const Members members,
      Members::of(root, "it", {"format", "model", "version", "created", "expires", "files"}));
  INFERD_ASSIGN_OR_RETURN(const int64_t format, members.integer("format", 1));
  if (format != kFormat) {
    return wrong("its format is " + std::to_string(format) + ", and this program knows " +
                 std::to_string(kFormat) + " only; update it");
  }
  Manifest manifest;
  INFERD_ASSIGN_OR_RETURN(manifest.model, members.text("model", "a model's name", is_model_name));
  INFERD_ASSIGN_OR_RETURN(manifest.version, members.integer("version", 1));
  INFERD_ASSIGN_OR_RETURN(manifest.created_s, members.time("created"));
  if (members.has("expires")) {
    INFERD_ASSIGN_OR_RETURN(manifest.expires_s, members.time("expires"));
    if (manifest.expires_s <= manifest.created_s) return wrong("'expires' is not after 'created'");
  }
  INFERD_ASSIGN_OR_RETURN(const Json* files, members.array("files"));
  INFERD_ASSIGN_OR_RETURN(manifest.files, parse_files(*files));
  return manifest;
}

std::string write_manifest(const Manifest& manifest) {
  nlohmann::ordered_json json = {{"format", kFormat},
                                 {"model", manifest.model},
                                 {"version", manifest.version},
                                 {"created", utc_text(manifest.created_s)}};
  if (manifest.expires_s != 0) json["expires"] = utc_text(manifest.expires_s);
  nlohmann::ordered_json& files = json["files"] = nlohmann::ordered_json::array();
  for (const ManifestFile& file : manifest.files) {
    files.push_back({{"path", file.path}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  return json.dump(2) + "\n";
}

}  // namespace inferd::package

// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/control.h"

#include <charconv>
#include <utility>

#include "daemon/config/triton_json.h"
#include "package/name.h"

namespace inferd::serve {
namespace {

constexpr std::string_view kFile = "file:", kConfig = "config", kConfigFile = "config.pbtxt";

struct FileName {
  int64_t version = 0;
  std::string path;
};

// Of "file:3/model.onnx".
Result<FileName> file_name_of(const std::string& parameter) {
  const std::string_view text = std::string_view(parameter).substr(kFile.size());
  const size_t slash = text.find('/');
  FileName name;
  const char* const end = text.data() + std::min(slash, text.size());
  const auto [stopped, error] = std::from_chars(text.data(), end, name.version);
  const bool is_number = error == std::errc() && stopped == end && name.version > 0;
  if (is_number && slash != std::string_view::npos) name.path = text.substr(slash + 1);
  if (package::is_package_path(name.path)) return name;
  return invalid_argument("load parameter '" + parameter +
                          "' is not called as a file of a version, such as 'file:1/model.onnx'");
}

}  // namespace

Result<std::optional<models::PushedVersion>> version_of_load(
    const std::string& model, std::map<std::string, std::string> parameters) {
  if (parameters.empty()) return std::optional<models::PushedVersion>();
  models::PushedVersion pushed;
  pushed.version.model = model;
  for (auto& [name, content] : parameters) {
    if (name == kConfig) continue;
    INFERD_RETURN_IF_ERROR(check_load_parameter(name));
    INFERD_ASSIGN_OR_RETURN(FileName file, file_name_of(name));
    if (pushed.version.version != 0 && pushed.version.version != file.version) {
      return invalid_argument("load parameter '" + name + "' is of another version than " +
                              std::to_string(pushed.version.version) +
                              ": load one version after the other");
    }
    pushed.version.version = file.version;
    pushed.files[std::move(file.path)] = std::move(content);
  }
  const auto config = parameters.find(std::string(kConfig));
  if (config == parameters.end()) return std::optional(std::move(pushed));
  if (pushed.files.empty()) {
    return unimplemented(
        "load parameter 'config' is not served without files ('file:1/model.onnx'): a version that "
        "is here never changes; send its files along under another number");
  }
  auto text = config::triton_text_of(config->second);
  if (!text.ok()) return text.status().with_context("load parameter 'config'");
  if (!pushed.files.emplace(kConfigFile, std::move(*text)).second)
    return invalid_argument("there are a load parameter 'config' and a file 'config.pbtxt'");
  return std::optional(std::move(pushed));
}

void load_model(models::Repository& repository, models::Deployments* deployments,
                const std::string& model, std::map<std::string, std::string> parameters,
                models::Repository::Done done) {
  auto pushed = version_of_load(model, std::move(parameters));
  if (!pushed.ok()) return done(pushed.status());
  if (!pushed->has_value()) return repository.load(model, std::move(done));
  if (deployments == nullptr)
    return done(failed_precondition("this daemon has no folder of models (models.root)"));
  deployments->push(std::move(**pushed), std::move(done));
}

}  // namespace inferd::serve

// SPDX-License-Identifier: Apache-2.0
//
// Loading and unloading models as clients of any protocol ask for it: Triton's model repository
// extension.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/models/deploy/deployments.h"
#include "daemon/models/repository.h"
#include "inferd/engine/status.h"

namespace inferd::serve {

// There is one repository, which has no name. UNIMPLEMENTED for a name.
inline Status check_repository(std::string_view name) {
  if (name.empty()) return ok_status();
  return unimplemented("there is one repository, which has no name; got repository_name '" +
                       std::string(name) + "'");
}

// What a load brings along. OK for `config` and `file:VERSION/PATH`, INVALID_ARGUMENT for what no
// server knows.
inline Status check_load_parameter(std::string_view name) {
  if (name == "config" || name.starts_with("file:")) return ok_status();
  return invalid_argument("unknown load parameter '" + std::string(name) + "'");
}

// The version that comes with a load: its files and its configuration, which becomes a config.pbtxt
// beside them. `parameters` as above, with the bytes of files; none: nothing is pushed.
// INVALID_ARGUMENT for names that are none of a version's files, files of two versions, and a
// configuration that is none; UNIMPLEMENTED for a configuration without files.
Result<std::optional<models::PushedVersion>> version_of_load(
    const std::string& model, std::map<std::string, std::string> parameters);

// Loads the version that came with the call, or the model as it lies in the repository.
// `deployments` null: there is no folder for what comes, FAILED_PRECONDITION.
void load_model(models::Repository& repository, models::Deployments* deployments,
                const std::string& model, std::map<std::string, std::string> parameters,
                models::Repository::Done done);

// What an unload says. `value`: the parameter's if it is a truth, else null. INVALID_ARGUMENT for
// what is no parameter of unloads, or none of that value.
struct UnloadOptions {
  bool with_parts = false;  // as Repository::unload() has it; Triton's `unload_dependents`
};
inline Status set_unload_parameter(std::string_view name, const bool* value,
                                   UnloadOptions& options) {
  if (name != "unload_dependents")
    return invalid_argument("unknown unload parameter '" + std::string(name) + "'");
  if (value == nullptr)
    return invalid_argument("unload parameter 'unload_dependents' must be true or false");
  options.with_parts = *value;
  return ok_status();
}

}  // namespace inferd::serve

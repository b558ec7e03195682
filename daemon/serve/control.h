// SPDX-License-Identifier: Apache-2.0
//
// Loading and unloading models as clients of any protocol ask for it: Triton's model repository
// extension.
#pragma once

#include <string>
#include <string_view>

#include "inferd/engine/status.h"

namespace inferd::serve {

// There is one repository, which has no name. UNIMPLEMENTED for a name.
inline Status check_repository(std::string_view name) {
  if (name.empty()) return ok_status();
  return unimplemented("there is one repository, which has no name; got repository_name '" +
                       std::string(name) + "'");
}

// Whether a load with this parameter can be done. UNIMPLEMENTED for a configuration or files that
// come with the call, INVALID_ARGUMENT for what no server knows.
inline Status check_load_parameter(std::string_view name) {
  const std::string quoted = "load parameter '" + std::string(name) + "'";
  if (name == "config" || name.starts_with("file:")) {
    return unimplemented(quoted +
                         " is not served; a model is loaded as it lies in the repository's folder");
  }
  return invalid_argument("unknown " + quoted);
}

// The same of an unload. No model depends on another, so `unload_dependents` asks for nothing.
inline Status check_unload_parameter(std::string_view name) {
  if (name == "unload_dependents") return ok_status();
  return invalid_argument("unknown unload parameter '" + std::string(name) + "'");
}

}  // namespace inferd::serve

// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/credential.h"

#include <cstdlib>
#include <string_view>

namespace inferd::config {
namespace {

constexpr std::string_view kPrefix = "credential:";

}  // namespace

bool is_credential(const std::string& path) { return path.starts_with(kPrefix); }

Result<std::string> credential_path(const std::string& path) {
  const std::string name = path.substr(kPrefix.size());
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
    return invalid_argument("'" + path + "' is no name of a credential: write 'credential:NAME' " +
                            "with the NAME of LoadCredential= in the service's unit");
  }
  const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
  if (folder == nullptr || *folder == '\0') {
    return failed_precondition("'" + path + "': this process was given no credentials " +
                               "(CREDENTIALS_DIRECTORY is not set); add LoadCredential=" + name +
                               ":FILE to the service's unit");
  }
  return std::string(folder) + "/" + name;
}

}  // namespace inferd::config

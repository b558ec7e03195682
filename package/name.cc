// SPDX-License-Identifier: Apache-2.0
#include "package/name.h"

#include <algorithm>

#include "package/manifest.h"

namespace inferd::package {
namespace {

// Not std::isalnum, which asks the locale.
bool may_be_in_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

bool is_path_part(std::string_view part) {
  return !part.empty() && part[0] != '.' && std::all_of(part.begin(), part.end(), may_be_in_name);
}

}  // namespace

bool is_model_name(std::string_view name) {
  return name.size() <= kMaxModelName && is_path_part(name);
}

bool is_package_path(std::string_view path) {
  if (path.size() > kMaxPackagePath || path == kManifestFile || path == kSignatureFile) {
    return false;
  }
  for (size_t parts = 1; parts <= kMaxPathParts; ++parts) {
    const size_t slash = path.find('/');
    if (!is_path_part(path.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
  return false;
}

}  // namespace inferd::package

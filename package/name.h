// SPDX-License-Identifier: Apache-2.0
//
// Names that come from configurations, requests and packages and become parts of paths.
#pragma once

#include <cstddef>
#include <string_view>

namespace inferd::package {

inline constexpr size_t kMaxModelName = 128, kMaxPackagePath = 200, kMaxPathParts = 4;

// Letters, digits, '.', '_' and '-' of ASCII, no '.' at the beginning, at most kMaxModelName of
// them: one part of a path, never hidden, never "..", the same in a URL.
bool is_model_name(std::string_view name);

// The same for people.
inline constexpr std::string_view kModelNameRule =
    "up to 128 letters, digits, '.', '_' and '-', and no '.' at the beginning";

// Where a file of a package may lie in its folder: at most kMaxPathParts names as above with '/'
// between them, kMaxPackagePath characters in all, and neither "manifest.json" nor "manifest.sig".
bool is_package_path(std::string_view path);

}  // namespace inferd::package

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace inferd::pipeline {

// The text with "user:password@" of the addresses in it replaced by "***@": errors of libraries
// repeat addresses, and come into logs.
inline std::string without_passwords(std::string_view text) {
  constexpr std::string_view kScheme = "://";
  std::string out;
  for (size_t begin = 0;;) {
    const size_t scheme = text.find(kScheme, begin);
    if (scheme == std::string_view::npos) return out.append(text.substr(begin));
    const size_t authority = scheme + kScheme.size();
    out.append(text.substr(begin, authority - begin));
    // A password may hold an unescaped '@': up to the last one before the address's path.
    const size_t end = std::min(text.find_first_of("/ \t\n\"'", authority), text.size());
    const size_t at = text.substr(authority, end - authority).rfind('@');
    if (at != std::string_view::npos) out.append("***");
    begin = at == std::string_view::npos ? authority : authority + at;
  }
}

}  // namespace inferd::pipeline

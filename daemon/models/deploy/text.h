// SPDX-License-Identifier: Apache-2.0
//
// How deployments write what they found.
#pragma once

#include <array>
#include <cstdio>
#include <string>

namespace inferd::models {

inline std::string milliseconds(double ns) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g ms", ns / 1e6);
  return text.data();
}

inline std::string percent(double part, double whole) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g %%", whole > 0 ? 100 * part / whole : 0);
  return text.data();
}

inline void add(std::string& text, const std::string& more) {
  if (more.empty()) return;
  text += (text.empty() ? "" : "; ") + more;
}

}  // namespace inferd::models

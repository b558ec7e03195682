// SPDX-License-Identifier: Apache-2.0
//
// Formats: https://docs.kernel.org/accounting/psi.html, proc(5) (cgroup).
#include "daemon/host/machine/pressure.h"

#include <charconv>
#include <fstream>
#include <string_view>

#include "daemon/host/machine/small_file.h"

namespace inferd::host {
namespace {

// The process's own in the tree of version 2, or "" where there is none.
std::string own_group(const std::string& root) {
  constexpr std::string_view kVersion2 = "0::";
  constexpr int kMaxLines = 64;
  std::ifstream groups(root + "/proc/self/cgroup");
  std::string line;
  for (int i = 0; i < kMaxLines && std::getline(groups, line); ++i) {
    if (line.starts_with(kVersion2)) return root + "/sys/fs/cgroup" + line.substr(kVersion2.size());
  }
  return "";
}

}  // namespace

std::optional<double> pressure_in(const std::string& path) {
  constexpr std::string_view kBefore = "some avg10=";
  const auto line = first_line(path);
  if (!line || !line->starts_with(kBefore)) return std::nullopt;
  const char* const begin = line->data() + kBefore.size();
  double value = 0;
  const auto [end, error] = std::from_chars(begin, line->data() + line->size(), value);
  if (error != std::errc() || !(value >= 0 && value <= 100)) return std::nullopt;
  return value;
}

Pressure read_pressure(const std::string& root) {
  const std::string group = own_group(root);
  const auto read = [&](const std::string& what) {
    std::optional<double> own;
    if (!group.empty()) own = pressure_in(group + "/" + what + ".pressure");
    return own ? own : pressure_in(root + "/proc/pressure/" + what);
  };
  return {read("cpu"), read("memory"), read("io")};
}

}  // namespace inferd::host

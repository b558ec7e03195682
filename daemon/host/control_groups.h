// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace inferd::host {

struct ControlGroup {
  std::string folder;  // where its files are
  std::string name;    // "/system.slice/inferd.service"
  int version;         // 1 or 2: what its files are called
};

// The control group of the process that a controller ("memory", "cpu") may have limited, and those
// that it is in: the limits of each hold. Where the process sees only a part of the tree (in a
// container), the groups it knows may be missing. `root` is put before all paths, for tests.
std::vector<ControlGroup> control_groups(std::string_view controller, const std::string& root = "");

}  // namespace inferd::host

// SPDX-License-Identifier: Apache-2.0
//
// Format: proc(5) (/proc/PID/cgroup).
#include "daemon/host/control_groups.h"

#include <fstream>

namespace inferd::host {
namespace {

void add(const std::string& mount, std::string group, int version,
         std::vector<ControlGroup>& groups) {
  for (;;) {
    groups.push_back({mount + group, group.empty() ? "/" : group, version});
    const size_t slash = group.rfind('/');
    if (slash == std::string::npos) return;
    group.resize(slash);
  }
}

}  // namespace

std::vector<ControlGroup> control_groups(std::string_view controller, const std::string& root) {
  std::vector<ControlGroup> found;
  const std::string mount = root + "/sys/fs/cgroup";
  const std::string wanted = "," + std::string(controller) + ",";
  std::ifstream lines(root + "/proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {
    // "hierarchy:controllers:/path"
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string group = line.substr(second + 1);
    if (group == "/") group.clear();
    if (controllers.empty()) {
      add(mount, group, 2, found);
    } else if (("," + controllers + ",").find(wanted) != std::string::npos) {
      add(mount + "/" + std::string(controller), group, 1, found);
    }
  }
  return found;
}

}  // namespace inferd::host

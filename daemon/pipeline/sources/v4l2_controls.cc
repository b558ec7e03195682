// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/v4l2_controls.h"

#include <linux/videodev2.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

namespace inferd::pipeline {
namespace {

// "White Balance, Automatic" -> "white_balance_automatic"
std::string name_of(const v4l2_queryctrl& control) {
  const auto* begin = reinterpret_cast<const char*>(control.name);
  std::string name;
  for (const char* c = begin; c < begin + sizeof control.name && *c != '\0'; ++c) {
    const auto letter = static_cast<unsigned char>(*c);
    if (std::isalnum(letter) != 0) {
      name += static_cast<char>(std::tolower(letter));
    } else if (!name.empty() && name.back() != '_') {
      name += '_';
    }
  }
  if (name.ends_with('_')) name.pop_back();
  return name;
}

std::map<std::string, v4l2_queryctrl> controls_of(V4l2Calls& calls, int fd) {
  std::map<std::string, v4l2_queryctrl> controls;
  constexpr size_t kMax = 1000;
  v4l2_queryctrl control{};
  control.id = V4L2_CTRL_FLAG_NEXT_CTRL;
  while (controls.size() < kMax && calls.ioctl(fd, VIDIOC_QUERYCTRL, &control) == 0) {
    const bool settable =
        control.type != V4L2_CTRL_TYPE_CTRL_CLASS &&
        (control.flags & (V4L2_CTRL_FLAG_DISABLED | V4L2_CTRL_FLAG_READ_ONLY)) == 0;
    if (settable) controls.emplace(name_of(control), control);
    const uint32_t id = control.id;
    control = {};
    control.id = id | V4L2_CTRL_FLAG_NEXT_CTRL;
  }
  return controls;
}

Status set(V4l2Calls& calls, int fd, const v4l2_queryctrl& control, const std::string& name,
           int64_t value) {
  if (value < control.minimum || value > control.maximum)
    return invalid_argument("control '" + name + "' goes from " + std::to_string(control.minimum) +
                            " to " + std::to_string(control.maximum));
  v4l2_control set{};
  set.id = control.id;
  set.value = static_cast<int32_t>(value);
  if (calls.ioctl(fd, VIDIOC_S_CTRL, &set) == 0) return ok_status();
  return unavailable("control '" + name + "' cannot be set to " + std::to_string(value) + ": " +
                     std::strerror(errno));
}

}  // namespace

Status set_v4l2_controls(V4l2Calls& calls, int fd, std::map<std::string, int64_t> controls) {
  for (size_t before = 0; !controls.empty() && controls.size() != before;) {
    before = controls.size();
    const auto known = controls_of(calls, fd);
    for (auto it = controls.begin(); it != controls.end();) {
      const auto control = known.find(it->first);
      if (control == known.end()) {
        std::string list;
        for (const auto& [name, unused] : known) list += (list.empty() ? "" : ", ") + name;
        return invalid_argument("there is no control '" + it->first +
                                "'; there is: " + (list.empty() ? "none" : list));
      }
      if ((control->second.flags & V4L2_CTRL_FLAG_INACTIVE) != 0) {
        ++it;  // perhaps one of the others switches it on
        continue;
      }
      INFERD_RETURN_IF_ERROR(set(calls, fd, control->second, it->first, it->second));
      it = controls.erase(it);
    }
  }
  if (controls.empty()) return ok_status();
  return failed_precondition("control '" + controls.begin()->first +
                             "' is switched off by another one, such as an automatic");
}

}  // namespace inferd::pipeline

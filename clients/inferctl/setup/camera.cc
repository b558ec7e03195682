// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/setup/camera.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <tuple>
#include <utility>

namespace inferd::ctl {
namespace {

constexpr double kUsualPixels = 640.0 * 480.0;
constexpr double kUsualAspect = 640.0 / 480.0;
constexpr double kLeastFps = 15;
constexpr int kMostPixels = 65536;  // of a side; as the sources take it

std::string sizes_of(const Camera& camera) {
  std::set<std::pair<int, int>> sizes;
  for (const CameraMode& mode : camera.modes) sizes.emplace(mode.width, mode.height);
  std::string list;
  for (const auto& [width, height] : sizes) {
    list += (list.empty() ? "" : ", ") + std::to_string(width) + "x" + std::to_string(height);
  }
  return list;
}

// 29.97 will do for 30.
bool is_fast_enough(const CameraMode& mode, double fps) {
  return mode.fps == 0 || mode.fps >= fps * 0.99;
}

// The less the better.
auto distance(const CameraMode& mode) {
  const double width = mode.width, height = mode.height;
  return std::tuple(
      !is_fast_enough(mode, kLeastFps), std::abs(std::log(width * height / kUsualPixels)),
      std::abs(std::log(width / height / kUsualAspect)), mode.format == "mjpeg", -mode.fps);
}

bool read_side(std::string_view text, int& side) {
  const char* const end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, side);
  return error == std::errc() && parsed == end && side >= 1 && side <= kMostPixels;
}

}  // namespace

Result<CameraWish> read_size(const std::string& text) {
  CameraWish wish;
  const std::string_view whole = text;
  const size_t x = whole.find('x');
  if (x == std::string_view::npos || !read_side(whole.substr(0, x), wish.width) ||
      !read_side(whole.substr(x + 1), wish.height))
    return invalid_argument("a size is written as 640x480, not '" + text + "'");
  return wish;
}

Result<CameraMode> choose_mode(const Camera& camera, const CameraWish& wish) {
  const CameraMode* best = nullptr;
  bool has_size = wish.width == 0;
  for (const CameraMode& mode : camera.modes) {
    if (mode.width == 0) return CameraMode{mode.format, wish.width, wish.height, wish.fps};
    if (wish.width != 0 && (mode.width != wish.width || mode.height != wish.height)) continue;
    has_size = true;
    if (!is_fast_enough(mode, wish.fps)) continue;
    if (best == nullptr || distance(mode) < distance(*best)) best = &mode;
  }
  if (best != nullptr) return *best;
  if (camera.modes.empty()) return CameraMode{"", wish.width, wish.height, wish.fps};
  if (!has_size) {
    return invalid_argument("'" + camera.name + "' has no pictures of " +
                            std::to_string(wish.width) + "x" + std::to_string(wish.height) +
                            "; it has " + sizes_of(camera));
  }
  return invalid_argument("'" + camera.name + "' gives no " + std::to_string(wish.fps) +
                          " pictures a second; inferctl setup camera --list says what it gives");
}

Result<Camera> find_camera(const std::vector<Camera>& cameras, const std::string& wish) {
  std::vector<Camera> named;
  std::string list;
  for (const Camera& camera : cameras) {
    if (camera.id == wish || (!camera.device.empty() && camera.device == wish)) return camera;
    if (camera.name == wish) named.push_back(camera);
    list += (list.empty() ? "" : ", ") + ("'" + camera.id + "' (" + camera.name + ")");
  }
  if (named.size() == 1) return named.front();
  if (named.size() > 1)
    return invalid_argument("there are several cameras '" + wish + "'; there is " + list);
  return not_found("there is no camera '" + wish + "'; there is " + (list.empty() ? "none" : list));
}

}  // namespace inferd::ctl

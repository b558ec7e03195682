// SPDX-License-Identifier: Apache-2.0
#include "media/lens.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>

namespace inferd::media {
namespace {

// What x and y are multiplied with, at a distance r from the axis.
double bend_of(const Lens& lens, double r2) {
  const auto& k = lens.k;
  if (lens.model == Lens::Model::kPinhole) {
    return (1 + r2 * (k[0] + r2 * (k[1] + r2 * k[4]))) /
           (1 + r2 * (k[5] + r2 * (k[6] + r2 * k[7])));
  }
  const double r = std::sqrt(r2);
  if (r < 1e-12) return 1;
  const double a = std::atan(r), a2 = a * a;
  return a * (1 + a2 * (k[0] + a2 * (k[1] + a2 * (k[2] + a2 * k[3])))) / r;
}

std::string sides(int width, int height) {
  return std::to_string(width) + "x" + std::to_string(height);
}

}  // namespace

Status check_lens(const Lens& lens) {
  const auto refuse = [](const char* what, double value, const char* range) {
    std::ostringstream text;
    text << what << " is " << value << ", and must be " << range;
    return invalid_argument(text.str());
  };
  // Negated, so that NaN is refused.
  for (const auto& [what, value] : {std::pair("fx", lens.fx), std::pair("fy", lens.fy)}) {
    if (!(value >= 1 && value <= 1e6)) return refuse(what, value, "from 1 to 1e6 pixels");
  }
  for (const auto& [what, value] : {std::pair("cx", lens.cx), std::pair("cy", lens.cy)}) {
    if (!(std::abs(value) <= 1e6)) return refuse(what, value, "from -1e6 to 1e6 pixels");
  }
  for (const double k : lens.k) {
    if (!(std::abs(k) <= 1e4)) return refuse("a number of the distortion", k, "from -1e4 to 1e4");
  }
  return ok_status();
}

PlanePoint project(const Lens& lens, PlanePoint p) {
  const double r2 = p.x * p.x + p.y * p.y;
  const double bend = bend_of(lens, r2);
  PlanePoint bent{p.x * bend, p.y * bend};
  if (lens.model == Lens::Model::kPinhole) {
    const double p1 = lens.k[2], p2 = lens.k[3];
    bent.x += 2 * p1 * p.x * p.y + p2 * (r2 + 2 * p.x * p.x);
    bent.y += p1 * (r2 + 2 * p.y * p.y) + 2 * p2 * p.x * p.y;
  }
  return {lens.fx * bent.x + lens.cx, lens.fy * bent.y + lens.cy};
}

double reach_of(const Lens& lens, double limit) {
  constexpr int kSteps = 4096;
  double before = 0;
  for (int i = 1; i <= kSteps; ++i) {
    const double r = limit * i / kSteps;
    const double out = r * bend_of(lens, r * r);
    if (!(out > before)) return limit * (i - 1) / kSteps;
    before = out;
  }
  return limit;
}

Lens scaled(const Lens& lens, double scale_x, double scale_y) {
  Lens out = lens;
  out.fx *= scale_x;
  out.fy *= scale_y;
  // The edge of the first pixel stays where it is, which is half a pixel before its centre.
  out.cx = (lens.cx + 0.5) * scale_x - 0.5;
  out.cy = (lens.cy + 0.5) * scale_y - 0.5;
  return out;
}

Result<LensMap> LensMap::of(const LensView& view, int width, int height) {
  if (width < 4 || height < 4 || width > 65535 || height > 65535 ||
      int64_t{width} * height > kMostPixels) {
    return invalid_argument("a picture of " + sides(width, height) +
                            " pixels cannot be undistorted: it has at least 4x4 and at most " +
                            std::to_string(kMostPixels) + " pixels");
  }
  LensMap map;
  map.lens_ = view.lens;
  if (view.width > 0) {
    const double scale_x = width / static_cast<double>(view.width);
    const double scale_y = height / static_cast<double>(view.height);
    if (std::abs(scale_x / scale_y - 1) > 0.01) {
      return invalid_argument("the calibration is of pictures of " +
                              sides(view.width, view.height) + " pixels, and one of " +
                              sides(width, height) + " has another aspect ratio");
    }
    map.lens_ = scaled(view.lens, scale_x, scale_y);
  }
  map.width_ = width;
  map.height_ = height;
  map.fx_ = map.lens_.fx * view.zoom;
  map.fy_ = map.lens_.fy * view.zoom;
  const double far_x = std::max(std::abs(map.lens_.cx), std::abs(width - map.lens_.cx)) / map.fx_;
  const double far_y = std::max(std::abs(map.lens_.cy), std::abs(height - map.lens_.cy)) / map.fy_;
  map.reach_ = reach_of(map.lens_, std::hypot(far_x, far_y));
  return map;
}

std::optional<PlanePoint> LensMap::at(double x, double y) const {
  const PlanePoint straight{(x - lens_.cx) / fx_, (y - lens_.cy) / fy_};
  if (std::hypot(straight.x, straight.y) > reach_) return std::nullopt;
  const PlanePoint bent = project(lens_, straight);
  // NaN is nowhere.
  const bool seen =
      bent.x >= -0.5 && bent.x <= width_ - 0.5 && bent.y >= -0.5 && bent.y <= height_ - 0.5;
  return seen ? std::optional(bent) : std::nullopt;
}

Status LensMap::saw_nothing() const {
  return invalid_argument("the camera saw nothing of what the undistorted picture of " +
                          sides(width_, height_) +
                          " pixels would show: the calibration is of another camera, or of "
                          "pictures of another size ('width' and 'height')");
}

}  // namespace inferd::media

// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/track/box_filter.h"

#include <algorithm>

namespace inferd::pipeline {
namespace {

constexpr double kPlace = 1.0 / 20;
constexpr double kSpeed = 1.0 / 160;
constexpr double kAspectPlace = 1e-2;
constexpr double kAspectSpeed = 1e-5;
constexpr double kAspectMeasured = 1e-1;
constexpr double kSmallest = 1e-6;  // side of a box; also keeps variances above 0

constexpr double square(double v) { return v * v; }

}  // namespace

std::array<double, 4> BoxFilter::measure(const Box& seen) {
  const double width = std::max(double{seen.x_max} - double{seen.x_min}, kSmallest);
  const double height = std::max(double{seen.y_max} - double{seen.y_min}, kSmallest);
  return {(double{seen.x_min} + double{seen.x_max}) / 2,
          (double{seen.y_min} + double{seen.y_max}) / 2, width / height, height};
}

double BoxFilter::place_deviation() const {
  return kPlace * std::max(moving_[kHeight].place, kSmallest);
}
double BoxFilter::speed_deviation() const {
  return kSpeed * std::max(moving_[kHeight].place, kSmallest);
}

BoxFilter::BoxFilter(const Box& seen) {
  const std::array<double, 4> measured = measure(seen);
  for (size_t i = 0; i < measured.size(); ++i) moving_[i].place = measured[i];
  for (size_t i = 0; i < measured.size(); ++i) {
    const bool aspect = i == kAspect;
    moving_[i].place_variance = square(aspect ? kAspectPlace : 2 * place_deviation());
    moving_[i].speed_variance = square(aspect ? kAspectSpeed : 10 * speed_deviation());
  }
}

void BoxFilter::predict() {
  const double place_noise = square(place_deviation());
  const double speed_noise = square(speed_deviation());
  Moving& height = moving_[kHeight];
  // As SORT does with areas: nothing shrinks to less than nothing.
  if (height.place + height.speed <= kSmallest) height.speed = 0;
  for (size_t i = 0; i < moving_.size(); ++i) {
    Moving& m = moving_[i];
    const bool aspect = i == kAspect;
    m.place += m.speed;
    m.place_variance +=
        2 * m.covariance + m.speed_variance + (aspect ? square(kAspectPlace) : place_noise);
    m.covariance += m.speed_variance;
    m.speed_variance += aspect ? square(kAspectSpeed) : speed_noise;
  }
}

void BoxFilter::correct(const Box& seen) {
  const std::array<double, 4> measured = measure(seen);
  const double noise = square(place_deviation());
  for (size_t i = 0; i < measured.size(); ++i) {
    Moving& m = moving_[i];
    const double expected = m.place_variance + (i == kAspect ? square(kAspectMeasured) : noise);
    const double place_gain = m.place_variance / expected;
    const double speed_gain = m.covariance / expected;
    const double surprise = measured[i] - m.place;
    m.place += place_gain * surprise;
    m.speed += speed_gain * surprise;
    m.speed_variance -= speed_gain * m.covariance;
    m.covariance -= place_gain * m.covariance;
    m.place_variance -= place_gain * m.place_variance;
  }
}

void BoxFilter::hold_height() { moving_[kHeight].speed = 0; }

Box BoxFilter::box() const {
  const double height = std::max(moving_[kHeight].place, kSmallest);
  const double width = std::max(moving_[kAspect].place, kSmallest) * height;
  const auto edge = [](double v) { return static_cast<float>(v); };
  return {edge(moving_[kX].place - width / 2), edge(moving_[kY].place - height / 2),
          edge(moving_[kX].place + width / 2), edge(moving_[kY].place + height / 2)};
}

}  // namespace inferd::pipeline

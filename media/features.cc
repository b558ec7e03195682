// SPDX-License-Identifier: Apache-2.0
#include "media/features.h"

#include <kiss_fftr.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace inferd::media {
namespace {

using std::numbers::pi;

constexpr int kMaxPoints = 1 << 20;

double tensorflow_mel(double hertz) { return 1127. * std::log1p(hertz / 700.); }

// Slaney's: straight up to 1 kHz, then by the logarithm.
double slaney_mel(double hertz) {
  const double step = 200. / 3;
  return hertz < 1000 ? hertz / step : 1000 / step + std::log(hertz / 1000) * 27 / std::log(6.4);
}

double slaney_hertz(double mel) {
  const double step = 200. / 3;
  return mel < 1000 / step ? mel * step : 1000 * std::exp((mel - 1000 / step) * std::log(6.4) / 27);
}

double window_at(WindowShape shape, int n, int count) {
  const double turn = std::cos(2 * pi * n / count);
  switch (shape) {
    case WindowShape::kHann:
      return 0.5 - 0.5 * turn;
    case WindowShape::kHamming:
      return 0.54 - 0.46 * turn;
    case WindowShape::kRectangle:
      break;
  }
  return 1;
}

Status check(const FeatureOptions& o) {
  if (!(o.rate_hz > 0) || o.rate_hz > 1e9)
    return invalid_argument("the rate must be above 0 and at most 1e9 Hz");
  if (o.points < 2 || o.points > kMaxPoints || o.points % 2 != 0)
    return invalid_argument("the transform's points must be an even number from 2 to 1048576");
  if (o.frame < 1 || o.frame > o.points)
    return invalid_argument("a frame of " + std::to_string(o.frame) +
                            " samples must have 1 to as many as the transform has points, " +
                            std::to_string(o.points));
  if (o.hop < 1) return invalid_argument("frames must be at least a sample apart");
  if (o.power != 1 && o.power != 2) return invalid_argument("power must be 1 or 2");
  if (o.bands < 0 || o.bands > o.points / 2)
    return invalid_argument("there must be fewer bands than half the transform's points");
  if (o.bands > 0 && !(o.low_hz >= 0 && o.low_hz < o.high_hz && o.high_hz <= o.rate_hz / 2))
    return invalid_argument(
        "bands must begin at 0 Hz or above and end above that, at half the "
        "rate or below");
  if (!(o.offset >= 0)) return invalid_argument("the logarithm's offset must not be negative");
  const int inputs = o.bands > 0 ? o.bands : o.points / 2 + 1;
  if (o.coefficients < 0 || o.coefficients > inputs)
    return invalid_argument("there can be no more than " + std::to_string(inputs) +
                            " coefficients, as there are bands");
  return ok_status();
}

}  // namespace

void Features::Plan::operator()(kiss_fftr_state* state) const { kiss_fftr_free(state); }

Features::Features(Features&&) noexcept = default;
Features::~Features() = default;

Result<Features> Features::create(const FeatureOptions& options) {
  INFERD_RETURN_IF_ERROR(check(options));
  Features features(options);
  if (features.plan_ == nullptr)
    return resource_exhausted("no memory for a transform of " + std::to_string(options.points) +
                              " points");
  return features;
}

Features::Features(const FeatureOptions& options)
    : options_(options), plan_(kiss_fftr_alloc(options.points, 0, nullptr, nullptr)) {
  const auto points = static_cast<size_t>(options.points);
  for (int n = 0; n < options.frame; ++n)
    window_.push_back(static_cast<float>(window_at(options.window, n, options.frame)));
  padded_.resize(points);
  bins_.resize(points / 2 + 1);
  spectrum_.resize(2 * bins_.size());
  make_bands();
  values_.resize(options.bands > 0 ? static_cast<size_t>(options.bands) : bins_.size());
  const auto n = static_cast<double>(values_.size());
  for (int k = 0; k < options.coefficients; ++k) {
    for (size_t j = 0; j < values_.size(); ++j) {
      cosines_.push_back(static_cast<float>(
          2 / std::sqrt(2 * n) * std::cos(pi * k * (2. * static_cast<double>(j) + 1) / (2 * n))));
    }
  }
}

void Features::make_bands() {
  const FeatureOptions& o = options_;
  const bool straight_in_hertz = o.style == MelStyle::kLibrosa;
  const auto mel = straight_in_hertz ? slaney_mel : tensorflow_mel;
  const double low = mel(o.low_hz);
  const double step = (mel(o.high_hz) - low) / (o.bands + 1);
  for (int b = 0; b < o.bands; ++b) {
    // Edges and peak, in what the triangle is straight in.
    double edges[3] = {low + step * b, low + step * (b + 1), low + step * (b + 2)};
    double area = 1;
    if (straight_in_hertz) {
      for (double& edge : edges) edge = slaney_hertz(edge);
      area = 2 / (edges[2] - edges[0]);
    }
    Band band;
    for (int bin = straight_in_hertz ? 0 : 1; bin <= o.points / 2; ++bin) {
      const double hertz = o.rate_hz * bin / o.points;
      const double at = straight_in_hertz ? hertz : mel(hertz);
      const double weight = std::min((at - edges[0]) / (edges[1] - edges[0]),
                                     (edges[2] - at) / (edges[2] - edges[1]));
      if (weight <= 0) continue;
      if (band.weights.empty()) band.first = bin;
      band.weights.push_back(static_cast<float>(weight * area));
    }
    bands_.push_back(std::move(band));
  }
}

int Features::width() const {
  return options_.coefficients > 0 ? options_.coefficients : static_cast<int>(values_.size());
}

int Features::frames(int64_t count) const {
  return count < options_.frame ? 0 : static_cast<int>((count - options_.frame) / options_.hop) + 1;
}

void Features::compute(std::span<const float> frame, std::span<float> out) {
  std::transform(frame.begin(), frame.end(), window_.begin(), padded_.begin(), std::multiplies<>());
  kiss_fftr(plan_.get(), padded_.data(), reinterpret_cast<kiss_fft_cpx*>(spectrum_.data()));
  for (size_t i = 0; i < bins_.size(); ++i) {
    const float square =
        spectrum_[2 * i] * spectrum_[2 * i] + spectrum_[2 * i + 1] * spectrum_[2 * i + 1];
    bins_[i] = options_.power == 1 ? std::sqrt(square) : square;
  }
  if (bands_.empty()) std::copy(bins_.begin(), bins_.end(), values_.begin());
  for (size_t b = 0; b < bands_.size(); ++b) {
    float sum = 0;
    for (size_t i = 0; i < bands_[b].weights.size(); ++i)
      sum += bands_[b].weights[i] * bins_[static_cast<size_t>(bands_[b].first) + i];
    values_[b] = sum;
  }
  const auto offset = static_cast<float>(options_.offset);
  const auto decibels = 20.F / static_cast<float>(options_.power);
  for (float& value : values_) {
    if (options_.log == LogKind::kNatural) value = std::log(value + offset);
    if (options_.log == LogKind::kDecibel) value = decibels * std::log10(value + offset);
  }
  if (options_.coefficients == 0) std::copy(values_.begin(), values_.end(), out.begin());
  for (size_t k = 0; k < static_cast<size_t>(options_.coefficients); ++k) {
    float sum = 0;
    for (size_t j = 0; j < values_.size(); ++j)
      sum += values_[j] * cosines_[k * values_.size() + j];
    out[k] = sum;
  }
}

}  // namespace inferd::media

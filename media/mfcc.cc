// SPDX-License-Identifier: Apache-2.0
#include "media/mfcc.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

namespace inferd::media {
namespace {

constexpr size_t kWindow = 480;
constexpr size_t kStep = 320;
constexpr size_t kPoints = 512;
constexpr size_t kBands = 40;
constexpr double kLowest = 20;     // Hz
constexpr double kHighest = 4000;  // Hz
constexpr double kBinHz = double{kKeywordRate} / kPoints;
// No triangle reaches further, so no other bin is computed.
constexpr auto kBins = static_cast<size_t>(kHighest / kBinHz);

static_assert((kKeywordRate - kWindow) / kStep + 1 == kKeywordFrames);

double mel(double hertz) { return 1127. * std::log1p(hertz / 700.); }

// All that does not depend on the sound.
struct Tables {
  std::array<float, kWindow> window{};
  std::array<float, kPoints> cosine{}, sine{};  // of n / kPoints turns
  std::array<std::array<float, kBands>, kBins> triangles{};
  std::array<std::array<float, kKeywordCoefficients>, kBands> transform{};

  Tables() {
    using std::numbers::pi;
    for (size_t n = 0; n < kWindow; ++n) {
      window[n] = static_cast<float>(
          0.5 - 0.5 * std::cos(2 * pi * static_cast<double>(n) / static_cast<double>(kWindow)));
    }
    for (size_t n = 0; n < kPoints; ++n) {
      const double angle = 2 * pi * static_cast<double>(n) / kPoints;
      cosine[n] = static_cast<float>(std::cos(angle));
      sine[n] = static_cast<float>(std::sin(angle));
    }
    const double step = (mel(kHighest) - mel(kLowest)) / (kBands + 1);
    for (size_t bin = 1; bin < kBins; ++bin) {  // bin 0 counts nowhere
      const double at = (mel(static_cast<double>(bin) * kBinHz) - mel(kLowest)) / step;
      for (size_t band = 0; band < kBands; ++band) {
        const double from_peak = std::abs(at - static_cast<double>(band + 1));
        triangles[bin][band] = static_cast<float>(std::max(0., 1. - from_peak));
      }
    }
    for (size_t j = 0; j < kBands; ++j) {
      for (size_t k = 0; k < kKeywordCoefficients; ++k) {
        transform[j][k] = static_cast<float>(
            2 / std::sqrt(2. * kBands) *
            std::cos(pi * static_cast<double>(k * (2 * j + 1)) / static_cast<double>(2 * kBands)));
      }
    }
  }
};

// |sum of x[n] e^(-2 pi i n bin / kPoints)|, summed as written: a quarter of the bins and no more
// than a second of sound make a fast transform not worth its code.
float magnitude(const Tables& tables, std::span<const float> x, size_t bin) {
  float real = 0;
  float imaginary = 0;
  for (size_t n = 0; n < x.size(); ++n) {
    const size_t turn = n * bin % kPoints;
    real += x[n] * tables.cosine[turn];
    imaginary += x[n] * tables.sine[turn];
  }
  return std::sqrt(real * real + imaginary * imaginary);
}

std::array<float, kBands> log_bands(const Tables& tables, std::span<const float> frame) {
  std::array<float, kBands> bands{};
  for (size_t bin = 1; bin < kBins; ++bin) {
    const float m = magnitude(tables, frame, bin);
    for (size_t band = 0; band < kBands; ++band) bands[band] += m * tables.triangles[bin][band];
  }
  for (float& band : bands) band = std::log(band + 1e-6F);
  return bands;
}

}  // namespace

std::array<float, kKeywordFrames * kKeywordCoefficients> keyword_mfcc(
    std::span<const float> samples) {
  static const Tables tables;
  std::vector<float> second(kKeywordRate);
  const size_t given = std::min(samples.size(), second.size());
  std::copy_n(samples.begin(), given, second.begin());
  const float largest = *std::max_element(second.begin(), second.end());
  std::array<float, kKeywordFrames * kKeywordCoefficients> features{};
  std::array<float, kWindow> frame{};
  for (size_t f = 0; f < kKeywordFrames; ++f) {
    for (size_t n = 0; n < kWindow; ++n) {
      const float sample = second[f * kStep + n];
      frame[n] = (largest > 0 ? sample / largest : sample) * tables.window[n];
    }
    const auto bands = log_bands(tables, frame);
    for (size_t k = 0; k < kKeywordCoefficients; ++k) {
      float sum = 0;
      for (size_t j = 0; j < kBands; ++j) sum += bands[j] * tables.transform[j][k];
      features[f * kKeywordCoefficients + k] = sum;
    }
  }
  return features;
}

}  // namespace inferd::media

// SPDX-License-Identifier: Apache-2.0
#include "media/mfcc.h"

#include <algorithm>
#include <vector>

#include "media/features.h"

namespace inferd::media {
namespace {

constexpr FeatureOptions kOptions{.rate_hz = kKeywordRate,
                                  .frame = 480,
                                  .hop = 320,
                                  .points = 512,
                                  .bands = 40,
                                  .low_hz = 20,
                                  .high_hz = 4000,
                                  .log = LogKind::kNatural,
                                  .coefficients = kKeywordCoefficients};

static_assert((kKeywordRate - kOptions.frame) / kOptions.hop + 1 == kKeywordFrames);

}  // namespace

std::array<float, kKeywordFrames * kKeywordCoefficients> keyword_mfcc(
    std::span<const float> samples) {
  std::array<float, kKeywordFrames * kKeywordCoefficients> out{};
  auto features = Features::create(kOptions);
  if (!features.ok()) return out;  // cannot be: the options are right
  std::vector<float> second(kKeywordRate);
  std::copy_n(samples.begin(), std::min(samples.size(), second.size()), second.begin());
  const float largest = *std::max_element(second.begin(), second.end());
  if (largest > 0) {
    for (float& sample : second) sample /= largest;
  }
  for (size_t f = 0; f < kKeywordFrames; ++f) {
    features->compute(std::span(second).subspan(f * kOptions.hop, kOptions.frame),
                      std::span(out).subspan(f * kKeywordCoefficients, kKeywordCoefficients));
  }
  return out;
}

}  // namespace inferd::media

// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/decode/classes.h"

#include <algorithm>
#include <cmath>

namespace inferd::pipeline {

void best_classes(std::span<const float> scores, const ClassesOptions& options,
                  std::vector<ClassScore>& best) {
  best.clear();
  const auto lower = [](const ClassScore& a, const ClassScore& b) { return a.score > b.score; };
  for (size_t i = 0; i < scores.size(); ++i) {
    const ClassScore candidate{static_cast<int>(i), scores[i], {}};
    if (!std::isfinite(scores[i])) continue;
    if (best.size() == options.top && !lower(candidate, best.back())) continue;
    if (best.size() == options.top) best.pop_back();
    // After those that are equal.
    best.insert(std::upper_bound(best.begin(), best.end(), candidate, lower), candidate);
  }
  if (options.softmax && !best.empty()) {
    const float most = best[0].score;
    float sum = 0;
    for (const float score : scores) sum += std::isfinite(score) ? std::exp(score - most) : 0;
    for (ClassScore& c : best) c.score = std::exp(c.score - most) / sum;
  }
  std::erase_if(best, [&](const ClassScore& c) { return c.score < options.min_score; });
}

void best_of_planes(std::span<const float> scores, size_t places, size_t first,
                    std::span<float> best, std::span<int> classes) {
  std::copy_n(scores.begin() + static_cast<std::ptrdiff_t>(first), best.size(), best.begin());
  std::fill(classes.begin(), classes.end(), 0);
  for (size_t c = 1; (c + 1) * places <= scores.size(); ++c) {
    const float* const of_class = scores.data() + c * places + first;
    for (size_t i = 0; i < best.size(); ++i) {
      const bool better = of_class[i] > best[i];
      best[i] = better ? of_class[i] : best[i];
      classes[i] = better ? static_cast<int>(c) : classes[i];
    }
  }
}

}  // namespace inferd::pipeline

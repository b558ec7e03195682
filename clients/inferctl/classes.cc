// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/classes.h"

#include <algorithm>
#include <numeric>

#include "media/reals.h"

namespace inferd::ctl {

std::vector<ScoredClass> best_classes(const TensorView& output, const Quantization& quantization,
                                      const std::vector<std::string>& names, size_t count) {
  if (count == 0) return {};
  const std::vector<float> scores = media::reals_of(output, quantization);
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  count = std::min(order.size(), count);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](size_t a, size_t b) {
                      return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
                    });
  std::vector<ScoredClass> best;
  for (size_t i = 0; i < count; ++i) {
    const size_t index = order[i];
    best.push_back({index, scores[index], names.size() == scores.size() ? names[index] : ""});
  }
  return best;
}

}  // namespace inferd::ctl

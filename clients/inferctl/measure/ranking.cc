// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/measure/ranking.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace inferd::ctl {

size_t rank_of(std::span<const float> scores, size_t wanted) {
  if (wanted >= scores.size() || std::isnan(scores[wanted])) return scores.size();
  const float score = scores[wanted];
  size_t rank = 0;
  for (size_t c = 0; c < scores.size(); ++c) {
    if (scores[c] > score || (scores[c] == score && c < wanted)) ++rank;
  }
  return rank;
}

double area_under_curve(std::vector<double> scores, const std::vector<bool>& positive) {
  for (double& score : scores) {
    if (std::isnan(score)) score = std::numeric_limits<double>::infinity();
  }
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  double pairs_won = 0;
  double negatives_below = 0;
  double positives = 0;
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;  // of those with one score
    double equal_positives = 0;
    double equal_negatives = 0;
    for (; end < order.size() && scores[order[end]] == scores[order[begin]]; ++end) {
      (positive[order[end]] ? equal_positives : equal_negatives) += 1;
    }
    pairs_won += equal_positives * (negatives_below + equal_negatives / 2);
    negatives_below += equal_negatives;
    positives += equal_positives;
    begin = end;
  }
  const double pairs = positives * negatives_below;
  return pairs > 0 ? pairs_won / pairs : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace inferd::ctl

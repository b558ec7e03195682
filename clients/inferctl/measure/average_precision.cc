// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/measure/average_precision.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace inferd::ctl {
namespace {

// Mean of the best precision from each of 101 recalls on. `right` says for each found box, best
// first, whether it is.
double mean_precision(const std::vector<bool>& right, size_t total) {
  std::vector<double> precision;
  std::vector<double> recall;
  double hits = 0;
  for (size_t i = 0; i < right.size(); ++i) {
    hits += right[i] ? 1 : 0;
    precision.push_back(hits / static_cast<double>(i + 1));
    recall.push_back(hits / static_cast<double>(total));
  }
  for (size_t i = precision.size(); i-- > 1;) {
    precision[i - 1] = std::max(precision[i - 1], precision[i]);
  }
  constexpr int kSteps = 100;
  double sum = 0;
  for (int r = 0; r <= kSteps; ++r) {
    const auto at = std::lower_bound(recall.begin(), recall.end(), static_cast<double>(r) / kSteps);
    if (at != recall.end()) sum += precision[static_cast<size_t>(at - recall.begin())];
  }
  return sum / (kSteps + 1);
}

}  // namespace

void AveragePrecision::add(std::vector<FoundBox> found, std::span<const TrueBox> truth) {
  std::stable_sort(found.begin(), found.end(),
                   [](const FoundBox& a, const FoundBox& b) { return a.score > b.score; });
  found.resize(std::min(found.size(), kMostBoxes));
  for (const FoundBox& box : found) {
    classes_[box.class_id].found.push_back({pictures_, box.score, box.rect});
  }
  for (const TrueBox& box : truth) classes_[box.class_id].truth.push_back({pictures_, box.rect});
  ++pictures_;
}

double AveragePrecision::average_precision(const Class& c, double min_overlap) {
  std::vector<size_t> order(c.found.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return c.found[a].score > c.found[b].score; });
  std::vector<bool> taken(c.truth.size(), false);
  std::vector<bool> right;
  for (const size_t i : order) {
    const Found& found = c.found[i];
    size_t best = c.truth.size();
    double best_overlap = min_overlap;
    const auto in_picture =
        std::equal_range(c.truth.begin(), c.truth.end(), True{found.picture, {}},
                         [](const True& a, const True& b) { return a.picture < b.picture; });
    for (auto it = in_picture.first; it != in_picture.second; ++it) {
      const auto t = static_cast<size_t>(it - c.truth.begin());
      const auto o = double{overlap(found.rect, it->rect)};
      if (taken[t] || o < best_overlap) continue;
      best = t;
      best_overlap = o;
    }
    right.push_back(best < c.truth.size());
    if (right.back()) taken[best] = true;
  }
  return mean_precision(right, c.truth.size());
}

double AveragePrecision::at(double min_overlap) const {
  double sum = 0;
  for (const auto& [id, c] : classes_) {
    if (!c.truth.empty()) sum += average_precision(c, min_overlap);
  }
  return classes() > 0 ? sum / static_cast<double>(classes())
                       : std::numeric_limits<double>::quiet_NaN();
}

double AveragePrecision::at_50_to_95() const {
  constexpr int kSteps = 10;
  double sum = 0;
  for (int step = 0; step < kSteps; ++step) sum += at(0.5 + 0.05 * step);
  return sum / kSteps;
}

size_t AveragePrecision::true_boxes() const {
  size_t count = 0;
  for (const auto& [id, c] : classes_) count += c.truth.size();
  return count;
}

size_t AveragePrecision::classes() const {
  return static_cast<size_t>(std::count_if(classes_.begin(), classes_.end(),
                                           [](const auto& c) { return !c.second.truth.empty(); }));
}

}  // namespace inferd::ctl

// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/measure/closeness.h"

#include <algorithm>
#include <cmath>

namespace inferd::ctl {

void Closeness::add(std::span<const float> expected, std::span<const float> got) {
  for (size_t i = 0; i < std::min(expected.size(), got.size()); ++i) {
    const auto e = double{expected[i]};
    const auto g = double{got[i]};
    expected_ += e * e;
    got_ += g * g;
    both_ += e * g;
    difference_ += (e - g) * (e - g);
  }
}

double Closeness::cosine() const { return both_ / std::sqrt(expected_ * got_); }

double Closeness::sqnr_db() const { return 10 * std::log10(expected_ / difference_); }

}  // namespace inferd::ctl

// SPDX-License-Identifier: Apache-2.0
//
// Measures that only compare numbers with each other.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace inferd::ctl {

// How many classes come before class `wanted`, best first: 0 for the one that argmax takes. Of
// equal scores the lower class comes first, as in argmax. A score that is not a number, and a class
// that is not there, come last.
size_t rank_of(std::span<const float> scores, size_t wanted);

// The area under the receiver operating characteristic: for how many pairs of a positive and a
// negative sample the positive one has the higher score; equal scores count half. 0.5 is a guess.
// A score that is not a number counts as the highest. NaN when there are no positive or no negative
// samples.
double area_under_curve(std::vector<double> scores, const std::vector<bool>& positive);

}  // namespace inferd::ctl

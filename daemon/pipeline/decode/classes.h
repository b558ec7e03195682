// SPDX-License-Identifier: Apache-2.0
//
// From a classifier's outputs to its best classes.
#pragma once

#include <span>
#include <vector>

#include "daemon/pipeline/result.h"

namespace inferd::pipeline {

struct ClassesOptions {
  size_t top = 5;
  float min_score = 0;
  bool softmax = false;  // the model gives logits: score i is exp(x_i) / sum of exp(x_j)
};

// The best of `scores`, one for each class, best first, equal ones in their order, with at least
// `min_score`. What is no number or infinite is no score. Replaces `best`.
void best_classes(std::span<const float> scores, const ClassesOptions& options,
                  std::vector<ClassScore>& best);

// Of scores that lie class by class, `places` of each: the best class of the places from `first`
// on, as many as `best` and `classes` have room for. NaN never wins, but where it is class 0's.
void best_of_planes(std::span<const float> scores, size_t places, size_t first,
                    std::span<float> best, std::span<int> classes);

}  // namespace inferd::pipeline

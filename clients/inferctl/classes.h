// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "inferd/engine/tensor.h"

namespace inferd::ctl {

struct ScoredClass {
  size_t index = 0;
  float score = 0;
  std::string name;
};

// The `count` largest elements of an output, best first, of equal ones the earlier; all of them
// when it has fewer. They have names when `names` has one for each element.
std::vector<ScoredClass> best_classes(const TensorView& output, const Quantization& quantization,
                                      const std::vector<std::string>& names, size_t count);

}  // namespace inferd::ctl

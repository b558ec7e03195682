// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "inferd/engine/tensor.h"

namespace inferd::models {

// Two numbers agree when |a - b| <= abs + rel * |b|, and when both are NaN or the same infinity.
struct Tolerance {
  double abs = 1e-4;
  double rel = 1e-3;
};

// How far an output is from what was expected of it. DATA_LOSS says of the output called `name` how
// many elements differ and which one the most, or that there are more or fewer.
Status check_close(const std::string& name, std::span<const double> got,
                   std::span<const double> expected, const Tolerance& tolerance);

// Whether an element is neither NaN nor infinite; true for what has no such thing.
bool is_finite(const TensorView& tensor);

// Whether a tensor has no elements, or zeros only.
bool is_empty(const TensorView& tensor);

}  // namespace inferd::models

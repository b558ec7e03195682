// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "inferd/engine/tensor.h"

namespace inferd::runtime {

// See Engine::measure_peak_gmacs.
double measure_peak_gmacs(DType dtype);

}  // namespace inferd::runtime

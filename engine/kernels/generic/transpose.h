// SPDX-License-Identifier: Apache-2.0
//
// Transposition of every type: dimensions that stay neighbours are merged, then either runs of
// bytes are copied, or planes of elements are turned in small squares that stay in the cache.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

bool accepts_transpose(const OpDesc& op);
double transpose_cost(const OpDesc& op);
std::unique_ptr<Prepared> plan_transpose(const OpDesc& op, const PackedWeights*);
void run_transpose(const RunArgs& args);

}  // namespace inferd::kernels::generic

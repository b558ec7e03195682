// SPDX-License-Identifier: Apache-2.0
//
// Operators whose output walks over the input in equal steps along each dimension: transpose,
// slice, expand, and strided copy, which is all of them. Any type. Dimensions that move alike are
// merged, then either runs of bytes are copied, or lines of elements a stride apart, or planes of
// elements are turned in small squares that stay in the cache.
#pragma once

#include <memory>

#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

bool accepts_copy(const OpDesc& op);
double copy_cost(const OpDesc& op);
std::unique_ptr<Prepared> plan_transpose(const OpDesc& op, const PackedWeights*);
std::unique_ptr<Prepared> plan_slice(const OpDesc& op, const PackedWeights*);
std::unique_ptr<Prepared> plan_expand(const OpDesc& op, const PackedWeights*);
std::unique_ptr<Prepared> plan_strided_copy(const OpDesc& op, const PackedWeights*);
void run_strided_copy(const RunArgs& args);

}  // namespace inferd::kernels::generic

// SPDX-License-Identifier: Apache-2.0
//
// Operators whose output walks over the input in equal steps along each dimension: transpose,
// slice, expand, and strided copy, which is all of them. Any type. Dimensions that move alike are
// merged, then either runs of bytes are copied, or lines of elements a stride apart, or planes of
// elements are turned in small squares that stay in the cache.
#pragma once

#include <cstdint>
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

// Inner loops that an ISA folder brings along: three planes to triples, which is how a picture
// becomes NHWC. y[3 * i + k] = x[k * plane + i] for i < count.
struct CopyLoops {
  void (*bytes_to_triples)(const uint8_t* x, int64_t plane, int64_t count, uint8_t* y);
  void (*words_to_triples)(const uint32_t* x, int64_t plane, int64_t count, uint32_t* y);
};
void run_strided_copy_with(const CopyLoops& loops, const RunArgs& args);

}  // namespace inferd::kernels::generic

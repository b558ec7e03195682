// SPDX-License-Identifier: Apache-2.0
//
// The table of kernels: every row of every folder that was compiled in.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/kernels/kernel.h"

namespace inferd::kernels {

// All rows, in the order of candidates.cc; includes rows whose ISA this CPU lacks.
std::span<const Kernel> all();

// What an operator of float32 may be computed in: kHalf admits rows of half precision, too.
enum class Precision : uint8_t { kFull, kHalf };

// Rows for `op.kind` that this CPU can run and that accept `op`, cheapest first.
std::vector<const Kernel*> accepting(const OpDesc& op, Precision precision = Precision::kFull);

// The row the planner takes: the cheapest accepting one, or the first accepting one that matches an
// entry of `prefer` (a kernel's name, an ISA's name, or "ref"), earlier entries first.
// Null when nothing accepts.
const Kernel* choose(const OpDesc& op, std::span<const std::string> prefer,
                     Precision precision = Precision::kFull);

// Whether this CPU can run any row of half precision.
bool has_half_precision();

// Rows of op's kind and type (float, or not) for better instruction sets than `chosen` needs, which
// this CPU has and which do not accept `op`.
std::vector<const Kernel*> declining(const OpDesc& op, const Kernel& chosen);

// The reference row (plain loops) of this operator; null when it does not accept these types.
const Kernel* reference(const OpDesc& op);

// Runs that row on the calling thread. Precondition: there is one for `op`.
void run_reference(const OpDesc& op, std::span<const std::byte* const> inputs,
                   std::span<std::byte* const> outputs);

}  // namespace inferd::kernels

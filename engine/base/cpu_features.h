// SPDX-License-Identifier: Apache-2.0
//
// Which instruction sets this CPU has, asked once (cpuid, getauxval), never from build flags.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace inferd {

// Ordered within each architecture: a later one implies the earlier ones for what kernels need.
enum class Isa : uint8_t {
  kPortable,  // plain C++
  kAvx2,      // AVX2, FMA, F16C
  kAvxVnni,
  kAvx512Vnni,  // AVX512 F, BW, VL, DQ, VNNI, VBMI: Ice Lake, Zen 4 and later
  kNeon,        // every arm64
  kNeonFp16,    // ARMv8.2 arithmetic in half precision, which every CPU with kNeonDot has as well
  kNeonDot,     // ARMv8.2 sdot/udot
  kNeonI8mm,
};

std::string_view isa_name(Isa isa);  // "portable", "avx2", ..., "neon_dot"
std::optional<Isa> isa_from_name(std::string_view name);

// Does this CPU (and its operating system) run code for `isa`? Thread-safe, cached.
bool cpu_has(Isa isa);

Isa best_isa();

}  // namespace inferd

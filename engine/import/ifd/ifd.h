// SPDX-License-Identifier: Apache-2.0
//
// Compiled models (docs/ifd-format.md): an optimised graph, its constants, and weights as kernels
// packed them, in one file that is mapped and used in place. The only format that is written, and
// the only one that holds ir: there is no ForeignGraph and nothing to lower.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/import/import.h"

namespace inferd::import {

inline constexpr uint32_t kIfdVersion = 2;
// Of files without states, which readers of that version understand too.
inline constexpr uint32_t kIfdVersionWithoutStates = 1;

bool sniff_ifd(const Source& source);
// The graph is verified, every offset, size and index is checked, and so is the checksum of
// everything but constants and packed weights: Constant::check() and PackedBlock::check() look at
// those. Errors as Engine::load().
Result<Imported> import_ifd(const Source& source, const Limits& limits);

// What becomes of the constants whose nodes have packed weights.
enum class RawWeights : uint8_t { kKeep, kLeaveOut };

struct PackedSource {
  size_t node = 0;  // of the graph's nodes
  std::string kernel;
  std::vector<std::span<const std::byte>> arrays;  // see kernels::StoredWeights
};

// Writes a file of `graph` and of what `compiled` says but for its `packed`. Replaces an existing
// file at once or not at all. Fails with UNAVAILABLE when it cannot be written, and as
// Constant::check() does.
Status write_ifd(const std::string& path, const ir::Graph& graph, const Compiled& compiled,
                 std::span<const PackedSource> packed, RawWeights raw);

// For tests: makes the checksums of header and graph section right again after something was
// changed. `file` may be anything.
void reseal_ifd(std::span<std::byte> file);

}  // namespace inferd::import

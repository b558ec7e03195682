// SPDX-License-Identifier: Apache-2.0
//
// Offsets for buffers with known lifetimes in one block of memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace inferd::plan {

struct Buffer {
  int64_t bytes = 0;
  int first = 0;  // step that writes it
  int last = 0;   // last step that reads it, >= first
};

struct Layout {
  std::vector<int64_t> offsets;  // one per buffer, multiples of kArenaAlignment
  int64_t bytes = 0;             // size of the block
  int64_t lower_bound = 0;       // largest sum of (aligned) live bytes over steps
};

inline constexpr int64_t kArenaAlignment = 64;
constexpr int64_t aligned(int64_t bytes) {
  return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
}

// Buffers one after the other, each at the lowest gap among those alive at the same time: in the
// order of their sizes (as in TFLite's and XNNPACK's planners), and where that does not reach the
// lower bound, in the order of how full the steps are in which they are alive, or of their
// lifetimes; the smallest block wins. Buffers that are alive at once never overlap.
Layout assign_offsets(std::span<const Buffer> buffers);

}  // namespace inferd::plan

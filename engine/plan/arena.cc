// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/arena.h"

#include <algorithm>
#include <numeric>

namespace inferd::plan {
namespace {

int64_t aligned(int64_t bytes) {
  return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
}

int64_t peak_of_live_bytes(std::span<const Buffer> buffers) {
  int last_step = 0;
  for (const Buffer& buffer : buffers) last_step = std::max(last_step, buffer.last);
  std::vector<int64_t> change(static_cast<size_t>(last_step) + 2, 0);
  for (const Buffer& buffer : buffers) {
    change[static_cast<size_t>(buffer.first)] += aligned(buffer.bytes);
    change[static_cast<size_t>(buffer.last) + 1] -= aligned(buffer.bytes);
  }
  int64_t live = 0;
  int64_t peak = 0;
  for (int64_t delta : change) peak = std::max(peak, live += delta);
  return peak;
}

}  // namespace

Layout assign_offsets(std::span<const Buffer> buffers) {
  Layout layout;
  layout.offsets.assign(buffers.size(), 0);
  layout.lower_bound = peak_of_live_bytes(buffers);

  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });

  std::vector<size_t> placed;  // by offset
  for (size_t index : order) {
    const Buffer& buffer = buffers[index];
    const int64_t size = aligned(buffer.bytes);
    int64_t offset = 0;
    for (size_t other : placed) {
      const Buffer& neighbour = buffers[other];
      if (neighbour.last < buffer.first || buffer.last < neighbour.first) continue;
      if (layout.offsets[other] - offset >= size) break;  // the gap before it is wide enough
      offset = std::max(offset, layout.offsets[other] + aligned(neighbour.bytes));
    }
    layout.offsets[index] = offset;
    layout.bytes = std::max(layout.bytes, offset + size);
    const auto at = std::upper_bound(placed.begin(), placed.end(), offset,
                                     [&](int64_t o, size_t p) { return o < layout.offsets[p]; });
    placed.insert(at, index);
  }
  return layout;
}

}  // namespace inferd::plan

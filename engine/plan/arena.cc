// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/arena.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

namespace inferd::plan {
namespace {

// The sum of live bytes at each step.
std::vector<int64_t> live_bytes(std::span<const Buffer> buffers) {
  int last_step = 0;
  for (const Buffer& buffer : buffers) last_step = std::max(last_step, buffer.last);
  std::vector<int64_t> live(static_cast<size_t>(last_step) + 2, 0);
  for (const Buffer& buffer : buffers) {
    live[static_cast<size_t>(buffer.first)] += aligned(buffer.bytes);
    live[static_cast<size_t>(buffer.last) + 1] -= aligned(buffer.bytes);
  }
  std::partial_sum(live.begin(), live.end(), live.begin());
  return live;
}

// Each buffer at the lowest place that is free all its life, in the order of `order`.
Layout place(std::span<const Buffer> buffers, std::span<const size_t> order) {
  Layout layout;
  layout.offsets.assign(buffers.size(), 0);
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

}  // namespace

Layout assign_offsets(std::span<const Buffer> buffers) {
  const std::vector<int64_t> live = live_bytes(buffers);
  const int64_t lower_bound = *std::max_element(live.begin(), live.end());

  // What each order puts first.
  std::vector<int64_t> fullest;  // step in a buffer's life, in bytes
  for (const Buffer& b : buffers) {
    fullest.push_back(*std::max_element(live.begin() + b.first, live.begin() + b.last + 1));
  }
  const auto size = [&](size_t i) { return buffers[i].bytes; };
  const auto life = [&](size_t i) { return buffers[i].last - buffers[i].first; };
  const std::function<bool(size_t, size_t)> orders[] = {
      [&](size_t a, size_t b) { return size(a) > size(b); },
      [&](size_t a, size_t b) {
        return std::pair(fullest[a], size(a)) > std::pair(fullest[b], size(b));
      },
      [&](size_t a, size_t b) { return std::pair(life(a), size(a)) > std::pair(life(b), size(b)); },
  };
  Layout best;
  for (const auto& before : orders) {
    std::vector<size_t> order(buffers.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), before);
    Layout layout = place(buffers, order);
    if (best.offsets.empty() || layout.bytes < best.bytes) best = std::move(layout);
    if (best.bytes == lower_bound) break;
  }
  best.lower_bound = lower_bound;
  return best;
}

}  // namespace inferd::plan

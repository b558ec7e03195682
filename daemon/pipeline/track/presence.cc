// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/track/presence.h"

#include <algorithm>
#include <bit>

namespace inferd::pipeline {
namespace {

constexpr auto kBefore = [](const auto& memory, uint64_t key) { return memory.key < key; };

}  // namespace

Presence::Presence(int least, int window)
    : least_(least), window_(UINT64_MAX >> (kMaxFrames - window)) {}

void Presence::next_frame() {
  for (Memory& m : memories_) m.frames = (m.frames << 1) & window_;
  std::erase_if(memories_, [](const Memory& m) { return m.frames == 0; });
}

void Presence::see(uint64_t key) {
  auto memory = std::lower_bound(memories_.begin(), memories_.end(), key, kBefore);
  if (memory == memories_.end() || memory->key != key) memory = memories_.insert(memory, {key, 0});
  memory->frames |= 1;
}

bool Presence::is_present(uint64_t key) const {
  const auto memory = std::lower_bound(memories_.begin(), memories_.end(), key, kBefore);
  return memory != memories_.end() && memory->key == key && std::popcount(memory->frames) >= least_;
}

}  // namespace inferd::pipeline

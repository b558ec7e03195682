// SPDX-License-Identifier: Apache-2.0
//
// Which things were seen often enough of late.
#pragma once

#include <cstdint>
#include <vector>

namespace inferd::pipeline {

// Remembers for each key in which of the last frames it was seen. Used by one thread at a time.
class Presence {
 public:
  static constexpr int kMaxFrames = 64;

  // A key is present when it was seen in `least` of the last `window` frames, this one included.
  // 1 <= least <= window <= kMaxFrames.
  Presence(int least, int window);

  void next_frame();  // before the first see() of each frame
  void see(uint64_t key);
  bool is_present(uint64_t key) const;

 private:
  struct Memory {
    uint64_t key;
    uint64_t frames;  // bit i: seen i frames ago
  };

  const int least_;
  const uint64_t window_;         // that many ones
  std::vector<Memory> memories_;  // by key
};

}  // namespace inferd::pipeline

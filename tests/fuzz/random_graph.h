// SPDX-License-Identifier: Apache-2.0
//
// Small graphs of any operators, made of bytes: what importers would never write as well, as long
// as ir::verify() takes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/ir/graph.h"

namespace inferd {

// Numbers from a sequence of bytes; zeros once it is used up.
class ByteSource {
 public:
  explicit ByteSource(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool empty() const { return bytes_.empty(); }
  uint8_t byte() {
    if (bytes_.empty()) return 0;
    const uint8_t first = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return first;
  }
  // One of `low` to `high`, which are no more than 255 apart.
  int64_t pick(int64_t low, int64_t high) { return low + byte() % (high - low + 1); }

 private:
  std::span<const uint8_t> bytes_;
};

// Operators, their attributes and inputs as `source` has them; those that shape rules refuse are
// left out. The last values are the outputs. Verified, or without nodes.
ir::Graph random_graph(ByteSource source);

}  // namespace inferd

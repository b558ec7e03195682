// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "inferd/engine/status.h"

namespace inferd::runtime {

// Page-aligned zeroed memory straight from the system, so that it goes back to the system when
// freed.
class MemoryBlock {
 public:
  MemoryBlock() = default;
  static Result<MemoryBlock> allocate(int64_t bytes);  // RESOURCE_EXHAUSTED when there is none
  ~MemoryBlock();
  MemoryBlock(MemoryBlock&& other) noexcept;
  MemoryBlock& operator=(MemoryBlock&& other) noexcept;

  std::byte* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace inferd::runtime

// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/memory_block.h"

#include <string>
#include <utility>

#include "engine/base/checked.h"
#include "engine/base/pages.h"

namespace inferd::runtime {

Result<MemoryBlock> MemoryBlock::allocate(int64_t bytes) {
  MemoryBlock block;
  if (bytes == 0) return block;
  void* address = addressable(bytes) ? map_pages(static_cast<size_t>(bytes)) : nullptr;
  if (address == nullptr) {
    return resource_exhausted("no memory for " + std::to_string(bytes) + " bytes of activations");
  }
  block.data_ = static_cast<std::byte*>(address);
  block.bytes_ = bytes;
  return block;
}

MemoryBlock::~MemoryBlock() {
  if (data_ != nullptr) unmap_pages(data_, static_cast<size_t>(bytes_));
}

MemoryBlock::MemoryBlock(MemoryBlock&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

MemoryBlock& MemoryBlock::operator=(MemoryBlock&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace inferd::runtime

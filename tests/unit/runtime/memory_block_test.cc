// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime/memory_block.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <new>

#include "engine/kernels/generic/aligned_array.h"
#include "engine/kernels/kernel.h"

namespace inferd {
namespace {

TEST(MemoryBlock, IsAllThereOrRefused) {
  // Cut off to 32 bits, the second is a page.
  for (const int64_t bytes : {int64_t{4096}, (int64_t{1} << 32) + 4096, INT64_MAX}) {
    const auto block = runtime::MemoryBlock::allocate(bytes);
    if (!block.ok()) {
      EXPECT_EQ(block.status().code(), StatusCode::kResourceExhausted);
      EXPECT_GT(bytes, 4096);
      continue;
    }
    EXPECT_EQ(block->bytes(), bytes);
    block->data()[bytes - 1] = std::byte{1};
  }
}

TEST(AlignedArray, RefusesMoreElementsThanHaveAddresses) {
  // As many bytes as size_t counts, and one element more.
  constexpr size_t kWrapped = SIZE_MAX / sizeof(uint64_t) + 2;
  EXPECT_THROW(kernels::generic::AlignedArray<uint64_t>{kWrapped}, std::bad_alloc);
  EXPECT_EQ(kernels::generic::AlignedArray<uint64_t>(3).bytes(), 24U);
}

// Three numbers of 8 bytes for each element are more than 32 bits count long before the tensor is.
TEST(Scratch, IsCountedIn64Bits) {
  EXPECT_EQ(3 * kernels::bytes_of<int64_t>(int64_t{1} << 28), int64_t{6} << 30);
  EXPECT_EQ(kernels::bytes_of<int64_t>(size_t{1} << 30), int64_t{8} << 30);
}

}  // namespace
}  // namespace inferd

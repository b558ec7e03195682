// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <memory>
#include <vector>

#include "daemon/host/descriptors.h"
#include "daemon/host/freed_memory.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOtherAllocator = true;
#else
constexpr bool kOtherAllocator = false;
#endif

namespace inferd::host {
namespace {

int64_t resident_bytes() {
  int64_t all = 0;
  int64_t resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

TEST(Descriptors, AsManyAsTheSystemAllows) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 256);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_TRUE(raise_descriptor_limit().ok());
  rlimit raised{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &raised), 0);
  EXPECT_EQ(raised.rlim_cur, limit.rlim_max);
}

TEST(FreedMemory, GivesBackWhatLiesBetweenBlocksInUse) {
  if (kOtherAllocator) GTEST_SKIP() << "SKIPPED: a sanitizer's allocator";
  constexpr size_t kBlock = 16 << 10;
  constexpr size_t kBlocks = 4096;
  FreedMemory freed;
  freed.give_back();
  std::vector<std::unique_ptr<char[]>> blocks;
  std::vector<std::unique_ptr<char[]>> between;
  for (size_t i = 0; i < kBlocks; ++i) {
    blocks.push_back(std::make_unique<char[]>(kBlock));  // zeroed: resident
    between.push_back(std::make_unique<char[]>(64));
  }
  const int64_t full = resident_bytes();
  blocks.clear();
  ASSERT_GT(resident_bytes(), full - (int64_t{8} << 20)) << "the allocator gave it back by itself";
  freed.give_back();
  EXPECT_LT(resident_bytes(), full - (int64_t{40} << 20));
}

}  // namespace
}  // namespace inferd::host

// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/arena.h"

#include <gtest/gtest.h>

#include <random>

namespace inferd::plan {
namespace {

bool overlap_in_time(const Buffer& a, const Buffer& b) {
  return a.first <= b.last && b.first <= a.last;
}

void expect_sound(const std::vector<Buffer>& buffers, const Layout& layout) {
  ASSERT_EQ(layout.offsets.size(), buffers.size());
  for (size_t i = 0; i < buffers.size(); ++i) {
    EXPECT_EQ(layout.offsets[i] % kArenaAlignment, 0);
    EXPECT_LE(layout.offsets[i] + buffers[i].bytes, layout.bytes);
    for (size_t j = 0; j < i; ++j) {
      if (!overlap_in_time(buffers[i], buffers[j])) continue;
      const bool apart = layout.offsets[i] + buffers[i].bytes <= layout.offsets[j] ||
                         layout.offsets[j] + buffers[j].bytes <= layout.offsets[i];
      EXPECT_TRUE(apart) << "buffers " << i << " and " << j << " share bytes while both live";
    }
  }
  EXPECT_GE(layout.bytes, layout.lower_bound);
}

TEST(Arena, ChainReusesMemory) {
  // x -> y -> z: two of equal size are alive at once, three never.
  const std::vector<Buffer> buffers = {{640, 0, 1}, {640, 1, 2}, {640, 2, 3}};
  const Layout layout = assign_offsets(buffers);
  expect_sound(buffers, layout);
  EXPECT_EQ(layout.bytes, 1280);
  EXPECT_EQ(layout.lower_bound, 1280);
}

TEST(Arena, EmptyAndZeroSizedBuffers) {
  EXPECT_EQ(assign_offsets({}).bytes, 0);
  const std::vector<Buffer> buffers = {{0, 0, 3}, {64, 0, 3}};
  const Layout layout = assign_offsets(buffers);
  expect_sound(buffers, layout);
  EXPECT_EQ(layout.bytes, 64);
}

// Largest first gives 576 here.
TEST(Arena, TakesAnotherOrderWhereLargestFirstWastes) {
  const std::vector<Buffer> buffers = {{256, 3, 5}, {192, 1, 3}, {128, 0, 1}, {192, 0, 2}};
  const Layout layout = assign_offsets(buffers);
  expect_sound(buffers, layout);
  EXPECT_EQ(layout.lower_bound, 512);
  EXPECT_EQ(layout.bytes, 512);
}

TEST(Arena, RandomLifetimesNeverOverlapAndStayNearTheLowerBound) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Buffer> buffers;
    for (int i = 0; i < 60; ++i) {
      const int first = static_cast<int>(random() % 40);
      buffers.push_back(
          {static_cast<int64_t>(random() % 5000), first, first + static_cast<int>(random() % 6)});
    }
    const Layout layout = assign_offsets(buffers);
    expect_sound(buffers, layout);
    EXPECT_LE(layout.bytes, layout.lower_bound * 3 / 2);
  }
}

}  // namespace
}  // namespace inferd::plan

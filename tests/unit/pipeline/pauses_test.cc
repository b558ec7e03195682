// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/pauses.h"

#include <gtest/gtest.h>

#include <set>

namespace inferd::pipeline {
namespace {

TEST(Pauses, DoubleUpToTheLongest) {
  Pauses pauses(100, 1000);
  for (int round = 0; round < 50; ++round) {
    for (const int64_t expected : {100, 200, 400, 800, 1000, 1000}) {
      const int64_t ns = pauses.next_ns();
      EXPECT_GE(ns, expected - expected / 5);
      EXPECT_LE(ns, expected + expected / 5);
    }
    pauses.reset();
  }
}

TEST(Pauses, DoNotComeTogether) {
  std::set<int64_t> different;
  for (int i = 0; i < 20; ++i) different.insert(Pauses(1'000'000'000, 1'000'000'000).next_ns());
  EXPECT_GT(different.size(), 15U);
}

}  // namespace
}  // namespace inferd::pipeline

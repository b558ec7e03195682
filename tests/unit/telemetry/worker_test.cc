// SPDX-License-Identifier: Apache-2.0
#include "daemon/telemetry/worker.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace inferd::telemetry {
namespace {

TEST(WorkerTest, IsBusyFromBeginToEnd) {
  Worker worker("one");
  EXPECT_TRUE(busy_workers(-1).empty());
  {
    const Work work(worker);
    const auto busy = busy_workers(-1);
    ASSERT_EQ(busy.size(), 1U);
    EXPECT_EQ(busy[0].name, "one");
    EXPECT_GE(busy[0].ns, 0);
    EXPECT_TRUE(busy_workers(3'600'000'000'000).empty());
  }
  EXPECT_TRUE(busy_workers(-1).empty());
}

TEST(WorkerTest, TheLongestComesFirst) {
  Worker late("late"), early("early");
  early.begin();
  const int64_t ns = 1'000'000;
  while (busy_workers(ns).empty()) std::this_thread::yield();
  late.begin();
  const auto busy = busy_workers(-1);
  ASSERT_EQ(busy.size(), 2U);
  EXPECT_EQ(busy[0].name, "early");
  EXPECT_GT(busy[0].ns, busy[1].ns);
}

TEST(WorkerTest, OneThatHasGoneIsNotLookedAt) {
  auto worker = std::make_unique<Worker>("gone");
  worker->begin();
  worker.reset();
  EXPECT_TRUE(busy_workers(-1).empty());
}

// Those who come and go while somebody looks.
TEST(WorkerTest, ManyThreads) {
  std::jthread looks([](const std::stop_token& stop) {
    while (!stop.stop_requested()) busy_workers(0);
  });
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 1'000; ++i) {
        Worker worker("thread");
        const Work work(worker);
      }
    });
  }
}

}  // namespace
}  // namespace inferd::telemetry

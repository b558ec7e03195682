// SPDX-License-Identifier: Apache-2.0
//
// What a queue learns from its runs: whether batches pay, and whether a deadline can be kept.
#include <gtest/gtest.h>

#include "daemon/schedule/batching_gain.h"
#include "daemon/schedule/run_times.h"

namespace inferd::schedule {
namespace {

constexpr int64_t kMs = 1'000'000;

TEST(BatchingGain, WaitsUntilItKnowsBetter) {
  BatchingGain gain;
  EXPECT_TRUE(gain.worth_waiting());
  for (int i = 0; i < 20; ++i) {
    gain.record_run(1, 10 * kMs);
    gain.record_run(4, 20 * kMs);
  }
  EXPECT_TRUE(gain.worth_waiting());
}

TEST(BatchingGain, DoesNotWaitWhereBatchesSaveNothingButTriesAgain) {
  BatchingGain gain;
  gain.record_run(1, 10 * kMs);
  gain.record_run(4, 40 * kMs);
  int waits = 0;
  for (int i = 0; i < 640; ++i) waits += gain.worth_waiting() ? 1 : 0;
  EXPECT_EQ(waits, 10);
  for (int i = 0; i < 20; ++i) gain.record_run(4, 20 * kMs);
  EXPECT_TRUE(gain.worth_waiting());
}

TEST(BatchingGain, DoesNotWaitWhereNobodyComes) {
  BatchingGain gain;
  for (int i = 0; i < 7; ++i) gain.record_wait(false);
  EXPECT_TRUE(gain.worth_waiting());
  gain.record_wait(false);
  EXPECT_FALSE(gain.worth_waiting());
  gain.record_wait(true);
  EXPECT_TRUE(gain.worth_waiting());
}

TEST(RunTimes, KnowsNothingAtFirstAndForgets) {
  RunTimes times;
  EXPECT_EQ(times.typical(0), 0);
  EXPECT_TRUE(times.can_be_done(1, 1000, 1, 0));
  for (int64_t i = 1; i <= 4; ++i) times.record(2, 10 * kMs, i);
  EXPECT_EQ(times.typical(4), 10 * kMs);
  EXPECT_EQ(times.element(4), 5 * kMs);
  EXPECT_EQ(times.fastest(4), 10 * kMs);
  EXPECT_EQ(times.typical(2000 * kMs), 0);
  times.record(1, kMs, 3000 * kMs);
  EXPECT_EQ(times.typical(3000 * kMs), kMs) << "begins anew";
}

TEST(RunTimes, ForeseesWhetherADeadlineCanBeKept) {
  RunTimes times;
  for (int64_t i = 1; i <= 8; ++i) times.record(1, 10 * kMs, i);
  EXPECT_FALSE(times.can_be_done(9 * kMs, 0, 1, 8));
  EXPECT_TRUE(times.can_be_done(11 * kMs, 0, 1, 8));
  EXPECT_FALSE(times.can_be_done(50 * kMs, 4, 1, 8)) << "4 before it, itself, and one in reserve";
  EXPECT_TRUE(times.can_be_done(61 * kMs, 4, 1, 8));
  EXPECT_TRUE(times.can_be_done(50 * kMs, 4, 2, 8)) << "two at a time";
}

}  // namespace
}  // namespace inferd::schedule

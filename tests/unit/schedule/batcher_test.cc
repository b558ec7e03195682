// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/batcher.h"

#include <gtest/gtest.h>

namespace inferd::schedule {
namespace {

// Requests of shape [batch, 2], or [batch, 3].
class BatcherTest : public ::testing::Test {
 protected:
  // Waiting, the first already in the batch.
  std::optional<CloseReason> collect(const std::vector<int>& batches) {
    Batcher batcher(options_, list_, sequences_);
    for (const int size : batches) push(size);
    batch_.requests.clear();
    list_.scan(batch_.requests, [&](const Waiting&) {
      return batch_.requests.empty() ? WaitingList::Verdict::kTake : WaitingList::Verdict::kStop;
    });
    return batcher.collect(batch_);
  }
  void push(int size, int64_t columns = 2, int64_t deadline = 0) {
    auto view = std::make_shared<TensorView>();
    view->shape = {size, columns};
    Request request;
    request.inputs = {view.get(), 1};
    request.keep_alive = view;
    request.deadline_ns = deadline;
    list_.push(std::move(request), size, now_++);
  }

  QueueOptions options_ = {.max_batch = 8};
  WaitingList list_{options_};
  Sequences sequences_{8, 1000};
  Batch batch_;
  int64_t now_ = 1;
};

TEST_F(BatcherTest, TakesWhatFits) {
  EXPECT_FALSE(collect({1, 2, 1}).has_value());
  EXPECT_EQ(batch_.size(), 4);
  EXPECT_EQ(collect({1, 5, 1, 1, 1}), CloseReason::kFull);
  EXPECT_EQ(batch_.size(), 8);
  EXPECT_EQ(list_.size(), 1);
}

TEST_F(BatcherTest, IsFullWhenTheNextDoesNotFit) {
  EXPECT_EQ(collect({5, 4}), CloseReason::kFull);
  EXPECT_EQ(batch_.size(), 5);
}

TEST_F(BatcherTest, OthersPassWhatDoesNotFitInUnlessOrderIsKept) {
  push(1);
  push(1, 3);
  push(1);
  collect({});
  EXPECT_EQ(batch_.size(), 2);
  std::vector<Waiting> rest;
  list_.clear(rest);
  options_.preserve_ordering = true;
  push(1);
  push(1, 3);
  push(1);
  collect({});
  EXPECT_EQ(batch_.size(), 1);
}

TEST_F(BatcherTest, ClosesAtTheLargestPreferredSizeThatCanBeFilled) {
  options_.preferred_batches = {2, 4};
  EXPECT_EQ(collect({1, 1, 1, 1, 1}), CloseReason::kPreferred);
  EXPECT_EQ(batch_.size(), 4);
  EXPECT_FALSE(collect({}).has_value()) << "one is left, and waits";
  EXPECT_EQ(batch_.size(), 1);
  EXPECT_EQ(collect({8}), CloseReason::kFull);
}

TEST_F(BatcherTest, WaitsForTheOldestOrHalfWayToADeadline) {
  options_.max_delay_us = 1000;
  collect({1, 1});
  Batcher batcher(options_, list_, sequences_);
  EXPECT_EQ(batcher.waits_until(batch_).until, 1 + 1'000'000);
  EXPECT_EQ(batcher.waits_until(batch_).reason, CloseReason::kDelay);
  now_ = 1000;
  push(1, 2, 3000);
  batcher.collect(batch_);
  EXPECT_EQ(batcher.waits_until(batch_).until, 2000);
  EXPECT_EQ(batcher.waits_until(batch_).reason, CloseReason::kDeadline);
}

}  // namespace
}  // namespace inferd::schedule

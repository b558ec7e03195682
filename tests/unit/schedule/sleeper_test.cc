// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/sleeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <numeric>
#include <thread>

#include "tests/unit/fakes.h"

namespace inferd::schedule {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Status accept_all(int64_t) { return ok_status(); }

// y = x for one number x, in queues that come and go.
class SleeperTest : public ::testing::Test {
 protected:
  void make(const QueueOptions& options, bool has_state = false) {
    const TensorInfo x = {"x", DType::kFloat32, {1}, {}};
    auto model = std::make_shared<FakeModel>(
        std::vector{x}, std::vector{x},
        [this](std::span<const TensorView> inputs) -> Result<std::vector<FakeTensor>> {
          gate_.pass();
          return std::vector<FakeTensor>{
              {DType::kFloat32, {1}, {inputs[0].data.begin(), inputs[0].data.end()}}};
        });
    if (has_state) model->add_state(x);
    sleeper_ = std::make_shared<Sleeper>(model, "copy", options, [this, model, options] {
      ++made_;
      return making_.ok() ? ModelQueue::create(model, "copy", options)
                          : Result<std::unique_ptr<ModelQueue>>(making_);
    });
    sleeper_->when_wanted([this] { ++wanted_; });
    queue_ = make_sleeping_queue(sleeper_);
  }

  // Asks for `value`, whose answer comes to answers_ or errors_.
  void submit(float value, const Sequence& sequence = {}, int64_t elements = 1) {
    struct Input {
      float value;
      TensorView view;
    };
    auto input = std::make_shared<Input>(Input{value, {}});
    input->view = {DType::kFloat32, {elements}, std::as_bytes(std::span(&input->value, 1))};
    Request request;
    request.inputs = {&input->view, 1};
    request.keep_alive = input;
    request.sequence = sequence;
    request.run_here = true;
    request.done = [this](const Outcome& outcome) {
      const std::lock_guard lock(mutex_);
      if (outcome.status.ok()) {
        answers_.push_back(outcome.outputs[0].as<float>()[0]);
      } else {
        errors_.push_back(outcome.status);
      }
      changed_.notify_all();
    };
    queue_->submit(std::move(request));
  }
  void wait_for(size_t answers) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return answers_.size() + errors_.size() >= answers; });
  }
  // A run ends a moment after its answer.
  void fall_asleep() {
    while (!sleeper_->fall_asleep()) std::this_thread::yield();
  }

  Gate gate_;
  Status making_;
  std::atomic<int> made_{0}, wanted_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<float> answers_;  // by mutex_, as the next
  std::vector<Status> errors_;
  std::shared_ptr<Sleeper> sleeper_;
  std::unique_ptr<ModelQueue> queue_;  // last: its requests end here
};

TEST_F(SleeperTest, RequestsWaitUntilItIsAwakeAndGoOnInTheirOrder) {
  gate_.open();
  make({});
  EXPECT_TRUE(queue_->statistics().asleep);
  for (const float value : {1.F, 2.F, 3.F}) submit(value);
  EXPECT_EQ(wanted_, 3);
  EXPECT_EQ(made_, 0) << "somebody else is to do that";
  EXPECT_EQ(queue_->statistics().pending, 3);
  EXPECT_TRUE(sleeper_->use().busy);
  ASSERT_TRUE(sleeper_->wake(accept_all).ok());
  wait_for(3);
  EXPECT_THAT(answers_, ElementsAre(1, 2, 3));
  EXPECT_FALSE(queue_->statistics().asleep);
  EXPECT_EQ(queue_->statistics().wakes.count, 1U);
  submit(4);
  wait_for(4);
  EXPECT_EQ(wanted_, 3) << "it is awake";
  ASSERT_TRUE(sleeper_->wake(accept_all).ok());
  EXPECT_EQ(made_, 1);
}

TEST_F(SleeperTest, WhatWasCountedIsCountedOverSleeps) {
  gate_.open();
  make({});
  for (int round = 1; round <= 3; ++round) {
    ASSERT_TRUE(sleeper_->wake(accept_all).ok());
    submit(1);
    wait_for(static_cast<size_t>(round));
    fall_asleep();
    const QueueStatistics statistics = queue_->statistics();
    EXPECT_EQ(statistics.success.count, static_cast<uint64_t>(round));
    EXPECT_EQ(statistics.sleeps, static_cast<uint64_t>(round));
    ASSERT_EQ(statistics.batches.size(), 1U);
    EXPECT_EQ(statistics.batches[0].compute_infer.count, static_cast<uint64_t>(round));
    const auto& counts = statistics.request_times.counts();
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), uint64_t{0}),
              static_cast<uint64_t>(round));
  }
}

TEST_F(SleeperTest, StaysAwakeWhileItHasSomethingToDo) {
  make({}, true);
  ASSERT_TRUE(sleeper_->wake(accept_all).ok());
  std::thread client([&] { submit(1, {.id = "s", .start = true}); });
  gate_.wait_for_arrivals(1);
  EXPECT_FALSE(sleeper_->fall_asleep()) << "a request runs";
  gate_.open();
  client.join();
  wait_for(1);
  EXPECT_TRUE(queue_->has_sequence("s"));
  EXPECT_FALSE(sleeper_->fall_asleep()) << "a sequence is open";
  submit(2, {.id = "s", .end = true});
  wait_for(2);
  fall_asleep();
  EXPECT_FALSE(sleeper_->fall_asleep()) << "it sleeps already";
}

TEST_F(SleeperTest, ASequenceThatIsEndedFromOutsideKeepsNothingAwake) {
  gate_.open();
  make({}, true);
  queue_->end_sequence("s");  // nothing
  EXPECT_TRUE(queue_->statistics().asleep) << "it is not woken for that";
  ASSERT_TRUE(sleeper_->wake(accept_all).ok());
  for (const char* id : {"s", "t"}) submit(1, {.id = id, .start = true});
  wait_for(2);
  queue_->end_sequence("s");
  ASSERT_FALSE(queue_->has_sequence("s"));
  EXPECT_TRUE(queue_->has_sequence("t"));
  EXPECT_FALSE(sleeper_->fall_asleep()) << "the other one is open";
  queue_->end_sequence("t");
  ASSERT_FALSE(queue_->has_sequence("t"));
  fall_asleep();
}

TEST_F(SleeperTest, OnlySoManyWait) {
  gate_.open();
  make({.max_queue = 2});
  for (int i = 0; i < 3; ++i) submit(1);
  ASSERT_EQ(errors_.size(), 1U);
  EXPECT_EQ(errors_[0].code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(errors_[0].message(), HasSubstr("2 requests wait for it already"));
  EXPECT_EQ(queue_->statistics().count(Refusal::kFull), 1U);
  sleeper_->give_up(unavailable("not now"));
}

TEST_F(SleeperTest, WhatIsNoRequestForItDoesNotWakeIt) {
  make({});
  submit(1, {}, 2);
  ASSERT_EQ(errors_.size(), 1U);
  EXPECT_EQ(errors_[0].code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(wanted_, 0);
}

TEST_F(SleeperTest, WhoWaitsIsToldWhyItCannotBeWoken) {
  gate_.open();
  make({});
  making_ = data_loss("the file is gone");
  submit(1);
  EXPECT_EQ(sleeper_->wake(accept_all).code(), StatusCode::kDataLoss);
  ASSERT_EQ(errors_.size(), 1U);
  EXPECT_EQ(errors_[0].message(), "the file is gone");
  making_ = ok_status();
  submit(1);
  const auto no_room = [](int64_t) { return resource_exhausted("no room"); };
  EXPECT_EQ(sleeper_->wake(no_room).code(), StatusCode::kResourceExhausted);
  ASSERT_EQ(errors_.size(), 2U);
  EXPECT_EQ(queue_->statistics().count(Refusal::kAsleep), 2U);
  submit(5);
  ASSERT_TRUE(sleeper_->wake(accept_all).ok());
  wait_for(3);
  EXPECT_THAT(answers_, ElementsAre(5));
}

TEST_F(SleeperTest, ClosingFinishesWhatWaits) {
  gate_.open();
  make({});
  submit(7);
  std::thread waker([&] { EXPECT_TRUE(sleeper_->wake(accept_all).ok()); });
  queue_->close();
  EXPECT_THAT(answers_, ElementsAre(7));
  waker.join();
  submit(8);
  ASSERT_EQ(errors_.size(), 1U);
  EXPECT_EQ(errors_[0].code(), StatusCode::kUnavailable);
}

TEST_F(SleeperTest, AbandoningRefusesWhatWaits) {
  make({});
  submit(7);
  queue_->abandon();
  ASSERT_EQ(errors_.size(), 1U);
  EXPECT_EQ(errors_[0].code(), StatusCode::kUnavailable);
  queue_->close();
}

TEST_F(SleeperTest, NothingIsLostWhileItComesAndGoes) {
  gate_.open();
  make({.max_queue = 1000, .default_policy = {.max_queue = 1000}});
  constexpr int kClients = 3, kRequests = 300;
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&] {
      for (int request = 0; request < kRequests; ++request) submit(1);
    });
  }
  std::atomic<bool> ended{false};
  std::thread keeper([&] {
    while (!ended) {
      EXPECT_TRUE(sleeper_->wake(accept_all).ok());
      sleeper_->fall_asleep();
    }
    EXPECT_TRUE(sleeper_->wake(accept_all).ok());
  });
  for (std::thread& client : clients) client.join();
  ended = true;
  keeper.join();
  wait_for(kClients * kRequests);
  EXPECT_EQ(answers_.size(), static_cast<size_t>(kClients * kRequests));
  queue_->close();
  EXPECT_EQ(queue_->statistics().success.count, static_cast<uint64_t>(kClients * kRequests));
}

}  // namespace
}  // namespace inferd::schedule

// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/residency.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "tests/unit/fakes.h"

namespace inferd::models {
namespace {

using config::Residence;
using ::testing::HasSubstr;
using Room = Residency::Room;

constexpr int64_t kMega = 1'000'000;

// y = x, in as much memory as it says.
class Sized final : public Model {
 public:
  Sized(int64_t bytes, Gate* gate) : bytes_(bytes), gate_(gate) {
    info_.inputs = {{"x", DType::kFloat32, {1}, {}}};
    info_.outputs = {{"y", DType::kFloat32, {1}, {}}};
  }
  const ModelInfo& info() const override { return info_; }
  Result<std::unique_ptr<Context>> create_context(const ContextOptions&) const override {
    return std::unique_ptr<Context>(std::make_unique<Echo>(bytes_, gate_));
  }

 private:
  class Echo final : public Context {
   public:
    Echo(int64_t bytes, Gate* gate) : bytes_(bytes), gate_(gate) {}
    Result<std::span<const TensorView>> run(std::span<const TensorView> inputs,
                                            std::span<State* const>) override {
      if (gate_ != nullptr) gate_->pass();
      return inputs;
    }
    Status prepare(std::span<const Shape>) override { return ok_status(); }
    std::span<const LayerProfile> profile() const override { return {}; }
    MemoryUse memory() const override { return {.arena_bytes = bytes_}; }

   private:
    const int64_t bytes_;
    Gate* gate_;
  };
  const int64_t bytes_;
  Gate* gate_;
  ModelInfo info_;
};

class ResidencyTest : public ::testing::Test {
 protected:
  struct Resident {
    std::shared_ptr<schedule::Sleeper> sleeper;
    std::unique_ptr<schedule::ModelQueue> queue;
  };

  void start(const config::MemoryConfig& config) {
    residency_ = std::make_unique<Residency>(
        config,
        [this] {
          const std::lock_guard lock(mutex_);
          return machine_;
        },
        [this](const std::string& name) { return name == needed_; });
  }
  void machine_is(int64_t available, double pressure) {
    const std::lock_guard lock(mutex_);
    machine_ = {available, "the machine", pressure};
  }
  Resident add(const std::string& name, int64_t bytes, const Residency::Terms& terms = {},
               Gate* gate = nullptr) {
    const auto model = std::make_shared<Sized>(bytes, gate);
    Resident resident;
    resident.sleeper = std::make_shared<schedule::Sleeper>(
        model, name, schedule::QueueOptions(),
        [model, name] { return schedule::ModelQueue::create(model, name, {}); });
    resident.queue = schedule::make_sleeping_queue(resident.sleeper);
    residency_->add(resident.sleeper, terms);
    return resident;
  }
  std::future<Status> ask(const Resident& resident) {
    auto answer = std::make_shared<std::promise<Status>>();
    schedule::Request request;
    request.inputs = {&view_, 1};
    request.done = [answer](const schedule::Outcome& outcome) {
      answer->set_value(outcome.status);
    };
    resident.queue->submit(std::move(request));
    return answer->get_future();
  }
  Status wake(const Resident& resident, Room room = Room::kMade) {
    return residency_->wake(resident.sleeper, room);
  }
  static bool is_awake(const Resident& resident) { return resident.sleeper->use().awake; }
  static void wait_until_asleep(const Resident& resident) {
    while (is_awake(resident)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  static constexpr float kOne = 1;
  const TensorView view_ = {DType::kFloat32, {1}, std::as_bytes(std::span(&kOne, 1))};
  std::string needed_;
  std::mutex mutex_;
  host::MemoryState machine_ = {1000 * kMega, "the machine", 0};  // by mutex_
  std::unique_ptr<Residency> residency_;
};

TEST_F(ResidencyTest, ARequestWakesWhatSleeps) {
  start({});
  const Resident a = add("a", kMega);
  EXPECT_FALSE(is_awake(a));
  EXPECT_TRUE(ask(a).get().ok());
  EXPECT_TRUE(is_awake(a));
  EXPECT_EQ(a.sleeper->use().bytes, kMega);
}

TEST_F(ResidencyTest, TheLeastRecentlyUsedMakesRoom) {
  start({.budget_bytes = 25 * kMega});
  const Resident a = add("a", 10 * kMega), b = add("b", 10 * kMega), c = add("c", 10 * kMega);
  EXPECT_TRUE(ask(a).get().ok());
  EXPECT_TRUE(ask(b).get().ok());
  EXPECT_TRUE(ask(a).get().ok());
  EXPECT_TRUE(ask(c).get().ok());
  EXPECT_TRUE(is_awake(a));
  EXPECT_FALSE(is_awake(b));
  EXPECT_TRUE(is_awake(c));
  EXPECT_TRUE(ask(b).get().ok()) << "it comes back when it is used";
  EXPECT_FALSE(is_awake(a));
}

// What it takes is known only when it was made.
TEST_F(ResidencyTest, WhatIsLargerThanItSeemedIsGivenUp) {
  start({.budget_bytes = 5 * kMega});
  const Resident small = add("small", kMega);
  ASSERT_TRUE(wake(small).ok());
  const Resident large = add("large", 6 * kMega, {.estimate_bytes = kMega});
  const Status status = ask(large).get();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(),
              HasSubstr("model 'large' needs about 6.0 MB of memory, 1.0 MB more"));
  EXPECT_FALSE(is_awake(large));
}

TEST_F(ResidencyTest, PinnedAndNeededModelsStay) {
  needed_ = "needed";
  start({.budget_bytes = 25 * kMega});
  const Resident pinned = add("pinned", 10 * kMega, {.residence = Residence::kPinned});
  const Resident needed = add("needed", 10 * kMega);
  ASSERT_TRUE(wake(pinned).ok());
  ASSERT_TRUE(wake(needed).ok());
  const Resident other = add("other", 10 * kMega);
  const Status status = ask(other).get();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("models may have 25.0 MB"));
  EXPECT_THAT(status.message(), HasSubstr("pinned has 10.0 MB (pinned)"));
  EXPECT_THAT(status.message(), HasSubstr("needed has 10.0 MB (in use by a pipeline)"));
  EXPECT_TRUE(is_awake(pinned) && is_awake(needed));
}

TEST_F(ResidencyTest, WhatRunsIsWaitedFor) {
  start({.budget_bytes = 15 * kMega});
  Gate gate;
  const Resident a = add("a", 10 * kMega, {}, &gate), b = add("b", 10 * kMega);
  auto of_a = ask(a);
  gate.wait_for_arrivals(1);
  auto of_b = ask(b);
  gate.open();
  EXPECT_TRUE(of_a.get().ok());
  EXPECT_TRUE(of_b.get().ok());
  EXPECT_FALSE(is_awake(a));
}

TEST_F(ResidencyTest, AtTheStartNothingIsPutToSleepForOthers) {
  start({.budget_bytes = 15 * kMega});
  const Resident a = add("a", 10 * kMega), b = add("b", 10 * kMega);
  ASSERT_TRUE(wake(a, Room::kLeft).ok());
  EXPECT_EQ(wake(b, Room::kLeft).code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(is_awake(a));
  EXPECT_TRUE(residency_->reserve("a load", 10 * kMega, Room::kForAWhile).ok())
      << "what does not stay is no matter of the budget";
}

TEST_F(ResidencyTest, ReservationsCountUntilTheyEnd) {
  start({.budget_bytes = 15 * kMega});
  auto first = residency_->reserve("first", 10 * kMega, Room::kLeft);
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(residency_->reserve("second", 10 * kMega, Room::kLeft).ok());
  first->release();
  EXPECT_TRUE(residency_->reserve("second", 10 * kMega, Room::kLeft).ok());
  EXPECT_TRUE(residency_->reserve("third", 10 * kMega, Room::kLeft).ok());
}

TEST_F(ResidencyTest, TheMachinesMemoryCountsWithoutABudget) {
  start({.reserve_bytes = 20 * kMega});
  machine_is(25 * kMega, 0);
  const Resident a = add("a", 10 * kMega, {.estimate_bytes = 10 * kMega});
  const Status status = ask(a).get();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("the machine has 25.0 MB left, of which 20.0 MB stay"));
  machine_is(50 * kMega, 0);
  EXPECT_TRUE(ask(a).get().ok());
}

TEST_F(ResidencyTest, WhatIsNotUsedFallsAsleep) {
  start({});
  const Resident idle = add("idle", kMega, {.keep_alive_ns = 1});
  const Resident kept = add("kept", kMega);
  const Resident pinned =
      add("pinned", kMega, {.residence = Residence::kPinned, .keep_alive_ns = 1});
  for (const Resident* resident : {&idle, &kept, &pinned}) ASSERT_TRUE(wake(*resident).ok());
  wait_until_asleep(idle);
  EXPECT_TRUE(is_awake(kept));
  EXPECT_TRUE(is_awake(pinned));
  EXPECT_TRUE(ask(idle).get().ok());
}

// These take as long as a model must be unused for it: seconds.
TEST_F(ResidencyTest, PressureAndAFullMachinePutToSleepWhatIsNotUsed) {
  start({.reserve_bytes = 20 * kMega, .max_pressure = 10});
  const Resident a = add("a", kMega), b = add("b", kMega);
  ASSERT_TRUE(wake(a).ok());
  ASSERT_TRUE(wake(b).ok());
  machine_is(1000 * kMega, 30);
  wait_until_asleep(a);
  machine_is(10 * kMega, 0);
  wait_until_asleep(b);
}

}  // namespace
}  // namespace inferd::models

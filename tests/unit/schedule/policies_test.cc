// SPDX-License-Identifier: Apache-2.0
//
// The order in which a queue runs what it has, and what it does not run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "daemon/schedule/model_queue.h"
#include "tests/unit/fakes.h"

namespace inferd::schedule {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// y = x + what came before in its sequence, for x of shape [1]; each run waits at the gate.
class Summing final : public Model {
 public:
  explicit Summing(Gate* gate) : gate_(gate) {
    const TensorInfo one{"x", DType::kFloat32, {1}, {}};
    info_.inputs = info_.outputs = info_.states = {one};
  }
  const ModelInfo& info() const override { return info_; }
  std::unique_ptr<State> create_state() const override { return std::make_unique<Sum>(); }
  Result<std::unique_ptr<Context>> create_context(const ContextOptions&) const override {
    return std::unique_ptr<Context>(std::make_unique<Adding>(gate_));
  }

 private:
  struct Sum final : State {
    void reset() override { value = 0; }
    float value = 0;
  };
  class Adding final : public Context {
   public:
    explicit Adding(Gate* gate) : gate_(gate) {}
    Result<std::span<const TensorView>> run(std::span<const TensorView> inputs,
                                            std::span<State* const> states) override {
      if (gate_ != nullptr) gate_->pass();
      Sum fresh;
      Sum& sum = states.empty() ? fresh : *static_cast<Sum*>(states[0]);
      sum.value += inputs[0].as<float>()[0];
      y_ = sum.value;
      output_ = {DType::kFloat32, {1}, std::as_bytes(std::span(&y_, 1))};
      return std::span<const TensorView>(&output_, 1);
    }
    Status prepare(std::span<const Shape>) override { return ok_status(); }
    std::span<const LayerProfile> profile() const override { return {}; }
    MemoryUse memory() const override { return {}; }

   private:
    Gate* gate_;
    float y_ = 0;
    TensorView output_;
  };
  Gate* gate_;
  ModelInfo info_;
};

// Requests of one number, and the answers in the order in which they came.
class Policies : public ::testing::Test {
 protected:
  void make(const QueueOptions& options, Gate* gate = nullptr) {
    auto queue = ModelQueue::create(std::make_shared<Summing>(gate), "sum", options);
    ASSERT_TRUE(queue.ok()) << queue.status().to_string();
    queue_ = std::move(*queue);
  }
  Request request(float x) {
    struct Input {
      float value;
      TensorView view;
    };
    auto input = std::make_shared<Input>();
    input->value = x;
    input->view = {DType::kFloat32, {1}, std::as_bytes(std::span(&input->value, 1))};
    Request r;
    r.inputs = {&input->view, 1};
    r.keep_alive = input;
    r.done = [this](const Outcome& outcome) {
      const std::lock_guard lock(mutex_);
      if (outcome.status.ok()) answers_.push_back(outcome.outputs[0].as<float>()[0]);
      if (!outcome.status.ok()) errors_.push_back(outcome.status);
      threads_.push_back(std::this_thread::get_id());
    };
    return r;
  }
  void submit(float x, int priority = 0, const Sequence& sequence = {}) {
    Request r = request(x);
    r.priority = priority;
    r.sequence = sequence;
    queue_->submit(std::move(r));
  }

  std::mutex mutex_;
  std::vector<float> answers_;  // by mutex_, as the next two
  std::vector<Status> errors_;
  std::vector<std::thread::id> threads_;
  std::unique_ptr<ModelQueue> queue_;
};

TEST_F(Policies, TheMostUrgentRunsFirst) {
  Gate gate;
  make({.priority_levels = 2}, &gate);
  submit(1);
  gate.wait_for_arrivals(1);
  submit(2);
  submit(3, 1);
  submit(4, 2);
  gate.open();
  queue_->close();
  EXPECT_THAT(answers_, ElementsAre(1, 3, 2, 4));
}

TEST_F(Policies, WhatWaitsTooLongIsUnavailable) {
  Gate gate;
  make({}, &gate);
  submit(1);
  gate.wait_for_arrivals(1);
  Request impatient = request(2);
  impatient.timeout_us = 1;
  queue_->submit(std::move(impatient));
  const int64_t until = now_ns() + 2000;
  while (now_ns() < until) std::this_thread::yield();
  gate.open();
  queue_->close();
  EXPECT_THAT(answers_, ElementsAre(1));
  ASSERT_EQ(errors_.size(), 1U);
  EXPECT_EQ(errors_[0].code(), StatusCode::kUnavailable);
  EXPECT_THAT(errors_[0].message(), HasSubstr("waited for model 'sum' for as long as it may"));
  EXPECT_EQ(queue_->statistics().count(Refusal::kTimeout), 1U);
}

TEST_F(Policies, EachSequenceHasItsStateAndKeepsItsOrder) {
  make({.instances = 3});
  const Sequence a{.id = "a", .start = false, .end = false};
  const Sequence b{.id = "b", .start = false, .end = false};
  submit(1, 0, {.id = "a", .start = true, .end = false});
  submit(100, 0, {.id = "b", .start = true, .end = false});
  for (int i = 0; i < 20; ++i) {
    submit(1, 0, a);
    submit(100, 0, b);
  }
  submit(5);  // of no sequence
  submit(1, 0, {.id = "a", .start = false, .end = true});
  queue_->close();
  std::vector<float> of_a;
  std::vector<float> of_b;
  for (const float answer : answers_) {
    if (answer != 5) (answer < 100 ? of_a : of_b).push_back(answer);
  }
  std::vector<float> expected;
  for (float i = 1; i <= 22; ++i) {
    if (i != 5) expected.push_back(i);
  }
  EXPECT_EQ(of_a, expected);
  for (size_t i = 0; i < of_b.size(); ++i) EXPECT_EQ(of_b[i], 100.F * static_cast<float>(i + 1));
  EXPECT_EQ(queue_->statistics().sequences, 1);
}

TEST_F(Policies, ASequenceThatIsNotOpenIsRefused) {
  make({});
  submit(1, 0, {.id = "a", .start = false, .end = false});
  ASSERT_EQ(errors_.size(), 1U);
  EXPECT_EQ(errors_[0].code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(errors_[0].message(), HasSubstr("model 'sum': sequence 'a' is not open"));
  queue_->close();
  EXPECT_EQ(queue_->statistics().count(Refusal::kInvalid), 1U);
}

TEST_F(Policies, TheCallersThreadComputesWhereNothingWaits) {
  Gate gate;
  make({}, &gate);
  submit(1);
  gate.wait_for_arrivals(1);
  Request busy = request(2);
  busy.run_here = true;
  queue_->submit(std::move(busy));  // the context is not here: it waits
  gate.open();
  while (queue_->statistics().success.count < 2) std::this_thread::yield();
  for (bool here = false; !here;) {  // the worker may still put its context back
    Request idle = request(3);
    idle.run_here = true;
    const size_t before = queue_->statistics().success.count;
    queue_->submit(std::move(idle));
    here = queue_->statistics().success.count == before + 1;
    while (queue_->statistics().success.count == before) std::this_thread::yield();
    const std::lock_guard lock(mutex_);
    here = here && threads_.back() == std::this_thread::get_id();
  }
  queue_->close();
  EXPECT_NE(threads_[0], std::this_thread::get_id());
  EXPECT_NE(threads_[1], std::this_thread::get_id());
}

TEST_F(Policies, ADeadlineThatCannotBeKeptIsRefusedAtOnce) {
  Gate gate;
  make({}, &gate);
  gate.open();
  for (int i = 0; i < 8; ++i) submit(1);
  while (queue_->statistics().success.count < 8) std::this_thread::yield();
  // Runs take some time at least, and a nanosecond is less.
  Request hopeless = request(9);
  hopeless.deadline_ns = now_ns() + 1;
  queue_->submit(std::move(hopeless));
  queue_->close();
  ASSERT_EQ(errors_.size(), 1U);
  EXPECT_EQ(errors_[0].code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(queue_->statistics().execution_count, 8U);
  EXPECT_EQ(queue_->statistics().count(Refusal::kDeadline), 1U);
}

TEST_F(Policies, AnswersComeInOrderWhereThatIsWanted) {
  make({.preserve_ordering = true, .instances = 4});
  std::vector<float> expected;
  for (int i = 0; i < 200; ++i) {
    expected.push_back(static_cast<float>(i));
    submit(static_cast<float>(i));
  }
  queue_->close();
  EXPECT_EQ(answers_, expected);
}

TEST_F(Policies, ModelsShareOnePlaceWithoutHarm) {
  const auto arbiter = std::make_shared<Arbiter>(1);
  std::vector<std::unique_ptr<ModelQueue>> queues;
  for (int i = 0; i < 3; ++i) {
    const QueueOptions options = {.instances = 2, .weight = 1.0 + i, .real_time = i == 2};
    queues.push_back(
        *ModelQueue::create(std::make_shared<Summing>(nullptr), "sum", options, arbiter));
  }
  for (int i = 0; i < 300; ++i) {
    Request r = request(1);
    r.run_here = i % 5 == 0;
    queues[static_cast<size_t>(i % 3)]->submit(std::move(r));
  }
  for (const auto& queue : queues) queue->close();
  EXPECT_EQ(answers_.size(), 300U);
  EXPECT_EQ(arbiter->waiting(), 0);
  Arbiter::Account last(1, false);
  EXPECT_TRUE(arbiter->try_enter(last)) << "every place was given back";
}

TEST_F(Policies, OptionsThatContradictEachOtherAreRefused) {
  const auto refused = [](const QueueOptions& options) {
    const auto queue = ModelQueue::create(std::make_shared<Summing>(nullptr), "sum", options);
    EXPECT_EQ(queue.status().code(), StatusCode::kInvalidArgument);
    return queue.status().message();
  };
  EXPECT_THAT(refused({.max_batch = 2}), HasSubstr("model 'sum'"));
  EXPECT_THAT(refused({.preferred_batches = {4}}), HasSubstr("a preferred batch size is 4"));
  EXPECT_THAT(refused({.priority_levels = 2, .default_priority = 3}),
              HasSubstr("the default priority is 3, but levels are 1 to 2"));
}

}  // namespace
}  // namespace inferd::schedule

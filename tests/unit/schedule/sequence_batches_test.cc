// SPDX-License-Identifier: Apache-2.0
//
// Requests of several sequences in one batch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <numeric>
#include <set>
#include <thread>

#include "daemon/schedule/model_queue.h"
#include "tests/unit/fakes.h"

namespace inferd::schedule {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr float kPoison = 666;

// Each element of y is the sum of the row of x that it is in, and of all rows that its sequence had
// before; fails when any x is kPoison. Each run waits at the gate.
class Summing final : public Model {
 public:
  explicit Summing(Gate* gate) : gate_(gate) {
    info_.batchable = true;
    info_.inputs = {{"x", DType::kFloat32, {kDynamicDim, kDynamicDim}, {}}};
    info_.outputs = {{"y", DType::kFloat32, {kDynamicDim, kDynamicDim}, {}}};
    info_.states = {{"sum", DType::kFloat32, {kDynamicDim}, {}}};
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
      gate_->pass();
      const auto x = inputs[0].as<float>();
      if (std::ranges::count(x, kPoison) > 0) return internal_error("poison");
      y_.clear();
      const auto columns = static_cast<size_t>(inputs[0].shape[1]);
      for (size_t row = 0; row < x.size() / columns; ++row) {
        Sum begins;
        const bool goes_on = !states.empty() && states[row] != nullptr;
        float& sum = (goes_on ? *static_cast<Sum*>(states[row]) : begins).value;
        const auto values = x.subspan(row * columns, columns);
        sum = std::accumulate(values.begin(), values.end(), sum);
        y_.insert(y_.end(), columns, sum);
      }
      output_ = {DType::kFloat32, inputs[0].shape, std::as_bytes(std::span(y_))};
      return std::span<const TensorView>(&output_, 1);
    }
    Status prepare(std::span<const Shape>) override { return ok_status(); }
    std::span<const LayerProfile> profile() const override { return {}; }
    MemoryUse memory() const override { return {}; }

   private:
    Gate* gate_;
    std::vector<float> y_;
    TensorView output_;
  };
  Gate* gate_;
  ModelInfo info_;
};

struct Answer {
  Status status;
  float sum = 0;
  int batch_size = 0;
};

class SequenceBatches : public ::testing::Test {
 protected:
  void make(const QueueOptions& options) {
    auto queue = ModelQueue::create(std::make_shared<Summing>(&gate_), "sum", options);
    ASSERT_TRUE(queue.ok()) << queue.status().to_string();
    queue_ = std::move(*queue);
  }
  // One row of `values`, of the sequence `id`, which begins where this is its first request. The
  // number of the request, by which answers_ has its answer.
  size_t submit(const std::string& id, const std::vector<float>& values, bool end = false,
                const std::atomic<bool>* gone = nullptr) {
    struct Input {
      std::vector<float> values;
      TensorView view;
    };
    auto input = std::make_shared<Input>(Input{values, {}});
    input->view = {DType::kFloat32,
                   {1, static_cast<int64_t>(values.size())},
                   std::as_bytes(std::span(input->values))};
    const size_t number = submitted_++;
    Request request;
    request.inputs = {&input->view, 1};
    request.keep_alive = input;
    request.sequence = {id, !id.empty() && begun_.insert(id).second, end};
    if (gone != nullptr) request.cancelled = [gone] { return gone->load(); };
    request.done = [this, number](const Outcome& outcome) {
      const std::lock_guard lock(mutex_);
      Answer& answer = answers_[number];
      answer.status = outcome.status;
      answer.batch_size = outcome.timing.batch_size;
      if (outcome.status.ok()) answer.sum = outcome.outputs[0].as<float>()[0];
      order_.push_back(number);
    };
    queue_->submit(std::move(request));
    return number;
  }
  std::vector<float> sums() const {
    std::vector<float> all;
    for (const auto& [number, answer] : answers_) all.push_back(answer.sum);
    return all;
  }
  std::vector<int> batch_sizes() const {
    std::vector<int> all;
    for (const auto& [number, answer] : answers_) all.push_back(answer.batch_size);
    return all;
  }

  Gate gate_;
  std::mutex mutex_;
  std::map<size_t, Answer> answers_;  // by mutex_, as the next
  std::vector<size_t> order_;
  std::set<std::string> begun_;
  size_t submitted_ = 0;
  std::unique_ptr<ModelQueue> queue_;
};

TEST_F(SequenceBatches, RunsDifferentSequencesAndNoneTogether) {
  make({.max_batch = 4});
  submit("a", {1});
  gate_.wait_for_arrivals(1);
  submit("b", {10});
  submit("", {5});
  submit("a", {2});
  submit("c", {20});
  gate_.open();
  queue_->close();
  EXPECT_THAT(sums(), ElementsAre(1, 10, 5, 3, 20));
  EXPECT_THAT(batch_sizes(), ElementsAre(1, 4, 4, 4, 4));
  EXPECT_EQ(queue_->statistics().count(CloseReason::kFull), 1U);
  EXPECT_EQ(queue_->statistics().sequences, 3);
}

TEST_F(SequenceBatches, HasOneRequestOfASequenceInABatch) {
  make({.max_batch = 4, .preferred_batches = {2, 4}});
  submit("a", {1});
  gate_.wait_for_arrivals(1);
  for (int i = 0; i < 3; ++i) submit("a", {1});
  submit("b", {10}, true);
  gate_.open();
  queue_->close();
  EXPECT_THAT(sums(), ElementsAre(1, 2, 3, 4, 10));
  EXPECT_THAT(batch_sizes(), ElementsAre(1, 2, 1, 1, 2));
  EXPECT_EQ(queue_->statistics().count(CloseReason::kPreferred), 1U);
  EXPECT_EQ(queue_->statistics().sequences, 1) << "b has ended";
}

TEST_F(SequenceBatches, KeepsTheOrderWhereShapesDiffer) {
  make({.max_batch = 4});
  submit("a", {1});
  gate_.wait_for_arrivals(1);
  submit("b", {10});
  submit("a", {2, 2});
  submit("a", {3});  // fits to that of b, but is not the next
  gate_.open();
  queue_->close();
  EXPECT_THAT(sums(), ElementsAre(1, 10, 5, 8));
  EXPECT_THAT(batch_sizes(), Each(1));
}

TEST_F(SequenceBatches, AFailureIsThatOfOneSequence) {
  make({.max_batch = 4});
  submit("", {0});
  gate_.wait_for_arrivals(1);
  for (const char* id : {"a", "b"}) submit(id, {1});
  const size_t bad = submit("c", {kPoison});
  for (const char* id : {"a", "b", "c"}) submit(id, {1});
  gate_.open();
  queue_->close();
  EXPECT_EQ(answers_[bad].status.message(), "poison");
  EXPECT_THAT(sums(), ElementsAre(0, 1, 1, 0, 2, 2, 1));
}

TEST_F(SequenceBatches, OneThatGoesWhileItsBatchWaitsLeavesItsSequenceFree) {
  // Far longer than the test: batches close when they are full.
  make({.max_batch = 2, .max_delay_us = 600'000'000, .adaptive = false});
  gate_.open();
  std::atomic<bool> gone = false;
  const size_t cancelled = submit("a", {1}, false, &gone);
  while (queue_->statistics().pending > 0) std::this_thread::yield();
  gone = true;
  submit("b", {10});
  while (queue_->statistics().success.count < 1) std::this_thread::yield();
  submit("a", {2});
  submit("b", {20});
  queue_->close();
  EXPECT_EQ(answers_[cancelled].status.code(), StatusCode::kCancelled);
  EXPECT_THAT(sums(), ElementsAre(0, 10, 2, 30));
  EXPECT_THAT(batch_sizes(), ElementsAre(0, 1, 2, 2));
}

TEST_F(SequenceBatches, GivesEachTheAnswersThatItWouldHaveAlone) {
  gate_.open();
  for (const bool in_order : {false, true}) {
    make({.max_batch = 4, .preserve_ordering = in_order, .instances = 3});
    answers_.clear();
    order_.clear();
    begun_.clear();
    submitted_ = 0;
    std::map<std::string, float> sum_of;
    std::vector<float> expected;
    for (int i = 0; i < 600; ++i) {
      const std::string id = std::to_string(i * 7 % 11 % 8);
      const auto x = static_cast<float>(i % 13);
      while (queue_->statistics().pending > 200) std::this_thread::yield();
      submit(id, i % 5 == 0 ? std::vector<float>{x, 0} : std::vector<float>{x});
      expected.push_back(sum_of[id] += x);
    }
    queue_->close();
    EXPECT_EQ(sums(), expected);
    EXPECT_TRUE(!in_order || std::ranges::is_sorted(order_));
  }
}

}  // namespace
}  // namespace inferd::schedule

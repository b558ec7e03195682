// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/model_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/unit/fakes.h"

namespace inferd::schedule {
namespace {

using ::testing::HasSubstr;

constexpr float kPoison = 666;

// y = x, for x of shape [batch, 2]; fails when any x is kPoison.
class Identity final : public Model {
 public:
  explicit Identity(Gate* gate) : gate_(gate) {
    info_.batchable = true;
    info_.inputs = {{"x", DType::kFloat32, {kDynamicDim, 2}, {}}};
    info_.outputs = {{"y", DType::kFloat32, {kDynamicDim, 2}, {}}};
  }
  const ModelInfo& info() const override { return info_; }
  Result<std::unique_ptr<Context>> create_context(const ContextOptions&) const override {
    return std::unique_ptr<Context>(std::make_unique<Copy>(gate_));
  }

 private:
  class Copy final : public Context {
   public:
    explicit Copy(Gate* gate) : gate_(gate) {}
    Result<std::span<const TensorView>> run(std::span<const TensorView> inputs,
                                            std::span<State* const>) override {
      if (gate_ != nullptr) gate_->pass();
      for (const float x : inputs[0].as<float>()) {
        if (x == kPoison) return internal_error("poison");
      }
      data_.assign(inputs[0].data.begin(), inputs[0].data.end());
      output_ = {inputs[0].dtype, inputs[0].shape, data_};
      return std::span<const TensorView>(&output_, 1);
    }
    Status prepare(std::span<const Shape>) override { return ok_status(); }
    std::span<const LayerProfile> profile() const override { return {}; }
    MemoryUse memory() const override { return {}; }

   private:
    Gate* gate_;
    std::vector<std::byte> data_;
    TensorView output_;
  };
  Gate* gate_;
  ModelInfo info_;
};

std::unique_ptr<ModelQueue> make_queue(const QueueOptions& options, Gate* gate = nullptr) {
  auto queue = ModelQueue::create(std::make_shared<Identity>(gate), "copy", options);
  EXPECT_TRUE(queue.ok()) << queue.status().to_string();
  return std::move(*queue);
}

// One request and its answer.
class Call {
 public:
  explicit Call(std::vector<float> values) : values_(std::move(values)) {}

  Request request(int64_t deadline_ns = 0) {
    Request r;
    const auto batch = static_cast<int64_t>(values_.size() / 2);
    view_ = {DType::kFloat32, {batch, 2}, std::as_bytes(std::span(values_))};
    r.inputs = {&view_, 1};
    r.deadline_ns = deadline_ns;
    r.done = [this](const Outcome& outcome) {
      const std::lock_guard lock(mutex_);
      status_ = outcome.status;
      batch_size_ = outcome.timing.batch_size;
      if (outcome.status.ok()) {
        const auto y = outcome.outputs[0].as<float>();
        answer_.assign(y.begin(), y.end());
      }
      ++calls_;
      changed_.notify_all();
    };
    return r;
  }
  Status wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return calls_ > 0; });
    return status_;
  }
  const std::vector<float>& values() const { return values_; }
  const std::vector<float>& answer() const { return answer_; }
  int calls() const { return calls_; }
  int batch_size() const { return batch_size_; }

 private:
  const std::vector<float> values_;
  TensorView view_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Status status_;
  std::vector<float> answer_;
  int calls_ = 0;
  int batch_size_ = 0;
};

TEST(ModelQueue, RequestsThatWaitTogetherRunTogetherAndGetTheirOwnAnswers) {
  Gate gate;
  auto queue = make_queue({.max_batch = 4}, &gate);
  Call first({1, 2});
  queue->submit(first.request());
  gate.wait_for_arrivals(1);  // the worker is busy with it
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < 3; ++i) {
    calls.push_back(std::make_unique<Call>(std::vector<float>{10.F * static_cast<float>(i), 5}));
    queue->submit(calls.back()->request());
  }
  gate.open();
  EXPECT_TRUE(first.wait().ok());
  EXPECT_EQ(first.batch_size(), 1);
  for (const auto& call : calls) {
    EXPECT_TRUE(call->wait().ok());
    EXPECT_EQ(call->answer(), call->values());
    EXPECT_EQ(call->batch_size(), 3);
  }
  const QueueStatistics s = queue->statistics();
  EXPECT_EQ(s.inference_count, 4U);
  EXPECT_EQ(s.execution_count, 2U);
  ASSERT_EQ(s.batches.size(), 2U);
  EXPECT_EQ(s.batches[1].size, 3);
}

TEST(ModelQueue, ABatchIsNeverLargerThanAllowed) {
  Gate gate;
  auto queue = make_queue({.max_batch = 3}, &gate);
  Call first({0, 0});
  queue->submit(first.request());
  gate.wait_for_arrivals(1);
  Call two({1, 1, 2, 2});  // carries a batch of 2
  Call also_two({3, 3, 4, 4});
  Call one({5, 5});
  for (Call* call : {&two, &also_two, &one}) queue->submit(call->request());
  gate.open();
  for (Call* call : {&first, &two, &also_two, &one}) {
    EXPECT_TRUE(call->wait().ok());
    EXPECT_EQ(call->answer(), call->values());
    EXPECT_LE(call->batch_size(), 3);
  }
  EXPECT_EQ(two.batch_size(), 3);
  EXPECT_EQ(one.batch_size(), 3);
}

TEST(ModelQueue, AFullQueueRefusesAtOnce) {
  Gate gate;
  auto queue = make_queue({.max_queue = 1}, &gate);
  Call running({1, 1});
  Call waiting({2, 2});
  Call refused({3, 3});
  queue->submit(running.request());
  gate.wait_for_arrivals(1);
  queue->submit(waiting.request());
  queue->submit(refused.request());
  EXPECT_EQ(refused.calls(), 1) << "answered before submit returned";
  EXPECT_EQ(refused.wait().code(), StatusCode::kResourceExhausted);
  gate.open();
  EXPECT_TRUE(waiting.wait().ok());
  EXPECT_EQ(queue->statistics().count(Refusal::kFull), 1U);
}

TEST(ModelQueue, LateWorkIsRefusedBeforeItRuns) {
  Gate gate;
  auto queue = make_queue({}, &gate);
  Call running({1, 1});
  Call late({2, 2});
  queue->submit(running.request());
  gate.wait_for_arrivals(1);
  queue->submit(late.request(now_ns() - 1));
  gate.open();
  EXPECT_EQ(late.wait().code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(running.wait().ok());
  EXPECT_EQ(queue->statistics().count(Refusal::kDeadline), 1U);
  EXPECT_EQ(queue->statistics().execution_count, 1U);
}

TEST(ModelQueue, AFailureReachesOnlyTheRequestThatCausedIt) {
  Gate gate;
  auto queue = make_queue({.max_batch = 8}, &gate);
  Call first({0, 0});
  queue->submit(first.request());
  gate.wait_for_arrivals(1);
  Call good({1, 1});
  Call guilty({2, kPoison});
  Call also_good({3, 3, 4, 4});
  for (Call* call : {&good, &guilty, &also_good}) queue->submit(call->request());
  gate.open();
  EXPECT_EQ(guilty.wait().code(), StatusCode::kInternal);
  for (Call* call : {&good, &also_good}) {
    EXPECT_TRUE(call->wait().ok()) << call->wait().to_string();
    EXPECT_EQ(call->answer(), call->values());
    EXPECT_EQ(call->calls(), 1);
  }
  EXPECT_EQ(also_good.batch_size(), 2) << "ran alone";
  const QueueStatistics s = queue->statistics();
  EXPECT_EQ(s.success.count, 3U);
  EXPECT_EQ(s.fail.count, 1U);
}

TEST(ModelQueue, WhatNobodyWaitsForNeverRuns) {
  Gate gate;
  auto queue = make_queue({.max_batch = 4}, &gate);
  Call running({1, 1});
  Call gone({2, 2});
  Call late({3, 3});
  Call wanted({4, 4});
  std::atomic<bool> cancelled{false};
  queue->submit(running.request());
  gate.wait_for_arrivals(1);
  Request request = gone.request();
  request.cancelled = [&] { return cancelled.load(); };
  queue->submit(std::move(request));
  queue->submit(late.request(now_ns() - 1));
  queue->submit(wanted.request());
  cancelled = true;
  gate.open();
  EXPECT_EQ(gone.wait().code(), StatusCode::kCancelled);
  EXPECT_EQ(late.wait().code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(wanted.wait().ok());
  EXPECT_EQ(wanted.batch_size(), 1) << "the dropped ones took no place in the batch";
  const QueueStatistics s = queue->statistics();
  EXPECT_EQ(s.count(Refusal::kCancelled), 1U);
  EXPECT_EQ(s.count(Refusal::kDeadline), 1U);
  EXPECT_EQ(s.execution_count, 2U);
}

TEST(ModelQueue, WhatNobodyWaitsForMakesRoomInAFullQueue) {
  Gate gate;
  auto queue = make_queue({.max_queue = 1}, &gate);
  Call running({1, 1});
  Call late({2, 2});
  Call next({3, 3});
  queue->submit(running.request());
  gate.wait_for_arrivals(1);
  queue->submit(late.request(now_ns() - 1));
  queue->submit(next.request());
  EXPECT_EQ(late.calls(), 1) << "answered at once, while the worker is busy";
  gate.open();
  EXPECT_EQ(late.wait().code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(next.wait().ok());
  EXPECT_EQ(queue->statistics().count(Refusal::kFull), 0U);
}

TEST(ModelQueue, AbandoningRefusesWhatWaitsWithoutWaitingForWhatRuns) {
  Gate gate;
  auto queue = make_queue({}, &gate);
  Call running({1, 1});
  Call waiting({2, 2});
  queue->submit(running.request());
  gate.wait_for_arrivals(1);
  queue->submit(waiting.request());
  std::thread closing([&] { queue->close(); });
  queue->abandon();
  EXPECT_EQ(waiting.calls(), 1) << "answered before abandon returned";
  EXPECT_EQ(waiting.wait().code(), StatusCode::kUnavailable);
  EXPECT_EQ(running.calls(), 0);
  gate.open();
  closing.join();
  EXPECT_TRUE(running.wait().ok());
  EXPECT_EQ(queue->statistics().count(Refusal::kClosed), 1U);
}

TEST(ModelQueue, ClosingFinishesWhatWasAcceptedAndRefusesTheRest) {
  Gate gate;
  auto queue = make_queue({}, &gate);
  Call running({1, 1});
  Call accepted({2, 2});
  queue->submit(running.request());
  gate.wait_for_arrivals(1);
  queue->submit(accepted.request());
  gate.open();
  queue->close();
  EXPECT_EQ(accepted.calls(), 1) << "close returned before accepted work was done";
  EXPECT_TRUE(accepted.wait().ok());
  Call late({3, 3});
  queue->submit(late.request());
  EXPECT_EQ(late.wait().code(), StatusCode::kUnavailable);
}

TEST(ModelQueue, SaysWhatIsWrongWithARequest) {
  auto queue = make_queue({});
  const std::vector<float> values(2);
  const auto refused = [&](const std::vector<TensorView>& inputs) {
    Status status;
    Request request;
    request.inputs = inputs;
    request.done = [&](const Outcome& o) { status = o.status; };
    queue->submit(std::move(request));
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    return status.message();
  };
  const auto bytes = std::as_bytes(std::span(values));
  EXPECT_THAT(refused({}), HasSubstr("got 0 inputs, the model takes 1"));
  EXPECT_THAT(refused({{DType::kInt32, {1, 2}, bytes}}),
              HasSubstr("datatype INT32, the model takes FP32"));
  EXPECT_THAT(refused({{DType::kFloat32, {1, 3}, bytes}}),
              HasSubstr("has shape [1,3], the model takes [?,2]"));
  EXPECT_THAT(refused({{DType::kFloat32, {0, 2}, {}}}), HasSubstr("has shape [0,2]"));
  EXPECT_THAT(refused({{DType::kFloat32, {2, 2}, bytes}}),
              HasSubstr("has 8 bytes, shape [2,2] needs 16"));
  EXPECT_EQ(queue->statistics().count(Refusal::kInvalid), 5U);
}

TEST(ModelQueue, ManyClientsGetTheirOwnAnswers) {
  auto queue = make_queue({.max_batch = 8, .max_delay_us = 200, .instances = 2});
  std::atomic<int> wrong{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 16; ++c) {
    clients.emplace_back([&, c] {
      for (int i = 0; i < 100; ++i) {
        Call call({static_cast<float>(c), static_cast<float>(i)});
        queue->submit(call.request());
        if (!call.wait().ok() || call.answer() != call.values()) ++wrong;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(queue->statistics().inference_count, 1600U);
}

}  // namespace
}  // namespace inferd::schedule

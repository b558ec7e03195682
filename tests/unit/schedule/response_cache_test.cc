// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/response_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <future>
#include <optional>
#include <thread>

#include "daemon/schedule/cached_queue.h"
#include "tests/unit/fakes.h"

namespace inferd::schedule {
namespace {

TensorView view(const std::vector<float>& values, Shape shape, DType dtype = DType::kFloat32) {
  return {dtype, shape, std::as_bytes(std::span(values))};
}

std::shared_ptr<ResponseCache> cache_of(int64_t bytes) {
  auto cache = ResponseCache::create(bytes);
  EXPECT_TRUE(cache.ok()) << cache.status().to_string();
  return *cache;
}

TEST(ResponseCache, FindsWhatWasInserted) {
  const auto cache = cache_of(1 << 20);
  const uint64_t owner = cache->new_owner();
  const std::vector<float> in = {1, 2}, one = {3}, two = {4, 5, 6};
  const std::vector<TensorView> inputs = {view(in, {2})};
  const auto key = cache->key(owner, inputs);
  EXPECT_EQ(cache->find(key), nullptr);
  cache->insert(owner, key, std::vector<TensorView>{view(one, {1}), view(two, {1, 3})});
  const auto answer = cache->find(cache->key(owner, inputs));
  ASSERT_NE(answer, nullptr);
  ASSERT_EQ(answer->outputs.size(), 2U);
  EXPECT_EQ(answer->outputs[0].as<float>()[0], 3);
  EXPECT_EQ(answer->outputs[1].shape, (Shape{1, 3}));
  EXPECT_EQ(answer->outputs[1].as<float>()[2], 6);
  EXPECT_EQ(cache->use(owner).entries, 1);
}

TEST(ResponseCache, TellsApartEverythingThatDiffers) {
  const auto cache = cache_of(1 << 20);
  const uint64_t owner = cache->new_owner();
  const std::vector<float> a = {1, 2}, b = {1, 3}, half = {1}, rest = {2}, none;
  const std::vector<std::vector<TensorView>> requests = {{view(a, {2})},
                                                         {view(b, {2})},
                                                         {view(a, {1, 2})},
                                                         {view(a, {2, 1})},
                                                         {view(a, {2}, DType::kInt32)},
                                                         {view(half, {1}), view(rest, {1})},
                                                         {view(a, {2}), view(none, {0})},
                                                         {view(none, {0}), view(a, {2})},
                                                         {}};
  for (size_t i = 0; i < requests.size(); ++i) {
    for (size_t j = 0; j < requests.size(); ++j) {
      EXPECT_EQ(cache->key(owner, requests[i]) == cache->key(owner, requests[j]), i == j);
    }
  }
  EXPECT_NE(cache->key(owner, requests[0]), cache->key(cache->new_owner(), requests[0]));
  EXPECT_NE(cache->key(owner, requests[0]), cache_of(1)->key(owner, requests[0]))
      << "each process has a key of its own";
}

TEST(ResponseCache, WhatWasNotAskedForTheLongestGoesFirst) {
  const std::vector<float> kilobyte(256);
  const auto cache = cache_of(5 << 10);  // three with what comes on top
  const uint64_t owner = cache->new_owner();
  std::vector<ResponseCache::Key> keys;
  for (float i = 0; i < 4; ++i) {
    const std::vector<float> in = {i};
    keys.push_back(cache->key(owner, std::vector<TensorView>{view(in, {1})}));
  }
  const std::vector<TensorView> outputs = {view(kilobyte, {256})};
  for (int i = 0; i < 3; ++i) cache->insert(owner, keys[static_cast<size_t>(i)], outputs);
  const auto held = cache->find(keys[0]);
  cache->insert(owner, keys[3], outputs);
  EXPECT_NE(cache->find(keys[0]), nullptr);
  EXPECT_EQ(cache->find(keys[1]), nullptr);
  EXPECT_EQ(cache->use(owner).entries, 3);
  EXPECT_EQ(cache->use(owner).evictions, 1U);
  EXPECT_LE(cache->use(owner).bytes, 5 << 10);

  const std::vector<float> large(2048);
  cache->insert(owner, keys[1], std::vector<TensorView>{view(large, {2048})});
  EXPECT_EQ(cache->use(owner).entries, 3) << "what does not fit throws nothing out";
  cache->insert(owner, keys[0], outputs);
  EXPECT_EQ(cache->use(owner).entries, 3) << "what is there is not there twice";

  cache->forget(owner);
  EXPECT_EQ(cache->find(keys[0]), nullptr);
  cache->insert(owner, keys[0], outputs);
  EXPECT_EQ(cache->find(keys[0]), nullptr) << "its owner is gone";
  EXPECT_EQ(held->outputs[0].data.size(), 1024U) << "who holds an answer keeps it";
}

TEST(ResponseCache, OneModelsEntriesGoWithoutTheOthers) {
  const auto cache = cache_of(1 << 20);
  const std::vector<float> in = {1};
  const std::vector<TensorView> tensors = {view(in, {1})};
  const uint64_t a = cache->new_owner(), b = cache->new_owner();
  cache->insert(a, cache->key(a, tensors), tensors);
  cache->insert(b, cache->key(b, tensors), tensors);
  cache->forget(a);
  EXPECT_EQ(cache->find(cache->key(a, tensors)), nullptr);
  EXPECT_NE(cache->find(cache->key(b, tensors)), nullptr);
  EXPECT_EQ(cache->use(a).entries, 0);
}

TEST(ResponseCache, ThreadsGetTheirOwnAnswers) {
  const auto cache = cache_of(16 << 10);  // too small for all
  const uint64_t owner = cache->new_owner();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) {
        const std::vector<float> in = {static_cast<float>((i * 7 + t) % 40)};
        const std::vector<TensorView> tensors = {view(in, {1})};
        const auto key = cache->key(owner, tensors);
        if (const auto answer = cache->find(key)) {
          EXPECT_EQ(answer->outputs[0].as<float>()[0], in[0]);
        } else {
          cache->insert(owner, key, tensors);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(cache->use(owner).entries, 0);
  EXPECT_LE(cache->use(owner).bytes, 16 << 10);
}

// A model that adds one, and fails for negative numbers.
class CachedQueueTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::vector<TensorInfo> tensor = {{"x", DType::kFloat32, {1}, {}}};
    model_ = std::make_shared<FakeModel>(
        tensor, tensor,
        [this](std::span<const TensorView> inputs) -> Result<std::vector<FakeTensor>> {
          ++runs_;
          const float x = inputs[0].as<float>()[0];
          if (x < 0) return internal_error("negative");
          FakeTensor y{DType::kFloat32, {1}, std::vector<std::byte>(sizeof(float))};
          const float sum = x + 1;
          std::memcpy(y.data.data(), &sum, sizeof(sum));
          return std::vector<FakeTensor>{y};
        });
    auto cached =
        make_cached_queue(*ModelQueue::create(model_, "m", {.response_cache = true}), cache_);
    ASSERT_TRUE(cached.ok()) << cached.status().to_string();
    queue_ = std::move(*cached);
  }

  // The answer, or none where it failed.
  std::optional<float> ask(float x, DType dtype = DType::kFloat32) {
    const std::vector<TensorView> inputs = {
        {dtype, {1}, std::as_bytes(std::span<const float>(&x, 1))}};
    std::promise<std::optional<float>> answer;
    Request request;
    request.inputs = inputs;
    request.done = [&](const Outcome& outcome) {
      answer.set_value(outcome.status.ok() ? std::optional(outcome.outputs[0].as<float>()[0])
                                           : std::nullopt);
    };
    queue_->submit(std::move(request));
    return answer.get_future().get();
  }

  const std::shared_ptr<ResponseCache> cache_ = cache_of(1 << 20);
  std::atomic<int> runs_ = 0;
  std::shared_ptr<FakeModel> model_;
  std::unique_ptr<ModelQueue> queue_;
};

TEST_F(CachedQueueTest, RunsOnceForTheSameInputs) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(1), 2);
  EXPECT_EQ(runs_, 1);
  EXPECT_EQ(ask(2), 3);
  EXPECT_EQ(runs_, 2);
  const QueueStatistics s = queue_->statistics();
  EXPECT_EQ(s.cache_hit.count, 2U);
  EXPECT_EQ(s.cache_miss.count, 2U);
  EXPECT_GT(s.cache_miss.ns, 0U);
  EXPECT_EQ(s.cache_entries, 2);
  EXPECT_EQ(s.success.count, 4U) << "hits are successes";
  EXPECT_EQ(s.inference_count, 2U) << "but no inferences";
  EXPECT_EQ(s.execution_count, 2U);
  EXPECT_EQ(s.queue.count, 2U) << "and never wait";
}

TEST_F(CachedQueueTest, FailuresAreNotKept) {
  EXPECT_EQ(ask(-1), std::nullopt);
  EXPECT_EQ(ask(-1), std::nullopt);
  EXPECT_EQ(runs_, 2);
  EXPECT_EQ(ask(1), 2);
  EXPECT_EQ(ask(1, DType::kInt32), std::nullopt) << "other types are other inputs";
  EXPECT_EQ(queue_->statistics().cache_entries, 1);
}

TEST_F(CachedQueueTest, NothingIsAnsweredAfterTheEnd) {
  EXPECT_EQ(ask(1), 2);
  queue_->close();
  EXPECT_EQ(ask(1), std::nullopt);
  EXPECT_EQ(queue_->statistics().cache_entries, 0);
}

TEST_F(CachedQueueTest, AnotherVersionHasNoEntriesOfThisOne) {
  EXPECT_EQ(ask(1), 2);
  queue_ = *make_cached_queue(*ModelQueue::create(model_, "m", {.response_cache = true}), cache_);
  EXPECT_EQ(ask(1), 2);
  EXPECT_EQ(runs_, 2);
}

TEST_F(CachedQueueTest, IsRefusedWhereItWouldChangeAnswersOrTheirOrder) {
  auto ordered = ModelQueue::create(model_, "m", {.preserve_ordering = true});
  EXPECT_EQ(make_cached_queue(std::move(*ordered), cache_).status().code(),
            StatusCode::kInvalidArgument);
  auto remembers = std::make_shared<FakeModel>(
      model_->info().inputs, model_->info().outputs,
      [](std::span<const TensorView>) { return std::vector<FakeTensor>(); });
  remembers->add_state({"h", DType::kFloat32, {1}, {}});
  auto with_state = ModelQueue::create(remembers, "m", {});
  EXPECT_EQ(make_cached_queue(std::move(*with_state), cache_).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace inferd::schedule

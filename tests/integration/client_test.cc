// SPDX-License-Identifier: Apache-2.0
//
// The C++ client against a daemon in its own process, over each transport.
#include "inferd/client/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <span>
#include <thread>

#include "tests/integration/live_daemon.h"

namespace inferd {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kSoonMs = 30'000;  // on a machine that has much else to do

const char kCopy[] = R"({"backend": "identity", "inputs": [{"datatype": "FP32", "shape": [1]}]})";
// Nobody waits for it to end: what waits behind it is there for as long as a test wants.
const char kEndless[] = R"({"backend": "identity", "inputs": [{"datatype": "FP32", "shape": [1]}],
                            "run_us": 600000000})";
const char kSlow[] = R"({"backend": "identity", "inputs": [{"datatype": "FP32", "shape": [1]}],
                         "run_us": 400000})";
const char kSum[] = R"({"backend": "accumulate", "inputs": [{"datatype": "FP32", "shape": [1]}]})";
const char kFail[] = R"({"backend": "fail", "message": "broken",
                         "inputs": [{"datatype": "FP32", "shape": [1]}]})";
const char kThrice[] = R"({"backend": "repeat", "times": 3,
                           "inputs": [{"datatype": "FP32", "shape": [1, -1]}]})";

// The input of a request, which lives until it is sent.
struct Number {
  explicit Number(float value) : bytes(std::bit_cast<std::array<std::byte, 4>>(value)) {}
  std::vector<NamedTensor> inputs() const { return {{"INPUT0", {DType::kFloat32, {1}, bytes}}}; }
  std::array<std::byte, 4> bytes;
};

float number_of(const Result<std::vector<NamedResult>>& answer) {
  EXPECT_TRUE(answer.ok()) << answer.status().to_string();
  return answer.ok() && answer.value().size() == 1 ? answer.value()[0].view().as<float>()[0] : -1;
}

// `count` requests with numbers from `first` on.
std::vector<InferFuture> send_many(Client& client, const std::string& model, size_t count,
                                   float first = 1) {
  std::vector<InferFuture> futures;
  futures.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const Number number(first + static_cast<float>(i));
    futures.push_back(client.infer_async(model, number.inputs()));
  }
  return futures;
}

class ClientTest : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Client> connect(const LiveDaemon& daemon) const {
    return Client::connect(daemon.endpoint(GetParam()), kSoonMs);
  }
  static InferFuture send(Client& client, const std::string& model, float value,
                          const InferOptions& options = {}) {
    return client.infer_async(model, Number(value).inputs(), options);
  }
};
INSTANTIATE_TEST_SUITE_P(Transport, ClientTest, testing::Values("grpc", "local"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(ClientTest, AnswersComeInAnyOrder) {
  const LiveDaemon daemon(Models{{"copy", kCopy}, {"slow", kSlow}});
  const auto client = connect(daemon);
  auto slow = send(*client, "slow", 1), fast = send(*client, "copy", 2);
  EXPECT_EQ(number_of(fast.get()), 2);
  EXPECT_FALSE(slow.is_ready());
  EXPECT_EQ(number_of(slow.get()), 1);
  EXPECT_EQ(slow.get().status().code(), StatusCode::kFailedPrecondition);
}

TEST_P(ClientTest, ManyRequestsOfManyThreadsGetTheirOwnAnswers) {
  const LiveDaemon daemon(Models{{"copy", kCopy}});
  const auto client = connect(daemon);
  const auto work = [&](float first) {
    for (int round = 0; round < 20; ++round) {
      auto futures = send_many(*client, "copy", 16, first);
      for (size_t i = 0; i < futures.size(); ++i)
        EXPECT_EQ(number_of(futures[i].get()), first + static_cast<float>(i));
      EXPECT_EQ(number_of(client->infer("copy", Number(7).inputs())), 7);
    }
  };
  std::array<std::thread, 4> threads;
  for (size_t t = 0; t < threads.size(); ++t)
    threads[t] = std::thread(work, static_cast<float>(1000 * t));
  for (std::thread& thread : threads) thread.join();
}

TEST_P(ClientTest, ADoneMayStartTheNext) {
  const LiveDaemon daemon(Models{{"copy", kCopy}}, ", max_in_flight: 1");
  const auto client = connect(daemon);
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<float> answers;
  std::function<void(float)> next = [&](float value) {
    client->infer_async("copy", Number(value).inputs(), {}, [&, value](const auto& answer) {
      EXPECT_EQ(number_of(answer), value);
      if (value < 100) next(value + 1);
      const std::lock_guard lock(mutex);
      answers.push_back(value);
      changed.notify_all();
    });
  };
  next(1);
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::milliseconds(kSoonMs),
                               [&] { return answers.size() == 100; }));
}

TEST_P(ClientTest, WhatIsWrongIsSaidOfThatRequest) {
  const LiveDaemon daemon(Models{{"copy", kCopy}, {"fail", kFail}});
  const auto client = connect(daemon);
  auto unknown = send(*client, "nothing", 1), failing = send(*client, "fail", 1);
  auto nameless = client->infer_async("copy", {}, {});
  auto good = send(*client, "copy", 3);
  EXPECT_EQ(unknown.get().status().code(), StatusCode::kNotFound);
  EXPECT_THAT(failing.get().status().message(), testing::HasSubstr("broken"));
  EXPECT_EQ(nameless.get().status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(number_of(good.get()), 3);
}

TEST_P(ClientTest, AFutureThatGoesCancels) {
  const LiveDaemon daemon(Models{{"sum", kSum}, {"endless", kEndless}});
  const auto client = connect(daemon);
  { const auto forgotten = send(*client, "endless", 1); }
  auto second = send(*client, "endless", 2);
  second.cancel();
  EXPECT_EQ(second.get().status().code(), StatusCode::kCancelled);
  auto third = send(*client, "endless", 3);
  third = send(*client, "sum", 4);  // the one before goes
  EXPECT_EQ(number_of(third.get()), 4);
  EXPECT_TRUE(InferFuture().is_ready());
}

TEST_P(ClientTest, NothingIsWaitedForLongerThanItsTimeout) {
  LiveDaemon daemon(Models{{"endless", kEndless}, {"copy", kCopy}});
  const auto client = connect(daemon);
  auto running = send(*client, "endless", 1, {.timeout_ms = 100});
  auto behind = send(*client, "endless", 2, {.timeout_ms = 50});
  EXPECT_EQ(running.get().status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(behind.get().status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(number_of(send(*client, "copy", 3).get()), 3);
  daemon.suspend();
  auto unheard = send(*client, "copy", 4, {.timeout_ms = 100});
  EXPECT_EQ(unheard.get().status().code(), StatusCode::kDeadlineExceeded);
  daemon.resume();
  EXPECT_EQ(number_of(send(*client, "copy", 5).get()), 5);
}

TEST_P(ClientTest, AClientThatGoesCancels) {
  const LiveDaemon daemon(Models{{"endless", kEndless}});
  std::vector<InferFuture> futures;
  int told = 0;  // the destructor waits for those who write it
  {
    const auto client = connect(daemon);
    futures = send_many(*client, "endless", 8);
    client->infer_async("endless", Number(1).inputs(), {}, [&](const auto& answer) {
      EXPECT_EQ(answer.status().code(), StatusCode::kCancelled);
      ++told;
    });
  }
  EXPECT_EQ(told, 1);
  for (InferFuture& future : futures) {
    EXPECT_TRUE(future.wait_for_ms(0));
    EXPECT_EQ(future.get().status().code(), StatusCode::kCancelled);
  }
}

TEST_P(ClientTest, ADaemonThatDiesEndsWhatIsOnItsWayAndIsFoundAgain) {
  LiveDaemon daemon(Models{{"endless", kEndless}, {"copy", kCopy}});
  const auto client = connect(daemon);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(number_of(send(*client, "copy", 1).get()), 1);
    auto futures = send_many(*client, "endless", 32);
    daemon.kill();
    for (InferFuture& future : futures)
      EXPECT_EQ(future.get().status().code(), StatusCode::kUnavailable);
    EXPECT_EQ(send(*client, "copy", 1).get().status().code(), StatusCode::kUnavailable);
    daemon.start();
    const auto until = Clock::now() + std::chrono::milliseconds(kSoonMs);
    while (!send(*client, "copy", 1).get().ok()) {
      ASSERT_LT(Clock::now(), until);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
}

TEST_P(ClientTest, OutputsMayBeOfASizeThatIsKnownLate) {
  const LiveDaemon daemon(Models{{"thrice", kThrice}});
  const auto client = connect(daemon);
  const std::vector<float> input(20'000, 2.5F);
  const NamedTensor tensor{"INPUT0",
                           {DType::kFloat32, {1, 20'000}, std::as_bytes(std::span(input))}};
  std::array<InferFuture, 8> futures;
  for (InferFuture& future : futures) future = client->infer_async("thrice", {tensor});
  for (InferFuture& future : futures) {
    const auto answer = future.get();
    ASSERT_TRUE(answer.ok()) << answer.status().to_string();
    EXPECT_EQ(answer.value()[0].shape, (Shape{1, 60'000}));
    EXPECT_THAT(answer.value()[0].view().as<float>(), testing::Each(2.5F));
  }
}

TEST_P(ClientTest, ASequenceKeepsItsState) {
  const LiveDaemon daemon(Models{{"sum", kSum}});
  const auto client = connect(daemon);
  for (float value = 1, sum = 0; value <= 5; ++value) {
    const Sequence step{42, value == 1, value == 5};
    sum += value;
    EXPECT_EQ(number_of(client->infer("sum", Number(value).inputs(), {.sequence = step})), sum);
    const Sequence other{43, value == 1, value == 5};
    EXPECT_EQ(number_of(send(*client, "sum", 10 * value, {.sequence = other}).get()), 10 * sum);
  }
  const auto ended = client->infer("sum", Number(1).inputs(), {.sequence = {42}});
  EXPECT_EQ(ended.status().code(), StatusCode::kInvalidArgument) << ended.status().to_string();
}

TEST(LocalClientTest, TellsThatTooManyAreOnTheirWay) {
  const LiveDaemon daemon(Models{{"slow", kSlow}, {"copy", kCopy}}, ", max_in_flight: 3");
  const auto client = Client::connect(daemon.endpoint("local"), kSoonMs);
  auto futures = send_many(*client, "slow", 3);
  const Status refused = client->infer_async("copy", Number(1).inputs()).get().status();
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(refused.message(), testing::HasSubstr("max_in_flight"));
  EXPECT_EQ(number_of(futures[0].get()), 1);
  EXPECT_EQ(number_of(client->infer_async("copy", Number(2).inputs()).get()), 2);
  futures.clear();
}

TEST(LocalClientTest, SaysWhereToAskForWhatItDoesNotSpeak) {
  const auto client = Client::connect("local:/nonexistent/socket");
  for (const Status& status : {client->statistics().status(), client->pipelines().status(),
                               client->snapshot("street", {}).status(), client->host().status()}) {
    EXPECT_EQ(status.code(), StatusCode::kUnimplemented);
    EXPECT_THAT(status.message(), testing::HasSubstr("unix:/run/inferd/inferd.sock"));
  }
}

}  // namespace
}  // namespace inferd

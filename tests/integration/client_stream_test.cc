// SPDX-License-Identifier: Apache-2.0
//
// Streams of the C++ client against a daemon in its own process, over each transport.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <span>
#include <thread>

#include "inferd/client/client.h"
#include "tests/integration/live_daemon.h"

namespace inferd {
namespace {

constexpr int64_t kSoonMs = 30'000;  // on a machine that has much else to do

const char kCopy[] = R"({"backend": "identity", "inputs": [{"datatype": "FP32", "shape": [1]}]})";
const char kEndless[] = R"({"backend": "identity", "inputs": [{"datatype": "FP32", "shape": [1]}],
                            "run_us": 600000000})";
const char kSum[] = R"({"backend": "accumulate", "inputs": [{"datatype": "FP32", "shape": [1]}]})";
const char kFail[] = R"({"backend": "fail", "message": "broken",
                         "inputs": [{"datatype": "FP32", "shape": [1]}]})";

class ClientStreamTest : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Client> connect(const LiveDaemon& daemon) const {
    return Client::connect(daemon.endpoint(GetParam()), kSoonMs);
  }
};
INSTANTIATE_TEST_SUITE_P(Transport, ClientStreamTest, testing::Values("grpc", "local"),
                         [](const auto& test) { return std::string(test.param); });

std::unique_ptr<Stream> open(Client& client, int max_in_flight = 32) {
  return std::move(client.stream({.max_in_flight = max_in_flight}).value());
}

Result<uint64_t> send(Stream& stream, const std::string& model, float value,
                      const InferOptions& options = {}) {
  const std::span<const float> one(&value, 1);
  return stream.send(model, {{"INPUT0", {DType::kFloat32, {1}, std::as_bytes(one)}}}, options);
}

float number_of(const StreamAnswer& answer) {
  EXPECT_TRUE(answer.status.ok()) << answer.status.to_string();
  return answer.outputs.size() == 1 ? answer.outputs[0].view().as<float>()[0] : -1;
}

TEST_P(ClientStreamTest, OneThreadSendsAndAnotherReceives) {
  const LiveDaemon daemon(Models{{"copy", kCopy}});
  const auto client = connect(daemon);
  const auto stream = open(*client, 8);
  constexpr uint64_t kCount = 500;
  std::thread sender([&] {
    for (uint64_t i = 1; i <= kCount; ++i) {
      const auto number = send(*stream, "copy", static_cast<float>(i));
      ASSERT_TRUE(number.ok()) << number.status().to_string();
      EXPECT_EQ(number.value(), i);
    }
    stream->finish();
  });
  uint64_t count = 0;
  auto answer = stream->receive();
  for (; answer.ok(); answer = stream->receive(), ++count) {
    EXPECT_EQ(number_of(*answer), static_cast<float>(answer->request));
    EXPECT_TRUE(answer->is_last);
  }
  EXPECT_EQ(answer.status().code(), StatusCode::kOutOfRange) << answer.status().to_string();
  EXPECT_EQ(count, kCount);
  sender.join();
  EXPECT_EQ(send(*stream, "copy", 1).status().code(), StatusCode::kFailedPrecondition);
}

TEST_P(ClientStreamTest, AnErrorIsThatOfItsRequest) {
  const LiveDaemon daemon(Models{{"copy", kCopy}, {"fail", kFail}});
  const auto client = connect(daemon);
  const auto stream = open(*client);
  const char* const models[] = {"copy", "fail", "nothing", "copy"};
  for (const char* model : models) ASSERT_TRUE(send(*stream, model, 5).ok());
  for (const char* model : models) {
    const auto answer = stream->receive();
    ASSERT_TRUE(answer.ok()) << answer.status().to_string();
    const std::string_view of(models[answer->request - 1]);
    EXPECT_EQ(answer->status.ok(), of == "copy") << of << model;
    const std::string said = of == "fail" ? "broken" : of == "nothing" ? "'nothing'" : "";
    EXPECT_THAT(answer->status.message(), testing::HasSubstr(said));
  }
}

TEST_P(ClientStreamTest, ASequenceKeepsItsOrder) {
  const LiveDaemon daemon(Models{{"sum", kSum}});
  const auto client = connect(daemon);
  const auto stream = open(*client, 64);
  constexpr int kSteps = 60;
  for (int i = 1; i <= kSteps; ++i) {
    const Sequence step{7, i == 1, i == kSteps};
    ASSERT_TRUE(send(*stream, "sum", static_cast<float>(i), {.sequence = step}).ok());
  }
  stream->finish();
  float sum = 0;
  uint64_t last = 0;
  for (auto answer = stream->receive(); answer.ok(); answer = stream->receive()) {
    EXPECT_EQ(answer->request, ++last);
    sum += static_cast<float>(answer->request);
    EXPECT_EQ(number_of(*answer), sum);
  }
  EXPECT_EQ(last, kSteps);
}

TEST_P(ClientStreamTest, WaitsForRoomAndSaysWhoMakesIt) {
  const LiveDaemon daemon(Models{{"copy", kCopy}});
  const auto client = connect(daemon);
  const auto stream = open(*client, 2);
  ASSERT_TRUE(send(*stream, "copy", 1).ok());
  ASSERT_TRUE(send(*stream, "copy", 2).ok());
  const Status full = send(*stream, "copy", 3, {.timeout_ms = 50}).status();
  EXPECT_EQ(full.code(), StatusCode::kDeadlineExceeded);
  EXPECT_THAT(full.message(), testing::HasSubstr("receive()"));
  EXPECT_TRUE(stream->receive().ok());
  EXPECT_TRUE(send(*stream, "copy", 3).ok());
  EXPECT_TRUE(stream->receive().ok());
  EXPECT_TRUE(stream->receive().ok());
  EXPECT_EQ(stream->receive(20).status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(client->stream({.max_in_flight = 0}).status().code(), StatusCode::kInvalidArgument);
}

TEST_P(ClientStreamTest, KeepsToWhatTheDaemonAllows) {
  const LiveDaemon daemon(Models{{"copy", kCopy}}, ", max_in_flight: 2");
  const auto client = connect(daemon);
  const auto stream = open(*client, 32);
  std::thread sender([&] {
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(send(*stream, "copy", 1).ok());
    stream->finish();
  });
  int count = 0;
  for (auto answer = stream->receive(); answer.ok(); answer = stream->receive(), ++count)
    EXPECT_EQ(number_of(*answer), 1);
  EXPECT_EQ(count, 50);
  sender.join();
}

TEST_P(ClientStreamTest, MayGoWithRequestsOnTheirWay) {
  const LiveDaemon daemon(Models{{"endless", kEndless}, {"copy", kCopy}});
  const auto client = connect(daemon);
  {
    const auto stream = open(*client);
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(send(*stream, "endless", 1).ok());
  }
  { const auto unused = open(*client); }
  const auto stream = open(*client);
  ASSERT_TRUE(send(*stream, "copy", 2).ok());
  const auto answer = stream->receive();
  ASSERT_TRUE(answer.ok()) << answer.status().to_string();
  EXPECT_EQ(number_of(*answer), 2);
}

TEST_P(ClientStreamTest, WhenTheDaemonDiesEveryRequestIsTold) {
  LiveDaemon daemon(Models{{"endless", kEndless}, {"copy", kCopy}});
  const auto client = connect(daemon);
  auto stream = open(*client);
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(send(*stream, "endless", 1).ok());
  daemon.kill();
  for (int i = 0; i < 8; ++i) {
    const auto answer = stream->receive();
    ASSERT_TRUE(answer.ok()) << answer.status().to_string();
    EXPECT_EQ(answer->status.code(), StatusCode::kUnavailable) << answer->status.to_string();
    EXPECT_TRUE(answer->is_last);
  }
  EXPECT_EQ(send(*stream, "copy", 1).status().code(), StatusCode::kUnavailable);
  daemon.start();
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kSoonMs);
  for (bool answered = false; !answered;) {
    ASSERT_LT(std::chrono::steady_clock::now(), until);
    stream = open(*client);
    if (!send(*stream, "copy", 1).ok()) continue;
    const auto answer = stream->receive();
    answered = answer.ok() && answer->status.ok();
  }
}

}  // namespace
}  // namespace inferd

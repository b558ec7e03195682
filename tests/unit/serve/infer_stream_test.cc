// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "tests/unit/serve/server_fixture.h"

namespace inferd::serve {
namespace {

using inference::ModelInferRequest;
using inference::ModelStreamInferResponse;
using ::testing::HasSubstr;

// One stream to the server.
class StreamTest : public ServerTest {
 protected:
  void open() { stream_ = inference_->ModelStreamInfer(&context_); }

  void send(const std::string& model, const std::string& id, const std::string& bytes = "ab") {
    ModelInferRequest request = request_for(model, bytes);
    request.set_id(id);
    ASSERT_TRUE(stream_->Write(request));
  }

  // "id: bytes", or "id! message".
  std::string receive() {
    ModelStreamInferResponse response;
    if (!stream_->Read(&response)) return "the end";
    const inference::ModelInferResponse& answer = response.infer_response();
    EXPECT_TRUE(answer.parameters().at("triton_final_response").bool_param());
    if (!response.error_message().empty()) return answer.id() + "! " + response.error_message();
    return answer.id() + ": " + answer.raw_output_contents(0);
  }

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<ModelInferRequest, ModelStreamInferResponse>> stream_;
};

TEST_F(StreamTest, EachRequestHasItsAnswerAndErrorsDoNotEndTheStream) {
  open();
  send("free", "a", "12");
  EXPECT_EQ(receive(), "a: 12");
  send("none", "b");
  EXPECT_EQ(receive(), "b! there is no model 'none'");
  send("free", "c", "123");
  EXPECT_EQ(receive(), "c! input 'x' has 3 bytes, shape [2] needs 2");
  send("free", "d", "34");
  EXPECT_EQ(receive(), "d: 34");
  stream_->WritesDone();
  EXPECT_EQ(receive(), "the end");
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(StreamTest, WhatIsReadyFirstIsAnsweredFirst) {
  open();
  send("patient", "slow");
  gate_.wait_for_arrivals(1);
  send("free", "fast");
  EXPECT_EQ(receive(), "fast: ab");
  stream_->WritesDone();
  gate_.open();
  EXPECT_EQ(receive(), "slow: ab") << "although the client says no more";
  EXPECT_EQ(receive(), "the end");
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(StreamTest, ReadsOnlySoManyRequestsAheadOfTheirAnswers) {
  constexpr int kSent = 200;
  constexpr int kAhead = 64;
  open();
  for (int i = 0; i < kSent; ++i) send("patient", std::to_string(i));
  // One of them runs.
  wait_until([&] { return statistics("patient").pending == kAhead - 1; });
  for (int i = 0; i < 20; ++i) {
    grpc::health::v1::HealthCheckResponse response;
    ASSERT_TRUE(health("", response).ok());
  }
  EXPECT_EQ(statistics("patient").pending, kAhead - 1);
  gate_.open();
  for (int i = 0; i < kSent; ++i) EXPECT_EQ(receive(), std::to_string(i) + ": ab");
  stream_->WritesDone();
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(StreamTest, OnlySoManyBytesAreAheadOfTheirAnswers) {
  constexpr int kSent = 12;
  ModelInferRequest request = request_for("patient");
  // Ignored, but it fills memory: four are as large as the largest message.
  (*request.mutable_parameters())["ballast"].set_string_param(std::string(size_t{16} << 20, 'x'));
  open();
  std::thread writer([&] {
    for (int i = 0; i < kSent; ++i) EXPECT_TRUE(stream_->Write(request));
    stream_->WritesDone();
  });
  wait_until([&] { return statistics("patient").pending == 3; });
  for (int i = 0; i < 20; ++i) {
    grpc::health::v1::HealthCheckResponse response;
    ASSERT_TRUE(health("", response).ok());
  }
  EXPECT_EQ(statistics("patient").pending, 3);
  gate_.open();
  for (int i = 0; i < kSent; ++i) EXPECT_EQ(receive(), ": ab");
  writer.join();
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(StreamTest, WithTritonsHeaderAnErrorEndsTheStream) {
  context_.AddMetadata("triton_grpc_error", "true");
  open();
  send("free", "a");
  EXPECT_EQ(receive(), "a: ab");
  send("none", "b");
  EXPECT_EQ(receive(), "the end");
  const grpc::Status status = stream_->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "there is no model 'none'");
}

TEST_F(StreamTest, ACancelledStreamRunsNothingMore) {
  open();
  send("echo", "a");
  gate_.wait_for_arrivals(1);
  send("echo", "b");
  wait_until([&] { return statistics().pending == 1; });
  context_.TryCancel();
  EXPECT_EQ(stream_->Finish().error_code(), grpc::StatusCode::CANCELLED);
  wait_until_cancelled();
  gate_.open();
  wait_until([&] { return statistics().success.count == 1; });
  EXPECT_EQ(statistics().execution_count, 1U);
}

TEST_F(StreamTest, AnIdleStreamEndsWithTheServer) {
  open();
  send("free", "a");
  EXPECT_EQ(receive(), "a: ab");
  server_->shut_down(1);
  EXPECT_EQ(receive(), "the end");
  EXPECT_FALSE(stream_->Finish().ok());
}

}  // namespace
}  // namespace inferd::serve

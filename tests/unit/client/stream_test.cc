// SPDX-License-Identifier: Apache-2.0
//
// A stream of the C++ client with a server whose models give several answers for a request, which
// the daemon's do not.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "inferd/client/client.h"
#include "inference/grpc_service.grpc.pb.h"
#include "tests/unit/temporary_folder.h"

namespace inferd {
namespace {

// A decoupled model: answers a request with input "count" of shape [n] with n tensors of
// `answer_bytes`, and ends with an empty answer where it is asked to say when it is done.
class Server final : public inference::GRPCInferenceService::Service {
 public:
  Server(const std::string& address, size_t answer_bytes) : answer_bytes_(answer_bytes) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~Server() override { server_->Shutdown(std::chrono::system_clock::now()); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int written() const { return written_; }

  grpc::Status ModelStreamInfer(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<inference::ModelStreamInferResponse, inference::ModelInferRequest>*
          stream) override {
    inference::ModelInferRequest request;
    while (stream->Read(&request)) {
      if (request.model_name() == "bye") return {grpc::StatusCode::INTERNAL, "the end"};
      for (int64_t i = 0; i < request.inputs(0).shape(0); ++i) {
        inference::ModelStreamInferResponse message;
        auto& response = *message.mutable_infer_response();
        response.set_id(request.id());
        (*response.mutable_parameters())["triton_final_response"].set_bool_param(false);
        auto* output = response.add_outputs();
        output->set_name("part");
        output->set_datatype("UINT8");
        output->add_shape(static_cast<int64_t>(answer_bytes_));
        response.add_raw_output_contents(std::string(answer_bytes_, static_cast<char>(i)));
        if (!stream->Write(message)) return grpc::Status::OK;
        ++written_;
      }
      const auto& parameters = request.parameters();
      const auto asked = parameters.find("triton_enable_empty_final_response");
      if (asked == parameters.end() || !asked->second.bool_param()) continue;
      inference::ModelStreamInferResponse last;
      last.mutable_infer_response()->set_id(request.id());
      (*last.mutable_infer_response()->mutable_parameters())["triton_final_response"]
          .set_bool_param(true);
      stream->Write(last);
    }
    return grpc::Status::OK;
  }

 private:
  const size_t answer_bytes_;
  std::atomic<int> written_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

Result<uint64_t> ask_for(Stream& stream, int64_t count, const std::string& model = "parts") {
  const std::vector<std::byte> data(static_cast<size_t>(count));
  return stream.send(model, {{"count", {DType::kUInt8, {count}, data}}});
}

TEST(Stream, GivesAllAnswersOfARequest) {
  const TemporaryFolder folder;
  const Server server("unix:" + folder.file("socket"), 1);
  const auto client = Client::connect("unix:" + folder.file("socket"));
  const auto stream = std::move(client->stream().value());
  ASSERT_TRUE(ask_for(*stream, 3).ok());
  ASSERT_TRUE(ask_for(*stream, 0).ok());
  stream->finish();
  for (int i = 0; i < 3; ++i) {
    const auto answer = stream->receive();
    ASSERT_TRUE(answer.ok()) << answer.status().to_string();
    EXPECT_EQ(answer->request, 1U);
    EXPECT_FALSE(answer->is_last);
    ASSERT_EQ(answer->outputs.size(), 1U);
    EXPECT_EQ(answer->outputs[0].data[0], static_cast<std::byte>(i));
  }
  for (const uint64_t request : {1U, 2U}) {
    const auto answer = stream->receive();
    ASSERT_TRUE(answer.ok()) << answer.status().to_string();
    EXPECT_EQ(answer->request, request);
    EXPECT_TRUE(answer->is_last);
    EXPECT_TRUE(answer->outputs.empty());
  }
  EXPECT_EQ(stream->receive().status().code(), StatusCode::kOutOfRange);
}

TEST(Stream, LetsTheServerWaitForWhoReceives) {
  constexpr int kCount = 1000;
  const TemporaryFolder folder;
  const Server server("unix:" + folder.file("socket"), 65'536);
  const auto client = Client::connect("unix:" + folder.file("socket"), 60'000);
  const auto stream = std::move(client->stream({.max_in_flight = 4}).value());
  ASSERT_TRUE(ask_for(*stream, kCount).ok());
  ASSERT_TRUE(stream->receive().ok());
  // As long as it takes to send them all, were they taken.
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  EXPECT_LT(server.written(), kCount / 2);  // buffers of gRPC and of the socket have some
  for (int i = 1; i < kCount; ++i) {
    const auto answer = stream->receive();
    ASSERT_TRUE(answer.ok()) << answer.status().to_string();
    ASSERT_FALSE(answer->is_last);
  }
  EXPECT_TRUE(stream->receive()->is_last);
}

TEST(Stream, EndsAsTheServerSays) {
  const TemporaryFolder folder;
  const Server server("unix:" + folder.file("socket"), 1);
  const auto client = Client::connect("unix:" + folder.file("socket"));
  const auto stream = std::move(client->stream().value());
  ASSERT_TRUE(ask_for(*stream, 1, "bye").ok());
  const auto answer = stream->receive();
  ASSERT_TRUE(answer.ok()) << answer.status().to_string();
  EXPECT_EQ(answer->status.code(), StatusCode::kInternal);
  EXPECT_TRUE(answer->is_last);
  EXPECT_EQ(stream->receive().status().message(), "the end");
  EXPECT_EQ(ask_for(*stream, 1).status().message(), "the end");
}

}  // namespace
}  // namespace inferd

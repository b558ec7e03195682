// SPDX-License-Identifier: Apache-2.0
//
// A server over a real socket, with models that wait for the test.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <thread>

#include "daemon/serve/grpc/grpc_server.h"
#include "grpc_health/health.grpc.pb.h"
#include "inference/grpc_service.grpc.pb.h"
#include "tests/unit/fakes.h"
#include "tests/unit/no_pipelines.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::serve {

// y = x, two bytes, after `before`.
inline std::shared_ptr<const Model> echo_model(const std::function<void()>& before) {
  return std::make_shared<FakeModel>(
      std::vector<TensorInfo>{{"x", DType::kUInt8, {2}, {}}},
      std::vector<TensorInfo>{{"y", DType::kUInt8, {2}, {}}},
      [before](std::span<const TensorView> x) {
        before();
        return Result<std::vector<FakeTensor>>(std::vector<FakeTensor>{
            {x[0].dtype, x[0].shape, {x[0].data.begin(), x[0].data.end()}}});
      });
}

// Three models with y = x: "echo" once the gate is open, with room for one request that waits;
// "patient", the same with room for many; and "free", at once.
class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    repository_.add("echo", echo_model([this] { gate_.pass(); }), {.max_queue = 1});
    repository_.add("patient", echo_model([this] { gate_.pass(); }), {.max_queue = 1000});
    repository_.add("free", echo_model([] {}));
    config::ServerConfig config;
    config.grpc.push_back({});
    config.grpc[0].address = "unix:" + folder_.file("s.sock");
    auto server = start_grpc(config, repository_, pipelines_, memory_, "1");
    ASSERT_TRUE(server.ok()) << server.status().to_string();
    server_ = std::move(*server);
    const auto channel =
        grpc::CreateChannel(config.grpc[0].address, grpc::InsecureChannelCredentials());
    health_ = grpc::health::v1::Health::NewStub(channel);
    inference_ = inference::GRPCInferenceService::NewStub(channel);
  }
  void TearDown() override { gate_.open(); }

  static inference::ModelInferRequest request_for(const std::string& model,
                                                  const std::string& bytes = "ab") {
    inference::ModelInferRequest request;
    request.set_model_name(model);
    auto* input = request.add_inputs();
    input->set_name("x");
    input->set_datatype("UINT8");
    input->add_shape(2);
    request.add_raw_input_contents(bytes);
    return request;
  }

  grpc::Status health(const std::string& service, grpc::health::v1::HealthCheckResponse& response) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    return health_->Check(&context, request, &response);
  }

  grpc::Status infer(grpc::ClientContext& context) {
    inference::ModelInferResponse response;
    return inference_->ModelInfer(&context, request_for("echo"), &response);
  }

  schedule::QueueStatistics statistics(const std::string& model = "echo") {
    return (*repository_.find(model, 0))->queue->statistics();
  }
  static void wait_until(const std::function<bool()>& condition) {
    while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  // A call to "echo" that waits was cancelled; the server learns of it after the client. Whatever
  // knocks at a full queue makes it look.
  void wait_until_cancelled() {
    const std::vector<std::byte> bytes(2);
    const TensorView view{DType::kUInt8, {2}, bytes};
    wait_until([&] {
      schedule::Request knock;
      knock.inputs = {&view, 1};
      knock.cancelled = [] { return true; };
      knock.done = [](const schedule::Outcome&) {};
      (*repository_.find("echo", 0))->queue->submit(std::move(knock));
      return statistics().count(schedule::Refusal::kCancelled) > 0;
    });
  }

  const TemporaryFolder folder_;
  Gate gate_;
  SharedMemory memory_{{.enabled = true}};
  FakeRepository repository_;
  NoPipelines pipelines_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<grpc::health::v1::Health::Stub> health_;
  std::unique_ptr<inference::GRPCInferenceService::Stub> inference_;
};

}  // namespace inferd::serve

// SPDX-License-Identifier: Apache-2.0
//
// The server over a real socket, with models that wait for the test.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <thread>

#include "daemon/serve/grpc/grpc_server.h"
#include "grpc_health/health.grpc.pb.h"
#include "inference/grpc_service.grpc.pb.h"
#include "tests/unit/fakes.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::serve {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

class NoPipelines final : public pipeline::Pipelines {
 public:
  void start() override {}
  void stop() override {}
  std::vector<pipeline::PipelineStatus> list() const override { return {}; }
  Result<std::unique_ptr<pipeline::Subscription>> subscribe(const std::string&, size_t) override {
    return not_found("there are no pipelines");
  }
};

// One model, "echo": y = x once the gate is open.
class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    repository_.add("echo",
                    std::make_shared<FakeModel>(
                        std::vector<TensorInfo>{{"x", DType::kUInt8, {2}, {}}},
                        std::vector<TensorInfo>{{"y", DType::kUInt8, {2}, {}}},
                        [this](std::span<const TensorView> x) {
                          gate_.pass();
                          return Result<std::vector<FakeTensor>>(std::vector<FakeTensor>{
                              {x[0].dtype, x[0].shape, {x[0].data.begin(), x[0].data.end()}}});
                        }),
                    {.max_queue = 1});
    config::ServerConfig config;
    config.grpc.push_back({});
    config.grpc[0].address = "unix:" + folder_.file("s.sock");
    auto server = start_grpc(config, repository_, pipelines_, "1");
    ASSERT_TRUE(server.ok()) << server.status().to_string();
    server_ = std::move(*server);
    const auto channel =
        grpc::CreateChannel(config.grpc[0].address, grpc::InsecureChannelCredentials());
    health_ = grpc::health::v1::Health::NewStub(channel);
    inference_ = inference::GRPCInferenceService::NewStub(channel);
  }
  void TearDown() override { gate_.open(); }

  grpc::Status health(const std::string& service, HealthCheckResponse& response) {
    grpc::ClientContext context;
    HealthCheckRequest request;
    request.set_service(service);
    return health_->Check(&context, request, &response);
  }

  grpc::Status infer(grpc::ClientContext& context) {
    inference::ModelInferRequest request;
    request.set_model_name("echo");
    auto* input = request.add_inputs();
    input->set_name("x");
    input->set_datatype("UINT8");
    input->add_shape(2);
    request.add_raw_input_contents("ab");
    inference::ModelInferResponse response;
    return inference_->ModelInfer(&context, request, &response);
  }

  schedule::QueueStatistics statistics() {
    return (*repository_.find("echo", 0))->queue->statistics();
  }
  void wait_until(const std::function<bool()>& condition) {
    while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  const TemporaryFolder folder_;
  Gate gate_;
  FakeRepository repository_;
  NoPipelines pipelines_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<grpc::health::v1::Health::Stub> health_;
  std::unique_ptr<inference::GRPCInferenceService::Stub> inference_;
};

TEST_F(ServerTest, HealthKnowsTheDaemonItsServicesAndItsModels) {
  for (const std::string service :
       {"", "inference.GRPCInferenceService", "inferd.v1.PipelineService", "echo"}) {
    HealthCheckResponse response;
    const grpc::Status status = health(service, response);
    EXPECT_TRUE(status.ok()) << service << ": " << status.error_message();
    EXPECT_EQ(response.status(), HealthCheckResponse::SERVING) << service;
  }
  HealthCheckResponse response;
  EXPECT_EQ(health("other", response).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ServerTest, NothingServesWhileTheDaemonDrains) {
  grpc::ClientContext watch_context;
  HealthCheckRequest request;
  request.set_service("echo");
  const auto watch = health_->Watch(&watch_context, request);
  HealthCheckResponse response;
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  grpc::Status answer;
  std::thread client([&] {
    grpc::ClientContext context;
    answer = infer(context);
  });
  gate_.wait_for_arrivals(1);
  server_->announce_shutdown();
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  for (const std::string service : {"", "inference.GRPCInferenceService", "echo"}) {
    ASSERT_TRUE(health(service, response).ok());
    EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING) << service;
  }
  watch_context.TryCancel();
  gate_.open();
  server_->shut_down(600'000);
  client.join();
  EXPECT_TRUE(answer.ok()) << answer.error_message();
}

// Who watches health must not hold the daemon back until the timeout.
TEST_F(ServerTest, AHealthWatcherDoesNotDelayTheEnd) {
  grpc::ClientContext context;
  const auto watch = health_->Watch(&context, HealthCheckRequest());
  HealthCheckResponse response;
  ASSERT_TRUE(watch->Read(&response));
  server_->shut_down(600'000);
}

TEST_F(ServerTest, CallsThatWereCancelledDoNotRun) {
  std::thread first([&] {
    grpc::ClientContext context;
    EXPECT_TRUE(infer(context).ok());
  });
  gate_.wait_for_arrivals(1);
  grpc::ClientContext context;
  grpc::Status status;
  std::thread second([&] { status = infer(context); });
  wait_until([&] { return statistics().pending == 1; });
  context.TryCancel();
  second.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  // The server learns of it after the client. Whatever knocks at a full queue makes it look.
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
  gate_.open();
  first.join();
  EXPECT_EQ(statistics().execution_count, 1U);
}

TEST_F(ServerTest, AbandonedCallsAreToldSo) {
  std::thread first([&] {
    grpc::ClientContext context;
    EXPECT_TRUE(infer(context).ok());
  });
  gate_.wait_for_arrivals(1);
  grpc::Status status;
  std::thread second([&] {
    grpc::ClientContext context;
    status = infer(context);
  });
  wait_until([&] { return statistics().pending == 1; });
  std::thread stopping([&] { server_->shut_down(600'000); });
  repository_.abandon();
  second.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(),
            "the daemon stops; model 'echo' could not run the request in time");
  gate_.open();
  first.join();
  stopping.join();
}

}  // namespace
}  // namespace inferd::serve

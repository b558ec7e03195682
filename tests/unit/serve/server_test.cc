// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/serve/server_fixture.h"

namespace inferd::serve {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

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

TEST_F(ServerTest, HealthFollowsModels) {
  grpc::ClientContext watch_context;
  HealthCheckRequest request;
  request.set_service("free");
  const auto watch = health_->Watch(&watch_context, request);
  HealthCheckResponse response;
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  grpc::ClientContext context;
  inference::RepositoryModelUnloadRequest unload;
  unload.set_model_name("free");
  inference::RepositoryModelUnloadResponse unloaded;
  const grpc::Status status = inference_->RepositoryModelUnload(&context, unload, &unloaded);
  EXPECT_TRUE(status.ok()) << status.error_message();
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  watch_context.TryCancel();
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
  wait_until_cancelled();
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

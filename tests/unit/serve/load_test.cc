// SPDX-License-Identifier: Apache-2.0
//
// Versions of models that come with the call that loads them.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "daemon/serve/control.h"
#include "daemon/serve/grpc/grpc_server.h"
#include "inference/grpc_service.grpc.pb.h"
#include "package/base64.h"
#include "tests/unit/models/board.h"
#include "tests/unit/serve/server_fixture.h"

namespace inferd::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(LoadContent, FilesAndConfigurationBecomeAVersion) {
  const auto none = version_of_load("m", {});
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
  const auto made = version_of_load("m", {{"config", R"({"name": "m", "max_batch_size": 4})"},
                                          {"file:3/model.onnx", "abc"},
                                          {"file:3/selftest/a/inputs/x.npy", "d"}});
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  EXPECT_EQ((*made)->version, (models::ModelAndVersion{"m", 3}));
  EXPECT_THAT((*made)->files,
              ElementsAre(Pair("config.pbtxt", "name: \"m\"\nmax_batch_size: 4\n"),
                          Pair("model.onnx", "abc"), Pair("selftest/a/inputs/x.npy", "d")));
}

TEST(LoadContent, MistakesAreNamed) {
  const auto refused = [](std::map<std::string, std::string> parameters) {
    return version_of_load("m", std::move(parameters)).status();
  };
  for (const std::string name :
       {"file:", "file:model.onnx", "file:/model.onnx", "file:0/model.onnx", "file:-1/model.onnx",
        "file:1x/model.onnx", "file:1/", "file:1/../model.onnx", "file:1//etc/passwd",
        "file:1/.hidden", "file:1/manifest.json", "file:99999999999999999999/model.onnx"}) {
    const Status status = refused({{name, "x"}});
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(status.message(), HasSubstr("'" + name + "'"));
  }
  EXPECT_THAT(refused({{"file:1/model.onnx", "x"}, {"file:2/model.onnx", "x"}}).message(),
              HasSubstr("of another version than 1"));
  EXPECT_EQ(refused({{"config", "{}"}}).code(), StatusCode::kUnimplemented);
  EXPECT_EQ(refused({{"color", "red"}}).code(), StatusCode::kInvalidArgument);
  for (const std::string json : {"", "[]", "{", R"({"max_batch_size": "many"})", R"({"no": 1})"}) {
    const Status status = refused({{"config", json}, {"file:1/model.onnx", "x"}});
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << json;
    EXPECT_THAT(status.message(), HasSubstr("load parameter 'config': is not a model config"));
  }
  EXPECT_THAT(refused({{"config", "{}"}, {"file:1/config.pbtxt", ""}}).message(),
              HasSubstr("and a file 'config.pbtxt'"));
}

TEST(LoadContent, FilesOverHttpAreBase64) {
  EXPECT_EQ(*package::from_base64(""), "");
  EXPECT_EQ(*package::from_base64("YQ=="), "a");
  EXPECT_EQ(*package::from_base64("YWJj\r\nZGVm"), "abcdef");
  for (const std::string text : {"Y", "YQ", "YQ=", "YQ==x", "!!!!", "YW Jj"})
    EXPECT_FALSE(package::from_base64(text).ok()) << text;
}

// Over gRPC, to a board.
class LoadOverGrpc : public models::Board {
 protected:
  void SetUp() override {
    Board::SetUp();
    start();
    serve();
  }
  void TearDown() override {
    server_.reset();
    Board::TearDown();
  }
  void serve() {
    config::ServerConfig config;
    config.grpc.push_back({});
    config.grpc[0].address = "unix:" + folder_.file("s.sock");
    auto server = start_grpc(config, *repository_, pipelines_, memory_, "1", deployments_.get());
    ASSERT_TRUE(server.ok()) << server.status().to_string();
    server_ = std::move(*server);
    stub_ = inference::GRPCInferenceService::NewStub(
        grpc::CreateChannel(config.grpc[0].address, grpc::InsecureChannelCredentials()));
  }
  grpc::Status load(const std::map<std::string, std::string>& files,
                    const std::string& configuration = "") {
    inference::RepositoryModelLoadRequest request;
    request.set_model_name("m");
    for (const auto& [name, content] : files)
      (*request.mutable_parameters())[name].set_bytes_param(content);
    if (!configuration.empty())
      (*request.mutable_parameters())["config"].set_string_param(configuration);
    grpc::ClientContext context;
    inference::RepositoryModelLoadResponse response;
    return stub_->RepositoryModelLoad(&context, request, &response);
  }

  NoPipelines pipelines_;
  SharedMemory memory_{{.enabled = true}};
  std::unique_ptr<Server> server_;
  std::unique_ptr<inference::GRPCInferenceService::Stub> stub_;
};

TEST_F(LoadOverGrpc, AVersionComesAndServes) {
  const grpc::Status first = load({{"file:1/model.test", models::scale_model("2")}});
  ASSERT_TRUE(first.ok()) << first.error_message();
  EXPECT_THAT(*ask("m"), ElementsAre(2, 4));
  const grpc::Status third =
      load({{"file:3/model.test", models::scale_model("3")}}, R"({"max_batch_size": 4})");
  ASSERT_TRUE(third.ok()) << third.error_message();
  EXPECT_THAT(*ask("m"), ElementsAre(3, 6));
  EXPECT_EQ((*repository_->find("m", 0))->config.max_batch, 4);
  EXPECT_EQ(verdict("m", 3), models::Verdict::kGood);
  // The same content again is the same version; another one is not.
  ASSERT_TRUE(load({{"file:1/model.test", models::scale_model("2")}}).ok());
  EXPECT_EQ(serves("m"), 1);
  const grpc::Status other = load({{"file:1/model.test", models::scale_model("5")}});
  EXPECT_EQ(other.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(*ask("m"), ElementsAre(2, 4));
}

TEST_F(LoadOverGrpc, WhatCannotServeIsRefusedWithTheReason) {
  ASSERT_TRUE(load({{"file:1/model.test", models::scale_model("2")}}).ok());
  const grpc::Status broken = load({{"file:2/model.test", "no model"}});
  EXPECT_EQ(broken.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(broken.error_message(), HasSubstr("was refused: "));
  const grpc::Status misfit = load({{"file:3/model.test", models::scale_model("2")}},
                                   R"({"input": [{"name": "nope", "data_type": "TYPE_FP32"}]})");
  EXPECT_EQ(misfit.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(misfit.error_message(), HasSubstr("nope"));
  EXPECT_EQ(serves("m"), 1);
}

TEST_F(LoadOverGrpc, ABoardTakesWhatItHasRoomFor) {
  server_.reset();
  config_.deployments.max_package_bytes = 10;
  restart();
  serve();
  EXPECT_EQ(load({{"file:1/model.test", models::scale_model("2")}}).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_FALSE(exists("m"));
}

}  // namespace
}  // namespace inferd::serve

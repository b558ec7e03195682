// SPDX-License-Identifier: Apache-2.0
//
// Models of a repository that are not in memory all the time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "daemon/models/deploy/one_run.h"
#include "tests/unit/models/board.h"
#include "tests/unit/models/onnx_file.h"
#include "tests/unit/models/repository_folder.h"

namespace inferd::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kMega = 1'000'000;

std::string sized(int64_t megabytes, const std::string& factor = "1") {
  return scale_model(factor, R"(, "memory_bytes": )" + std::to_string(megabytes * kMega));
}

class SleepingModels : public RepositoryFolder {
 protected:
  Result<std::shared_ptr<Engine>> make_engine() const override {
    EngineOptions options;
    options.threads = 1;
    return make_scripted_engine(options);
  }

  // Those that sleep.
  static std::vector<std::string> asleep(const Repository& repository) {
    std::vector<std::string> names;
    for (const ModelStatus& status : repository.list()) {
      EXPECT_EQ(status.state, ModelState::kReady) << status.reason;
      if (status.reason == "asleep until it is used") names.push_back(status.name);
    }
    return names;
  }
  static Status ask(const Repository& repository, const std::string& name) {
    const auto version = repository.find(name, 0);
    if (!version.ok()) return version.status();
    const std::vector<float> values = {1, 2};
    const TensorView view{DType::kFloat32, {1, 2}, std::as_bytes(std::span(values))};
    std::promise<Status> answer;
    schedule::Request request;
    request.inputs = {&view, 1};
    request.done = [&](const schedule::Outcome& outcome) { answer.set_value(outcome.status); };
    (*version)->queue->submit(std::move(request));
    return answer.get_future().get();
  }
};

TEST_F(SleepingModels, ThoseOnDemandAreKnownAndWokenByTheirFirstRequest) {
  write("a/1/model.test", sized(1));
  write("a/model.yaml", "residence: on_demand\n");
  write("b/1/model.test", sized(1));
  const auto repository = open();
  EXPECT_THAT(asleep(*repository), ElementsAre("a"));
  EXPECT_TRUE(repository->ready());
  EXPECT_EQ((*repository->find("a", 0))->model->inputs()[0].name, "INPUT0");
  EXPECT_TRUE(ask(*repository, "a").ok());
  EXPECT_THAT(asleep(*repository), IsEmpty());
}

TEST_F(SleepingModels, WhatDoesNotFitAtTheStartSleeps) {
  config_.memory.budget_bytes = 5 * kMega;
  write("a/1/model.test", sized(3));
  write("b/1/model.test", sized(3));
  const auto repository = open();
  EXPECT_THAT(asleep(*repository), ElementsAre("b"));
  EXPECT_TRUE(ask(*repository, "b").ok());
  EXPECT_THAT(asleep(*repository), ElementsAre("a"));
  EXPECT_TRUE(ask(*repository, "a").ok());
}

TEST_F(SleepingModels, APinnedModelThatDoesNotFitIsAMistake) {
  config_.memory.budget_bytes = 5 * kMega;
  write("a/1/model.test", sized(3));
  write("b/1/model.test", sized(6));
  write("b/model.yaml", "residence: pinned\n");
  const auto repository = DeployableRepository::open(config_, engine_, nullptr);
  ASSERT_FALSE(repository.ok());
  EXPECT_EQ(repository.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(repository.status().message(), HasSubstr("model 'b' needs about 6.0 MB"));
}

TEST_F(SleepingModels, ALoadThatDoesNotFitChangesNothing) {
  config_.memory.budget_bytes = 5 * kMega;
  write("a/1/model.test", sized(2));
  write("a/model.yaml", "residence: pinned\n");
  const auto repository = open();
  write("b/1/model.test", sized(4));
  const Status status = load(*repository, "b");
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr("a has 2.0 MB (pinned)"));
  EXPECT_TRUE(ask(*repository, "a").ok());
  write("b/2/model.test", sized(3));
  EXPECT_TRUE(load(*repository, "b").ok());
}

TEST_F(SleepingModels, WhatAPipelineNeedsStaysInMemory) {
  config_.memory.budget_bytes = 5 * kMega;
  write("a/1/model.test", sized(3));
  const auto repository = open();
  auto pipeline = repository->depend("a", "pipeline 'door'");
  write("b/1/model.test", sized(3));
  EXPECT_THAT(load(*repository, "b").message(), HasSubstr("a has 3.0 MB (in use by a pipeline)"));
  pipeline.reset();
  EXPECT_TRUE(load(*repository, "b").ok());
  EXPECT_THAT(asleep(*repository), ElementsAre("a"));
}

// A file that somebody writes to is not what was checked any more.
TEST_F(SleepingModels, AFileThatWasWrittenToIsNotUsed) {
  write("a/1/model.test", sized(1));
  write("a/model.yaml", "residence: on_demand\n");
  write("b/1/model.test", sized(1));
  write("b/model.yaml", "residence: on_demand\n");
  const auto repository = open();
  std::ofstream(config_.root + "/a/1/model.test", std::ios::app) << " ";
  const Status status = ask(*repository, "a");
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("was written to since it was loaded; load the model"));
  EXPECT_TRUE(load(*repository, "a").ok());
  EXPECT_TRUE(ask(*repository, "a").ok());
  write("b/1/model.test", "another file, which does not matter to who has the one before");
  EXPECT_TRUE(ask(*repository, "b").ok());
}

// What the engine gives up and makes again.
class RealModel : public RepositoryFolder {
 protected:
  Result<std::shared_ptr<Engine>> make_engine() const override {
    EngineOptions options;
    options.threads = 1;
    return Engine::create(options);
  }
};

TEST_F(RealModel, ComputesTheSameAfterASleep) {
  write("a/1/model.onnx", relu_model(3));
  const auto repository = open();
  const auto version = *repository->find("a", 0);
  const std::vector<float> values = {-1, 2, 3, 4, -5, 6};
  const auto bytes = std::as_bytes(std::span(values));
  const media::Array input{DType::kFloat32, {2, 3}, {bytes.begin(), bytes.end()}};
  for (int round = 0; round < 3; ++round) {
    const auto run = run_once(version, {input}, 60'000);
    ASSERT_TRUE(run.ok()) << run.status().to_string();
    EXPECT_THAT(run->outputs[0].view().as<float>(), ElementsAre(0, 2, 3, 4, 0, 6));
    while (!version->sleeper->fall_asleep()) std::this_thread::yield();
    EXPECT_EQ(version->queue->statistics().memory.arena_bytes, 0);
  }
}

class SleepingBoard : public Board {};

// The old version gives its memory to the new one when it is not asked any more.
TEST_F(SleepingBoard, ADeploymentIsRefusedWhereBothDoNotFit) {
  config_.memory.budget_bytes = 5 * kMega;
  start();
  ASSERT_EQ(
      push("m", 1, {{"model.test", sized(3, "2")}, {"model.yaml", "residence: pinned\n"}}).state,
      DeploymentState::kDone);
  const DeploymentStatus refused = push("m", 2, {{"model.test", sized(3, "3")}});
  EXPECT_EQ(refused.state, DeploymentState::kRefused);
  EXPECT_EQ(refused.steps.back().step, Step::kLoad);
  EXPECT_THAT(refused.reason, HasSubstr("m has 3.0 MB (pinned)"));
  EXPECT_THAT(*ask("m"), ElementsAre(2, 4));
  const DeploymentStatus done = push("m", 3, {{"model.test", sized(2, "3")}});
  EXPECT_EQ(done.state, DeploymentState::kDone) << done.reason;
  EXPECT_THAT(*ask("m"), ElementsAre(3, 6));
}

}  // namespace
}  // namespace inferd::models

// SPDX-License-Identifier: Apache-2.0
//
// Pipelines that do less for a while.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "daemon/pipeline/pipelines.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

class RestraintTest : public ::testing::Test {
 protected:
  static config::PipelineConfig config(const std::string& name, bool live,
                                       const std::string& frames = "0") {
    config::PipelineConfig c;
    c.name = name;
    c.source = node("test_pattern", {{"width", "32"},
                                     {"height", "32"},
                                     {"fps", "500"},
                                     {"frames", frames},
                                     {"live", live ? "true" : "false"}});
    c.stages = {node("resize"), node("infer", {{"model", "big"}})};
    return c;
  }
  // A model for pictures of this size, that counts its runs.
  void add_model(const std::string& name, int64_t size, std::atomic<uint64_t>& runs) {
    repository_.add(
        name,
        std::make_shared<FakeModel>(
            std::vector<TensorInfo>{{"x", DType::kUInt8, {1, size, size, 3}, {}}},
            std::vector<TensorInfo>{{"y", DType::kFloat32, {1, 1}, {}}},
            [&runs](std::span<const TensorView>) -> Result<std::vector<FakeTensor>> {
              ++runs;
              return std::vector<FakeTensor>{{DType::kFloat32, {1, 1}, std::vector<std::byte>(4)}};
            }));
  }
  void make(const std::vector<config::PipelineConfig>& configs) {
    add_model("big", 16, big_);
    add_model("small", 8, small_);
    configs_ = configs;
    auto pipelines =
        Pipelines::create(configs, repository_, [this](const auto&) { return configs_; });
    ASSERT_TRUE(pipelines.ok()) << pipelines.status().to_string();
    pipelines_ = std::move(*pipelines);
    pipelines_->start();
  }
  PipelineStatus status(const std::string& name) const { return *pipelines_->status(name); }
  // Frames of its source that were left out.
  uint64_t skipped(const std::string& name) const {
    return status(name).graph[0].drops[static_cast<size_t>(DropReason::kSkipped)];
  }
  static void wait_until(const std::function<bool()>& condition) {
    while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  static Restraint with_model(const std::string& other) {
    Restraint restraint;
    restraint.models["big"] = other;
    return restraint;
  }

  std::atomic<uint64_t> big_{0}, small_{0};
  FakeRepository repository_;
  std::vector<config::PipelineConfig> configs_;
  std::unique_ptr<Pipelines> pipelines_;
};

TEST_F(RestraintTest, ALiveSourceGoesOnAndFewerOfItsFramesAreTaken) {
  make({config("street", true), config("yard", true)});
  wait_until([&] { return status("street").processed >= 20; });
  EXPECT_EQ(skipped("street"), 0U);
  Restraint restraint;
  restraint.max_fps["street"] = 5;
  ASSERT_TRUE(pipelines_->restrain(restraint).ok());
  const PipelineStatus before = status("street");
  wait_until([&] { return skipped("street") >= 200; });
  const PipelineStatus after = status("street");
  // Of 200 frames at 500 a second, 2 or 3 are due; a slow machine may make that a few more.
  EXPECT_LT(after.graph[0].given - before.graph[0].given, 50U);
  EXPECT_GE(after.processed, before.processed) << "it is the same pipeline";
  EXPECT_EQ(after.graph[0].taken, after.graph[0].given + skipped("street"));
  EXPECT_EQ(skipped("yard"), 0U) << "which reads the same source";
  ASSERT_TRUE(pipelines_->restrain({}).ok());
  wait_until([&] { return status("street").graph[0].given >= after.graph[0].given + 10; });
  const uint64_t skipped_then = skipped("street");
  wait_until([&] { return status("street").graph[0].given >= after.graph[0].given + 60; });
  EXPECT_EQ(skipped("street"), skipped_then);
}

TEST_F(RestraintTest, OfAFileNoFrameIsLost) {
  const auto begin = std::chrono::steady_clock::now();
  config::PipelineConfig file = config("file", false, "10");
  file.autostart = false;
  make({file});
  Restraint restraint;
  restraint.max_fps["file"] = 50;
  ASSERT_TRUE(pipelines_->restrain(restraint).ok());
  ASSERT_TRUE(pipelines_->start("file").ok());
  wait_until([&] { return status("file").state == PipelineState::kFinished; });
  EXPECT_EQ(status("file").processed, 10U);
  EXPECT_EQ(skipped("file"), 0U);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(9 * 20));
}

TEST_F(RestraintTest, AFileThatWaitsDoesNotHoldUpItsEnd) {
  make({config("file", false)});
  Restraint restraint;
  restraint.max_fps["file"] = 0.01;
  ASSERT_TRUE(pipelines_->restrain(restraint).ok());
  ASSERT_TRUE(pipelines_->stop("file").ok());
  EXPECT_EQ(status("file").state, PipelineState::kStopped);
}

TEST_F(RestraintTest, AnotherModelTakesTheFramesAndWatchersStay) {
  make({config("street", true)});
  const auto watcher = *pipelines_->subscribe("street", 4);
  ASSERT_NE(watcher->next(60'000), nullptr);
  ASSERT_TRUE(pipelines_->restrain(with_model("small")).ok());
  EXPECT_EQ(status("street").model, "small");
  EXPECT_EQ(status("street").state, PipelineState::kRunning);
  const uint64_t of_big = big_;
  wait_until([&] { return small_ >= 20; });
  EXPECT_EQ(big_, of_big);
  uint64_t last = 0;
  for (int i = 0; i < 20; ++i) {
    const auto result = watcher->next(60'000);
    ASSERT_NE(result, nullptr) << "the watcher was told of an end";
    EXPECT_GT(result->sequence, last) << "in their order";
    last = result->sequence;
  }
  ASSERT_TRUE(pipelines_->restrain({}).ok());
  wait_until([&] { return big_ >= of_big + 20; });
  EXPECT_EQ(status("street").model, "big");
  wait_until([&] { return watcher->next(60'000)->sequence > last + 20; });
  ASSERT_TRUE(pipelines_->stop("street").ok());
  while (watcher->next(60'000) != nullptr) {
  }
  EXPECT_TRUE(watcher->ended());
}

TEST_F(RestraintTest, AModelThatDoesNotFitLeavesThePipelineAsItIs) {
  make({config("street", true)});
  const Status refused = pipelines_->restrain(with_model("none"));
  EXPECT_THAT(refused.message(), HasSubstr("pipeline street goes on as it is"));
  EXPECT_THAT(refused.message(), HasSubstr("there is no model 'none'"));
  EXPECT_EQ(status("street").model, "big");
  const uint64_t before = big_;
  wait_until([&] { return big_ >= before + 10; });
  // As it starts anew, it has its own model rather than none.
  ASSERT_TRUE(pipelines_->restart("street").ok());
  EXPECT_EQ(status("street").model, "big");
}

TEST_F(RestraintTest, AFileIsNotBegunAnewForAnotherModel) {
  make({config("file", false)});
  const Status later = pipelines_->restrain(with_model("small"));
  EXPECT_THAT(later.message(), HasSubstr("it takes other models with its next start"));
  EXPECT_EQ(status("file").model, "big");
  ASSERT_TRUE(pipelines_->restart("file").ok());
  EXPECT_EQ(status("file").model, "small");
}

TEST_F(RestraintTest, WhatAReloadBringsDoesLessAsWell) {
  make({config("street", true)});
  Restraint restraint = with_model("small");
  restraint.max_fps["street"] = restraint.max_fps["new"] = 5;
  ASSERT_TRUE(pipelines_->restrain(restraint).ok());
  config::PipelineConfig changed = config("street", true);
  changed.deadline_ms = 1000;
  configs_ = {changed, config("new", true)};
  ASSERT_TRUE(pipelines_->reload().ok());
  for (const char* name : {"street", "new"}) {
    wait_until([&] { return skipped(name) >= 5; });
    EXPECT_EQ(status(name).model, "small");
  }
  // Where nothing has changed, nothing happens.
  const uint64_t processed = status("street").processed;
  ASSERT_TRUE(pipelines_->reload().ok());
  EXPECT_GE(status("street").processed, processed);
  configs_ = {};
  ASSERT_TRUE(pipelines_->reload().ok());
  EXPECT_TRUE(pipelines_->restrain({}).ok()) << "of pipelines that are gone, nothing is wanted";
}

TEST_F(RestraintTest, ToldBeforehandWhatCannotBeDone) {
  config::PipelineConfig sound;
  sound.name = "sound";
  sound.source = node("push", {{"name", "sound"}, {"columns", "1"}});
  make({config("street", true), sound});
  Restraint restraint;
  restraint.max_fps["gone"] = 1;
  EXPECT_EQ(pipelines_->check(restraint).code(), StatusCode::kNotFound);
  restraint.max_fps = {{"sound", 1}};
  EXPECT_THAT(pipelines_->check(restraint).message(), HasSubstr("'sound' has no pictures"));
  restraint.max_fps = {{"street", 1}};
  EXPECT_TRUE(pipelines_->check(restraint).ok());
  EXPECT_TRUE(pipelines_->check(with_model("small")).ok());
  EXPECT_THAT(pipelines_->check(with_model("none")).message(),
              HasSubstr("pipeline 'street': p.yaml:3:5: there is no model 'none'"));
  EXPECT_EQ(skipped("street"), 0U) << "nothing was done";
}

TEST_F(RestraintTest, AModelOfACertainVersionStays) {
  config::PipelineConfig certain = config("certain", true);
  certain.stages[1].entries["version"] = {{"1"}, false, {}};
  make({certain});
  ASSERT_TRUE(pipelines_->restrain(with_model("small")).ok());
  EXPECT_EQ(status("certain").model, "big");
}

}  // namespace
}  // namespace inferd::pipeline

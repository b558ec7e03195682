// SPDX-License-Identifier: Apache-2.0
//
// Pipelines that are started and stopped while the daemon runs.
#include "daemon/pipeline/pipelines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "daemon/telemetry/worker.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

class PipelinesTest : public ::testing::Test {
 protected:
  // A pipeline without a model: a pattern, `frames` of it (0: without end), to a file.
  config::PipelineConfig config(const std::string& name, const std::string& frames,
                                bool autostart = true) const {
    config::PipelineConfig c;
    c.name = name;
    c.source = node("test_pattern", {{"fps", "1000"}, {"frames", frames}, {"live", "false"}});
    c.sinks = {node("jsonl", {{"path", folder_.file("out/" + name)}})};
    c.autostart = autostart;
    return c;
  }
  void make(const std::vector<config::PipelineConfig>& configs) {
    std::filesystem::create_directories(folder_.file("out"));
    configs_ = configs;
    auto pipelines =
        Pipelines::create(configs, repository_, [this](const auto&) { return configs_; });
    ASSERT_TRUE(pipelines.ok()) << pipelines.status().to_string();
    pipelines_ = std::move(*pipelines);
    pipelines_->start();
  }
  PipelineState state(const std::string& name) const { return pipelines_->status(name)->state; }
  void wait_for(const std::string& name, PipelineState wanted) const {
    while (state(name) != wanted) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  const TemporaryFolder folder_;
  FakeRepository repository_;
  Result<std::vector<config::PipelineConfig>> configs_ = std::vector<config::PipelineConfig>();
  std::unique_ptr<Pipelines> pipelines_;
};

TEST_F(PipelinesTest, AReloadLeavesWhatIsTheSameAlone) {
  make({config("same", "0"), config("other", "0"), config("gone", "0"), config("off", "0", false)});
  while (pipelines_->status("same")->processed < 20) std::this_thread::yield();
  auto watcher = *pipelines_->subscribe("same", 4);
  config::PipelineConfig other = config("other", "0");
  other.source.entries["fps"].items = {"500"};
  config::PipelineConfig off = config("off", "3");
  config::PipelineConfig same = config("same", "0");
  same.mark.line = same.source.mark.line = 77;  // where it stands does not matter
  configs_ = std::vector{config("new", "0"), same, other, off};
  ASSERT_TRUE(pipelines_->reload().ok());
  EXPECT_GE(pipelines_->status("same")->processed, 20U);
  EXPECT_NE(watcher->next(60'000), nullptr);
  EXPECT_FALSE(watcher->ended());
  EXPECT_EQ(state("other"), PipelineState::kRunning);
  EXPECT_EQ(state("new"), PipelineState::kRunning);
  EXPECT_EQ(state("off"), PipelineState::kStopped) << "it did not run before";
  EXPECT_EQ(pipelines_->status("gone").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(pipelines_->list().size(), 4U);
}

TEST_F(PipelinesTest, ABadReloadChangesNothing) {
  make({config("a", "0"), config("b", "0")});
  while (pipelines_->status("a")->processed < 20) std::this_thread::yield();
  config::PipelineConfig bad = config("b", "0");
  bad.stages = {node("infer", {{"model", "none"}})};
  config::PipelineConfig worse = config("c", "0");
  worse.source.type = "telepathy";
  configs_ = std::vector{bad, worse};
  const Status refused = pipelines_->reload();
  EXPECT_THAT(refused.message(), HasSubstr("there is no model 'none'"));
  EXPECT_THAT(refused.message(), HasSubstr("there is no source 'telepathy'"));
  configs_ = invalid_argument("c.yaml:1:1: not YAML");
  EXPECT_EQ(pipelines_->reload().message(), "c.yaml:1:1: not YAML");
  EXPECT_GE(pipelines_->status("a")->processed, 20U);
  EXPECT_EQ(state("b"), PipelineState::kRunning);
  EXPECT_EQ(pipelines_->list().size(), 2U);
}

TEST_F(PipelinesTest, DrawsWhatWouldRun) {
  make({});
  const auto read = [](const std::string&) -> Result<std::string> {
    return std::string("name: p\nsource: test_pattern\nsinks: [jsonl]\n");
  };
  const auto drawing = pipelines_->check("p.yaml", {}, read);
  ASSERT_TRUE(drawing.ok()) << drawing.status().to_string();
  EXPECT_EQ(drawing->text, "main:source: test_pattern\n  main: sink jsonl\n");
  EXPECT_TRUE(pipelines_->list().empty());
}

// A model that does not come back until the test says so.
TEST_F(PipelinesTest, APipelineThatIsStuckRunsAgain) {
  Gate gate;
  std::atomic<int> runs{0};
  repository_.add(
      "model",
      std::make_shared<FakeModel>(
          std::vector<TensorInfo>{{"x", DType::kUInt8, {1, 8, 8, 3}, {}}},
          std::vector<TensorInfo>{{"y", DType::kFloat32, {1, 1}, {}}},
          [&](std::span<const TensorView>) -> Result<std::vector<FakeTensor>> {
            if (++runs == 3) gate.pass();
            return std::vector<FakeTensor>{{DType::kFloat32, {1, 1}, std::vector<std::byte>(4)}};
          }));
  config::PipelineConfig c = config("p", "0");
  c.stages = {node("resize"), node("infer", {{"model", "model"}})};
  c.stall_s = 0.001;
  make({c});
  while (pipelines_->status("p")->restarts == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(state("p"), PipelineState::kRunning);
  gate.open();
  const uint64_t before = pipelines_->status("p")->processed;
  while (pipelines_->status("p")->processed < before + 5)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  pipelines_->stop();
}

// One that is stuck again and again is not started any more when too many of it are left behind:
// it is the watchdog's, until somebody starts it.
TEST_F(PipelinesTest, APipelineThatIsBeyondHelpIsAtWorkForEver) {
  Gate gate;
  std::atomic<int> runs{0};
  repository_.add(
      "model",
      std::make_shared<FakeModel>(
          std::vector<TensorInfo>{{"x", DType::kUInt8, {1, 8, 8, 3}, {}}},
          std::vector<TensorInfo>{{"y", DType::kFloat32, {1, 1}, {}}},
          [&](std::span<const TensorView>) -> Result<std::vector<FakeTensor>> {
            if (++runs >= 3) gate.pass();
            return std::vector<FakeTensor>{{DType::kFloat32, {1, 1}, std::vector<std::byte>(4)}};
          }));
  config::PipelineConfig c = config("p", "0");
  c.stages = {node("resize"), node("infer", {{"model", "model"}})};
  c.stall_s = 0.001;
  make({c});
  const auto is_reported = [] {
    const auto busy = telemetry::busy_workers(0);
    return std::any_of(busy.begin(), busy.end(), [](const telemetry::Busy& one) {
      return one.name.starts_with("pipeline p, of which node");
    });
  };
  while (!is_reported()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(state("p"), PipelineState::kFailed);
  EXPECT_THAT(pipelines_->status("p")->reason, HasSubstr("was not started again"));
  gate.open();
  EXPECT_TRUE(pipelines_->start("p").ok());
  EXPECT_FALSE(is_reported());
  pipelines_->stop();
}

TEST_F(PipelinesTest, StartAndStopOneAndLeaveTheOthers) {
  make({config("a", "0"), config("b", "0"), config("later", "0", false)});
  EXPECT_EQ(state("later"), PipelineState::kStopped);
  EXPECT_TRUE(pipelines_->stop("a").ok());
  EXPECT_EQ(state("a"), PipelineState::kStopped);
  EXPECT_EQ(state("b"), PipelineState::kRunning);
  EXPECT_TRUE(pipelines_->stop("a").ok()) << "nothing to do";
  EXPECT_TRUE(pipelines_->start("later").ok());
  EXPECT_EQ(state("later"), PipelineState::kRunning);
  EXPECT_TRUE(pipelines_->start("later").ok()) << "nothing to do";
  EXPECT_EQ(pipelines_->start("c").message(), "there is no pipeline 'c'; there are: a, b, later");
}

TEST_F(PipelinesTest, ARestartBeginsAnewAndEndsWhoWatched) {
  make({config("a", "0")});
  auto before = *pipelines_->subscribe("a", 10);
  while (pipelines_->status("a")->processed < 5) std::this_thread::yield();
  EXPECT_TRUE(pipelines_->restart("a").ok());
  while (before->next(60'000) != nullptr) continue;
  EXPECT_TRUE(before->ended());
  auto after = *pipelines_->subscribe("a", 10);
  ASSERT_NE(after->next(60'000), nullptr);
  EXPECT_EQ(state("a"), PipelineState::kRunning);
}

TEST_F(PipelinesTest, OneThatHasFinishedCanRunAgain) {
  make({config("a", "3")});
  for (int run = 0; run < 2; ++run) {
    wait_for("a", PipelineState::kFinished);
    EXPECT_EQ(pipelines_->status("a")->processed, 3U) << "of this run";
    EXPECT_TRUE(pipelines_->start("a").ok());
  }
}

TEST_F(PipelinesTest, OneThatCannotBeBuiltStaysAsItIs) {
  const std::string labels = folder_.file("labels.txt");
  std::ofstream(labels) << "cat\n";
  config::PipelineConfig c = config("a", "3");
  c.stages = {node("labels", {{"path", labels}})};
  make({c});
  wait_for("a", PipelineState::kFinished);
  std::filesystem::remove(labels);
  EXPECT_THAT(pipelines_->start("a").message(), HasSubstr("cannot be read"));
  EXPECT_EQ(state("a"), PipelineState::kFinished);
  std::ofstream(labels) << "cat\n";
  EXPECT_TRUE(pipelines_->start("a").ok());
}

TEST_F(PipelinesTest, NothingStartsAfterTheEnd) {
  make({config("a", "0")});
  pipelines_->stop();
  EXPECT_EQ(state("a"), PipelineState::kStopped);
  EXPECT_EQ(pipelines_->start("a").code(), StatusCode::kUnavailable);
}

TEST_F(PipelinesTest, ManyMayChangeOneAtTheSameTime) {
  make({config("a", "0")});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 10; ++round) {
        const Status done = i == 0   ? pipelines_->stop("a")
                            : i == 1 ? pipelines_->start("a")
                                     : pipelines_->restart("a");
        EXPECT_TRUE(done.ok()) << done.to_string();
        EXPECT_EQ(pipelines_->list().size(), 1U);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(pipelines_->start("a").ok());
  EXPECT_EQ(state("a"), PipelineState::kRunning);
}

}  // namespace
}  // namespace inferd::pipeline

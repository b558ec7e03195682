// SPDX-License-Identifier: Apache-2.0
//
// Whole pipelines, from a source to a sink, with a detector made of a function.
#include "daemon/pipeline/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

void wait_until(const std::function<bool()>& condition) {
  while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

FakeTensor floats(const Shape& shape, const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {DType::kFloat32, shape, {bytes.begin(), bytes.end()}};
}

class PipelineTest : public ::testing::Test {
 protected:
  // The model says what `detect_` says for the brightest value of its input, and passes the gate.
  PipelineTest() {
    gate_.open();
    const TensorInfo picture{"picture", DType::kUInt8, {1, 8, 8, 3}, {}};
    repository_.add("detector",
                    std::make_shared<FakeModel>(
                        std::vector<TensorInfo>{picture},
                        std::vector<TensorInfo>{{"boxes", DType::kFloat32, {1, 2, 4}, {}},
                                                {"classes", DType::kFloat32, {1, 2}, {}},
                                                {"scores", DType::kFloat32, {1, 2}, {}},
                                                {"count", DType::kFloat32, {1}, {}}},
                        [this](std::span<const TensorView>) -> Result<std::vector<FakeTensor>> {
                          gate().pass();
                          const int run = ++runs_;
                          if (fails_ && fails_(run)) return internal_error("no luck");
                          return std::vector<FakeTensor>{
                              floats({1, 2, 4}, {0.25F, 0.5F, 0.75F, 1, 0, 0, 1, 1}),
                              floats({1, 2}, {1, 0}), floats({1, 2}, {0.875F, 0.25F}),
                              floats({1}, {2})};
                        }));
  }

  Gate& gate() { return busy_ ? busy_gate_ : gate_; }

  config::PipelineConfig config(std::map<std::string, std::string> source_keys) {
    config::PipelineConfig c;
    c.name = "p";
    source_keys["width"] = "32";
    source_keys["height"] = "16";
    c.source = node("test_pattern", source_keys);
    c.stages = {node("resize"), node("infer", {{"model", "detector"}}),
                node("decode_detections", {{"min_score", "0.5"}}),
                node("labels", {{"path", labels()}}), node("filter", {{"min_score", "0.1"}})};
    c.sinks = {node("jsonl", {{"path", folder_.file("out.jsonl")}})};
    return c;
  }
  std::unique_ptr<Pipeline> make(const config::PipelineConfig& c) {
    auto pipeline = Pipeline::create(c, repository_);
    EXPECT_TRUE(pipeline.ok()) << pipeline.status().to_string();
    return std::move(*pipeline);
  }
  std::string labels() {
    std::ofstream(folder_.file("labels.txt")) << "cat\ndog\n";
    return folder_.file("labels.txt");
  }
  std::vector<json> written() {
    std::vector<json> lines;
    std::ifstream file(folder_.file("out.jsonl"));
    for (std::string line; std::getline(file, line);) lines.push_back(json::parse(line));
    return lines;
  }

  const TemporaryFolder folder_;
  Gate gate_, busy_gate_;
  std::atomic<bool> busy_{false};
  std::function<bool(int)> fails_;  // of the number of the run, from 1
  std::atomic<int> runs_{0};
  FakeRepository repository_;
};

TEST_F(PipelineTest, FramesGoFromTheSourceToTheSink) {
  const auto pipeline = make(config({{"frames", "20"}, {"live", "false"}}));
  EXPECT_EQ(pipeline->status().state, PipelineState::kStopped);
  pipeline->start();
  wait_until([&] { return pipeline->status().state != PipelineState::kRunning; });
  const PipelineStatus s = pipeline->status();
  EXPECT_EQ(s.state, PipelineState::kFinished);
  EXPECT_EQ(s.model, "detector");
  EXPECT_EQ(s.captured, 20U);
  EXPECT_EQ(s.processed, 20U);
  EXPECT_EQ(s.dropped + s.failed, 0U);
  EXPECT_EQ(s.last_error, "");
  ASSERT_EQ(s.nodes.size(), 5U) << "resize only describes; the sink counts";
  for (const NodeStatistics& n : s.nodes) EXPECT_EQ(n.frames, 20U) << n.name;
  const std::vector<json> lines = written();
  ASSERT_EQ(lines.size(), 20U);
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i]["sequence"], i + 1);
    EXPECT_EQ(lines[i]["width"], 32);
    const json& detections = lines[i]["detections"];
    ASSERT_EQ(detections.size(), 1U) << "the other one's score is too low";
    EXPECT_EQ(detections[0]["label"], "dog");
    EXPECT_EQ(detections[0]["score"], 0.875);
    EXPECT_EQ(detections[0]["box"], json({0.5, 0.25, 1, 0.75}));
  }
}

TEST_F(PipelineTest, SubscribersGetResultsThatStayAsTheyAre) {
  const auto pipeline = make(config({{"frames", "50"}, {"live", "false"}}));
  pipeline->start();
  const auto mailbox = pipeline->subscribe(1000);
  std::vector<std::shared_ptr<const FrameResult>> results;
  while (!mailbox->ended()) {
    if (auto result = mailbox->take(1000)) results.push_back(std::move(result));
  }
  for (size_t i = 1; i < results.size(); ++i)
    EXPECT_EQ(results[i]->sequence, results[i - 1]->sequence + 1) << "none is used twice";
  EXPECT_TRUE(pipeline->subscribe(1)->ended()) << "it has finished";
}

TEST_F(PipelineTest, ALiveSourceDropsWhatTheStagesCannotTake) {
  busy_ = true;
  const auto pipeline = make(config({{"fps", "1000"}}));
  pipeline->start();
  busy_gate_.wait_for_arrivals(1);
  wait_until([&] { return pipeline->status().dropped >= 8; });  // one is worked on, one waits
  EXPECT_EQ(pipeline->status().processed, 0U);
  busy_gate_.open();
  wait_until([&] { return pipeline->status().processed >= 2; });
  pipeline->stop();
  const PipelineStatus s = pipeline->status();
  EXPECT_EQ(s.captured, s.processed + s.dropped) << "every frame is accounted for";
  const std::vector<json> lines = written();
  EXPECT_EQ(lines.size(), s.processed);
  EXPECT_GE(lines[1]["sequence"], 10) << "the newest, not the oldest";
}

TEST_F(PipelineTest, AFailingStageCostsItsFramesOnly) {
  fails_ = [](int run) { return run % 3 == 0; };
  const auto pipeline = make(config({{"frames", "30"}, {"live", "false"}}));
  pipeline->start();
  wait_until([&] { return pipeline->status().state != PipelineState::kRunning; });
  const PipelineStatus s = pipeline->status();
  EXPECT_EQ(s.state, PipelineState::kFinished);
  EXPECT_EQ(s.captured, 30U);
  EXPECT_EQ(s.processed, 20U);
  EXPECT_EQ(s.failed, 10U);
  EXPECT_EQ(s.last_error, "infer: no luck");
  const std::vector<json> lines = written();
  ASSERT_EQ(lines.size(), 20U);
  EXPECT_EQ(lines[2]["sequence"], 4);
}

TEST_F(PipelineTest, AFailingSinkIsReportedAndTheOthersGoOn) {
  config::PipelineConfig c = config({{"frames", "3"}, {"live", "false"}});
  c.sinks.insert(c.sinks.begin(), node("annotated", {{"path", folder_.file("none/a.png")}}));
  const auto pipeline = make(c);
  pipeline->start();
  wait_until([&] { return pipeline->status().state != PipelineState::kRunning; });
  EXPECT_EQ(pipeline->status().processed, 3U);
  EXPECT_THAT(pipeline->status().last_error, HasSubstr("annotated: cannot write"));
  EXPECT_EQ(written().size(), 3U);
}

TEST_F(PipelineTest, ASourceThatFailsEndsThePipelineWithAReason) {
  const std::string picture = folder_.file("picture.png");
  std::ofstream(picture) << "\x89PNG and then nothing";
  config::PipelineConfig c = config({});
  c.source = node("images", {{"path", picture}, {"live", "false"}});
  const auto pipeline = make(c);
  pipeline->start();
  wait_until([&] { return pipeline->status().state != PipelineState::kRunning; });
  EXPECT_EQ(pipeline->status().state, PipelineState::kFailed);
  EXPECT_THAT(pipeline->status().reason, HasSubstr(picture));
}

TEST_F(PipelineTest, StoppingFinishesTheFrameOnItsWay) {
  busy_ = true;
  const auto pipeline = make(config({{"fps", "1000"}}));
  pipeline->start();
  const auto mailbox = pipeline->subscribe(100);
  busy_gate_.wait_for_arrivals(1);
  std::atomic<bool> stopped{false};
  std::thread stopping([&] {
    pipeline->stop();
    stopped = true;
  });
  EXPECT_FALSE(stopped.load()) << "a frame is on its way";
  busy_gate_.open();
  stopping.join();
  const PipelineStatus s = pipeline->status();
  EXPECT_GE(s.processed, 1U);
  EXPECT_EQ(s.captured, s.processed + s.dropped + s.failed);
  EXPECT_EQ(written().size(), s.processed);
  while (mailbox->take(1000) != nullptr) continue;
  EXPECT_TRUE(mailbox->ended());
}

TEST_F(PipelineTest, StoppingTwiceOrWithoutStartingIsFine) {
  const auto pipeline = make(config({}));
  pipeline->stop();
  EXPECT_EQ(pipeline->status().state, PipelineState::kStopped);
  pipeline->stop();
}

TEST_F(PipelineTest, AQueueThatClosesIsReportedNotWaitedFor) {
  const auto pipeline = make(config({{"fps", "1000"}}));
  repository_.close();
  pipeline->start();
  wait_until([&] { return pipeline->status().failed > 0; });
  EXPECT_EQ(pipeline->status().last_error, "infer: model 'detector' is being unloaded");
  pipeline->stop();
}

}  // namespace
}  // namespace inferd::pipeline

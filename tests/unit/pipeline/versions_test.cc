// SPDX-License-Identifier: Apache-2.0
//
// Models that change under a pipeline: its stages frame by frame, and a pipeline on a board to
// which versions are deployed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <future>
#include <thread>

#include "daemon/pipeline/pipeline.h"
#include "tests/unit/fakes.h"
#include "tests/unit/models/board.h"
#include "tests/unit/pipeline/nodes.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

FakeTensor bytes(const Shape& shape, const std::vector<uint8_t>& values) {
  const auto data = std::as_bytes(std::span(values));
  return {DType::kUInt8, shape, {data.begin(), data.end()}};
}

// What of a version a pipeline may have to follow.
struct Scales {
  Quantization picture, boxes, scores;
};

// infer, decode_ssd and labels, fed with one white picture after the other. Of the model's
// three anchors the first has an object: 20, as stored, is the logit of its class 1.
class StagesTest : public ::testing::Test {
 protected:
  void add_version(const Scales& scales, const std::vector<std::string>& labels,
                   const Shape& picture = {kDynamicDim, 4, 4, 3}) {
    const Shape boxes = {1, 3, 4};
    const Shape scores = {1, 3, 2};
    repository_.add(
        "detector",
        std::make_shared<FakeModel>(
            std::vector<TensorInfo>{{"picture", DType::kUInt8, picture, scales.picture}},
            std::vector<TensorInfo>{{"boxes", DType::kUInt8, boxes, scales.boxes},
                                    {"scores", DType::kUInt8, scores, scales.scores}},
            [=, this](std::span<const TensorView> inputs) -> Result<std::vector<FakeTensor>> {
              pixel_ = inputs[0].as<uint8_t>()[0];
              return std::vector<FakeTensor>{bytes(boxes, std::vector<uint8_t>(12, 100)),
                                             bytes(scores, {0, 20, 0, 0, 0, 0})};
            }),
        schedule::QueueOptions(), labels);
  }
  std::weak_ptr<const models::ModelVersion> serving() { return *repository_.find("detector", 0); }

  void make_stages(const std::map<std::string, std::string>& infer) {
    StageContext context{repository_, "p", {}, nullptr};
    for (const config::NodeConfig& node :
         {node("normalize", {{"std", "255"}}), node("infer", infer),
          node("decode_ssd", {{"layers", "1"}, {"background", "1"}, {"min_score", "0.6"}}),
          node("labels")}) {
      auto stage = make_stage(node, context);
      ASSERT_TRUE(stage.ok()) << stage.status().to_string();
      if (*stage != nullptr) stages_.push_back(std::move(*stage));
    }
  }

  // What comes of the next picture.
  Status process() {
    frame_.image.width = frame_.image.height = 4;
    frame_.image.pixels.assign(4 * 4 * 3, 255);
    frame_.picture = media::view_of(frame_.image);
    work_.frame = &frame_;
    for (const auto& stage : stages_) {
      INFERD_RETURN_IF_ERROR(stage->start(work_));
      INFERD_RETURN_IF_ERROR(stage->process(work_));
    }
    work_.model.reset();
    return ok_status();
  }
  const Detection& found() const { return work_.detections.at(0); }

  int pixel_ = -1;  // the first one that the model got
  FakeRepository repository_;
  std::vector<std::unique_ptr<Stage>> stages_;
  Frame frame_;
  Work work_;
};

// A white pixel is 1, which is stored as 100 or 50. The logit is 2 for both.
const Scales kFirst = {{{0.01F}, {0}, 0}, {{1.F}, {100}, 0}, {{0.1F}, {0}, 0}};
const Scales kSecond = {{{0.02F}, {0}, 0}, {{0.01F}, {0}, 0}, {{0.2F}, {10}, 0}};

TEST_F(StagesTest, FollowTheVersionThatServes) {
  add_version(kFirst, {"nothing", "cat"});
  make_stages({{"model", "detector"}});
  ASSERT_TRUE(process().ok());
  EXPECT_EQ(pixel_, 100);
  EXPECT_NEAR(found().score, 1 / (1 + std::exp(-2.F)), 1e-5);
  EXPECT_EQ(found().label, "cat");

  const auto first = serving();
  add_version(kSecond, {"nothing", "dog"});
  EXPECT_TRUE(first.expired()) << "nobody holds it between two frames";
  ASSERT_TRUE(process().ok());
  EXPECT_EQ(pixel_, 50) << "of the new input";
  EXPECT_NEAR(found().score, 1 / (1 + std::exp(-2.F)), 1e-5) << "0.2 * (20 - 10)";
  EXPECT_EQ(found().label, "dog");

  add_version({kSecond.picture, kSecond.boxes, {{0.1F}, {0}, 0}}, {"nothing"});
  ASSERT_TRUE(process().ok());
  EXPECT_EQ(found().label, "class 1");
}

TEST_F(StagesTest, ScalesOfOutputsAreThoseOfTheVersionThatMadeThem) {
  add_version(kFirst, {"nothing", "cat"});
  make_stages({{"model", "detector"}});
  ASSERT_TRUE(process().ok());
  const float score = found().score;
  add_version({kFirst.picture, kFirst.boxes, {{0.2F}, {0}, 0}}, {"nothing", "cat"});
  ASSERT_TRUE(process().ok());
  EXPECT_NEAR(found().score, 1 / (1 + std::exp(-4.F)), 1e-5);
  EXPECT_GT(found().score, score);
}

TEST_F(StagesTest, StayWithTheVersionThatIsNamed) {
  add_version(kFirst, {"nothing", "cat"});
  make_stages({{"model", "detector"}, {"version", "1"}});
  const auto first = serving();
  add_version(kSecond, {"nothing", "dog"});
  EXPECT_FALSE(first.expired());
  ASSERT_TRUE(process().ok());
  EXPECT_EQ(pixel_, 100);
  EXPECT_EQ(found().label, "cat");
}

TEST_F(StagesTest, RefuseAVersionThatTheyWereNotMadeFor) {
  add_version(kFirst, {"nothing", "cat"});
  make_stages({{"model", "detector"}});
  add_version(kFirst, {"nothing", "cat"}, {1, 8, 8, 3});
  for (int i = 0; i < 2; ++i) {
    const Status refused = process();
    EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(refused.message(), HasSubstr("version 2 of model 'detector' has input 'picture'"));
  }
  add_version(kFirst, {"nothing", "cat"});
  EXPECT_TRUE(process().ok()) << "of version 3";
}

// The pipeline "door" on a board: its model multiplies the picture, and FastestDet's decoder takes
// that for a grid of scores.
class PipelineOnBoard : public models::Board {
 protected:
  void SetUp() override {
    Board::SetUp();
    start();
    ASSERT_EQ(push_version(1, "0.5").state, models::DeploymentState::kDone);
  }

  models::DeploymentStatus push_version(int64_t version, const std::string& factor,
                                        const std::string& shape = "[1, 8, 8, 3]") {
    return push(
        "m", version,
        {{"model.test", R"({"backend": "scale", "factor": )" + factor +
                            R"(, "inputs": [{"datatype": "FP32", "shape": )" + shape + "}]}"}});
  }

  std::unique_ptr<Pipeline> make_pipeline(const std::map<std::string, std::string>& source) {
    config::PipelineConfig config;
    config.name = "door";
    config.source = node("test_pattern", source);
    config.stages = {node("resize"), node("normalize", {{"std", "255"}}),
                     node("infer", {{"model", "m"}}),
                     node("decode_fastestdet", {{"min_score", "0"}})};
    auto pipeline = Pipeline::create(config, *repository_);
    EXPECT_TRUE(pipeline.ok()) << pipeline.status().to_string();
    return std::move(*pipeline);
  }

  Status order(const std::function<void(models::Repository::Done)>& what) {
    std::promise<Status> status;
    what([&](const Status& s) { status.set_value(s); });
    return status.get_future().get();
  }
  Status unload() {
    return order(
        [&](models::Repository::Done done) { repository_->unload("m", false, std::move(done)); });
  }
  // The highest score of the first result that does not come too soon.
  static float best_score(Mailbox& mailbox, uint64_t after) {
    for (;;) {
      const auto result = mailbox.take(10'000);
      if (result == nullptr) return -1;
      if (result->sequence <= after) continue;
      float best = 0;
      for (const Detection& d : result->detections) best = std::max(best, d.score);
      return best;
    }
  }
};

TEST_F(PipelineOnBoard, GoesOverBetweenTwoFrames) {
  const auto pipeline = make_pipeline({{"fps", "200"}});
  pipeline->start();
  const auto mailbox = pipeline->subscribe(1);
  const float before = best_score(*mailbox, 0);
  EXPECT_GT(before, 0.1F);
  ASSERT_EQ(push_version(2, "0.25").state, models::DeploymentState::kDone);
  // One is on its way, and one waits in the mailbox.
  EXPECT_NEAR(best_score(*mailbox, pipeline->status().captured + 2), before / 2, 0.01);
  while (repository_->in_memory().contains({"m", 1}))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(pipeline->status().failed, 0U);
  EXPECT_EQ(pipeline->status().state, PipelineState::kRunning);
  pipeline->stop();
}

TEST_F(PipelineOnBoard, HoldsNoVersionWhileNoFrameComes) {
  const auto pipeline = make_pipeline({{"fps", "0.01"}});
  pipeline->start();
  while (pipeline->status().processed == 0)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ASSERT_EQ(push_version(2, "0.25").state, models::DeploymentState::kDone);
  while (repository_->in_memory().contains({"m", 1}))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  pipeline->stop();
}

TEST_F(PipelineOnBoard, KeepsItsModelAsItIsWhileItRuns) {
  const auto pipeline = make_pipeline({{"fps", "200"}});
  pipeline->start();
  const models::DeploymentStatus refused = push_version(2, "0.25", "[1, 16, 16, 3]");
  EXPECT_EQ(refused.state, models::DeploymentState::kRefused);
  EXPECT_THAT(refused.reason, HasSubstr("pipeline 'door' depends on it"));
  const Status kept = unload();
  EXPECT_EQ(kept.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(kept.message(), HasSubstr("used by pipeline 'door'"));
  EXPECT_EQ(pipeline->status().failed, 0U);
  pipeline->stop();
  EXPECT_TRUE(unload().ok()) << "nobody needs it any more";
}

TEST_F(PipelineOnBoard, AModelThatIsLoadedAgainMustFit) {
  const auto copy = [&](const std::string& version, const std::string& content) {
    const std::string folder = config_.root + "/copied/" + version;
    std::filesystem::create_directories(folder);
    std::ofstream(folder + "/model.test") << content;
  };
  const auto load_copied = [&] {
    return order(
        [&](models::Repository::Done done) { repository_->load("copied", std::move(done)); });
  };
  copy("1", models::scale_model("1"));
  ASSERT_TRUE(load_copied().ok());
  const auto door = repository_->depend("copied", "pipeline 'door'");
  copy("2", R"({"backend": "scale", "inputs": [{"datatype": "FP32", "shape": [-1, 3]}]})");
  const Status refused = load_copied();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("pipeline 'door' depends on it"));
  EXPECT_EQ(serves("copied"), 1);
}

TEST_F(PipelineOnBoard, LabelsMayChangeButNotGo) {
  const std::string model = models::scale_model("2");
  ASSERT_EQ(push("l", 1, {{"model.test", model}, {"labels.txt", "cat\n"}}).state,
            models::DeploymentState::kDone);
  const auto door = repository_->depend("l", "pipeline 'door'");
  const models::DeploymentStatus refused = push("l", 2, {{"model.test", model}});
  EXPECT_EQ(refused.state, models::DeploymentState::kRefused);
  EXPECT_THAT(refused.reason, HasSubstr("has no labels, and pipeline 'door' depends on it"));
  EXPECT_EQ(push("l", 3, {{"model.test", model}, {"labels.txt", "dog\n"}}).state,
            models::DeploymentState::kDone);
}

}  // namespace
}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
//
// Pictures that somebody asks about.
#include "daemon/pipeline/question.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <thread>

#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class QuestionTest : public ::testing::Test {
 protected:
  QuestionTest() {
    repository_.add("light",
                    std::make_shared<FakeModel>(
                        std::vector<TensorInfo>{{"x", DType::kUInt8, {1, 8, 8, 3}, {}}},
                        std::vector<TensorInfo>{{"y", DType::kFloat32, {1, 2}, {}}},
                        [this](std::span<const TensorView> inputs) { return look(inputs[0]); }),
                    {}, {"dark", "bright"});
  }
  ~QuestionTest() override { gate_.open(); }

  // Says how bright the first pixel is; a green one it refuses, and for a blue one it waits.
  Result<std::vector<FakeTensor>> look(const TensorView& picture) {
    const uint8_t* rgb = picture.as<uint8_t>().data();
    if (rgb[1] > 200 && rgb[0] < 50) return failed_precondition("it is green");
    if (rgb[2] > 200 && rgb[0] < 50) gate_.pass();
    const std::array<float, 2> scores{1 - static_cast<float>(rgb[0]) / 255,
                                      static_cast<float>(rgb[0]) / 255};
    FakeTensor out{DType::kFloat32, {1, 2}, std::vector<std::byte>(sizeof(scores))};
    std::memcpy(out.data.data(), scores.data(), sizeof(scores));
    return std::vector<FakeTensor>{std::move(out)};
  }
  // Of a camera that nobody has, with everything that belongs to its stream.
  config::PipelineConfig doorbell() const {
    config::PipelineConfig c;
    c.name = "doorbell";
    c.source = node("v4l2", {{"device", "/dev/video-of-nobody"}});
    c.stages = {node("motion_gate"), node("resize"), node("infer", {{"model", "light"}}),
                node("decode_classes", {{"top", "1"}}), node("labels")};
    c.sinks = {node("jsonl", {{"path", folder_.file("results")}})};
    c.deadline_ms = 0.000001;
    c.autostart = false;
    return c;
  }
  void make(const std::vector<config::PipelineConfig>& configs) {
    auto pipelines = Pipelines::create(configs, repository_);
    ASSERT_TRUE(pipelines.ok()) << pipelines.status().to_string();
    pipelines_ = std::move(*pipelines);
    pipelines_->start();
  }
  // Of one colour.
  static media::Image plain(std::array<uint8_t, 3> rgb, int width = 40, int height = 30) {
    media::Image image;
    image.width = width;
    image.height = height;
    for (int i = 0; i < width * height; ++i)
      image.pixels.insert(image.pixels.end(), rgb.begin(), rgb.end());
    return image;
  }
  Result<std::vector<FrameResult>> ask(const media::Image& image, int64_t timeout_ms = 600'000) {
    return pipelines_->ask("doorbell", {.pixels = media::view_of(image), .timeout_ms = timeout_ms});
  }
  std::vector<std::string> labels(const Result<std::vector<FrameResult>>& results) {
    if (!results.ok()) return {results.status().to_string()};
    std::vector<std::string> labels;
    for (const FrameResult& result : *results) {
      for (const ClassScore& c : result.classes) labels.push_back(result.node + ": " + c.label);
    }
    return labels;
  }

  const TemporaryFolder folder_;
  Gate gate_;
  FakeRepository repository_;
  std::unique_ptr<Pipelines> pipelines_;
};

TEST_F(QuestionTest, APipelineThatDoesNotRunAnswersWithoutWhatBelongsToItsStream) {
  make({doorbell()});
  const auto answer = ask(plain({255, 255, 255}));
  EXPECT_THAT(labels(answer), ElementsAre("main: bright"));
  EXPECT_EQ(answer->front().pipeline, "doorbell");
  EXPECT_EQ(answer->front().width, 40);
  EXPECT_EQ(answer->front().height, 30);
  EXPECT_THAT(labels(ask(plain({0, 0, 0}, 7, 900))), ElementsAre("main: dark"));
  EXPECT_FALSE(std::filesystem::exists(folder_.file("results"))) << "sinks hear nothing of it";
  EXPECT_EQ(pipelines_->status("doorbell")->state, PipelineState::kStopped);
  EXPECT_EQ(pipelines_->status("doorbell")->captured, 0U);
}

TEST_F(QuestionTest, EncodedPicturesAreToldByTheirContent) {
  make({doorbell()});
  const auto jpeg = *media::encode_jpeg(plain({250, 250, 250}), 90);
  EXPECT_THAT(labels(pipelines_->ask("doorbell", {.encoded = jpeg})), ElementsAre("main: bright"));
  const std::vector<uint8_t> half(jpeg.begin(), jpeg.begin() + 40);
  const auto refused = pipelines_->ask("doorbell", {.encoded = half});
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(refused.status().message(), HasSubstr("the picture: "));
  const std::vector<uint8_t> text{'h', 'e', 'l', 'l', 'o'};
  EXPECT_EQ(pipelines_->ask("doorbell", {.encoded = text}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(QuestionTest, EveryLastNodeAnswersOnceForAllCameras) {
  config::PipelineConfig yard;
  yard.name = "doorbell";
  yard.nodes = {
      {.name = "cam", .source = node("test_pattern")},
      {.name = "other", .source = node("test_pattern")},
      {.name = "light",
       .from = {"cam", "other"},
       .stages = {node("resize"), node("infer", {{"model", "light"}}),
                  node("decode_classes", {{"top", "1"}}), node("labels")},
       .every = 5,
       .max_fps = 0.001},
      {.name = "day",
       .from = {"light"},
       .stages = {node("when", {{"is", "score(\"bright\") > 0.5"}})}},
      {.name = "all", .from = {"light"}},
  };
  make({yard});
  EXPECT_THAT(labels(ask(plain({255, 255, 255}))),
              ElementsAre("day@cam: bright", "all@cam: bright"));
  EXPECT_THAT(labels(ask(plain({0, 0, 0}))), ElementsAre("all@cam: dark"));
}

TEST_F(QuestionTest, SaysWhyThereIsNoAnswer) {
  config::PipelineConfig sound;
  sound.name = "sound";
  sound.source = node("wav", {{"path", "none.wav"}});
  sound.autostart = false;
  make({doorbell(), sound});
  EXPECT_THAT(ask(plain({0, 255, 0})).status().message(), HasSubstr("it is green"));
  EXPECT_EQ(pipelines_->ask("nobody", {}).status().code(), StatusCode::kNotFound);
  const media::Image image = plain({1, 2, 3});
  const auto heard = pipelines_->ask("sound", {.pixels = media::view_of(image)});
  EXPECT_EQ(heard.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(heard.status().message(), HasSubstr("'sound' are no pictures"));
}

TEST_F(QuestionTest, WhoWaitsTooLongIsToldAndWhoAsksWhileMostDoIsRefused) {
  make({doorbell()});
  const media::Image blue = plain({0, 0, 255});
  std::vector<std::jthread> others;
  for (int i = 0; i < Pipelines::kMaxQuestions; ++i) {
    // The one that asks below may be in the way.
    others.emplace_back([&] {
      auto answer = ask(blue);
      while (answer.status().code() == StatusCode::kResourceExhausted) answer = ask(blue);
      EXPECT_THAT(labels(answer), ElementsAre("main: dark"));
    });
  }
  // The model runs one at a time; the others have been asked when one more is refused.
  gate_.wait_for_arrivals(1);
  while (ask(plain({0, 0, 0}), 1).status().code() != StatusCode::kResourceExhausted) {
  }
  gate_.open();
  others.clear();
  EXPECT_THAT(labels(ask(plain({0, 0, 0}))), ElementsAre("main: dark"));
}

TEST_F(QuestionTest, ATimeoutEndsTheQuestion) {
  make({doorbell()});
  EXPECT_EQ(ask(plain({0, 0, 255}), 20).status().code(), StatusCode::kDeadlineExceeded);
  gate_.open();
  EXPECT_THAT(labels(ask(plain({0, 0, 0}))), ElementsAre("main: dark"));
}

}  // namespace
}  // namespace inferd::pipeline

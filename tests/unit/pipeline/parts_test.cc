// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "daemon/pipeline/mailbox.h"
#include "daemon/pipeline/source.h"
#include "daemon/pipeline/stages/stages.h"
#include "daemon/pipeline/window.h"
#include "media/anchors.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

TEST(Window, KeepsTheNewestInOrder) {
  Window<int> window(3);
  EXPECT_TRUE(window.values().empty());
  for (int i = 1; i <= 7; ++i) window.add(i);
  EXPECT_EQ(window.values(), (std::vector<int>{5, 6, 7}));
}

TEST(Mailbox, KeepsTheNewestAndCountsTheRest) {
  Mailbox mailbox(2);
  for (uint64_t i = 1; i <= 5; ++i) {
    auto result = std::make_shared<FrameResult>();
    result->sequence = i;
    EXPECT_EQ(mailbox.put(result), i > 2);
  }
  EXPECT_EQ(mailbox.dropped(), 3U);
  EXPECT_EQ(mailbox.take(1000)->sequence, 4U);
  mailbox.close();
  EXPECT_FALSE(mailbox.ended());
  EXPECT_EQ(mailbox.take(1000)->sequence, 5U);
  EXPECT_TRUE(mailbox.ended());
  EXPECT_EQ(mailbox.take(1000), nullptr);
}

TEST(Anchors, SsdHasOnePerBoxOfTheDetector) {
  const auto anchors = media::ssd_anchors({19, 10, 5, 3, 2, 1}, 0.2F, 0.95F);
  ASSERT_EQ(anchors.size(), 1917U);
  EXPECT_FLOAT_EQ(anchors[0].x, 0.5F / 19);
  EXPECT_FLOAT_EQ(anchors[0].width, 0.1F);
  EXPECT_FLOAT_EQ(anchors[1].width, 0.2F * std::sqrt(2.F));
  EXPECT_FLOAT_EQ(anchors[1].height, 0.2F / std::sqrt(2.F));
  EXPECT_FLOAT_EQ(anchors.back().width, std::sqrt(0.95F)) << "the last layer's next scale is 1";
}

TEST(Anchors, BlazefaceSharesOneGridBetweenEqualStrides) {
  const auto anchors = media::blazeface_anchors(128, {8, 16, 16, 16});
  ASSERT_EQ(anchors.size(), 896U);
  EXPECT_FLOAT_EQ(anchors[0].x, 0.5F / 16);
  EXPECT_FLOAT_EQ(anchors[512].x, 0.5F / 8);
  EXPECT_FLOAT_EQ(anchors[517].x, 0.5F / 8) << "six anchors in a cell";
  EXPECT_FLOAT_EQ(anchors[518].x, 1.5F / 8);
  EXPECT_EQ(media::blazeface_anchors(192, {4}, 1).size(), 48U * 48U) << "of the full-range model";
}

TEST(Coordinates, LetterboxMapsBackToTheFrame) {
  // A picture twice as wide as high in a square: bars above and below.
  const media::Placement p{1.F, 0.5F, 0.F, 0.25F};
  const Box box = to_frame({0.25F, 0.25F, 0.75F, 0.75F}, p);
  EXPECT_FLOAT_EQ(box.x_min, 0.25F);
  EXPECT_FLOAT_EQ(box.y_min, 0.F);
  EXPECT_FLOAT_EQ(box.y_max, 1.F);
  EXPECT_FLOAT_EQ(to_frame({0, 0, 1, 1}, p).y_min, 0.F) << "clipped to the frame";
}

TEST(Coordinates, TurnedFramesGetBoxesAndPointsTheirOwnWay) {
  // The model saw the frame turned clockwise by a quarter: its left edge is the frame's lower one.
  media::Placement p;
  p.rotate = 90;
  Detection d;
  d.box = {0.1F, 0.2F, 0.3F, 0.6F};
  d.keypoints = {{0.1F, 0.2F, 1.F}};
  ASSERT_TRUE(to_frame(d, p));
  EXPECT_FLOAT_EQ(d.box.x_min, 0.2F);
  EXPECT_FLOAT_EQ(d.box.x_max, 0.6F);
  EXPECT_FLOAT_EQ(d.box.y_min, 0.7F);
  EXPECT_FLOAT_EQ(d.box.y_max, 0.9F);
  EXPECT_FLOAT_EQ(d.keypoints[0].x, 0.2F);
  EXPECT_FLOAT_EQ(d.keypoints[0].y, 0.9F);
}

TEST(Describe, CropAndRotateSayWhatTheModelSees) {
  FakeRepository repository;
  StageContext context{repository, "p", {}, nullptr};
  const auto made = [&](const config::NodeConfig& n) { return make_stage(n, context).status(); };
  ASSERT_TRUE(made(node("letterbox")).ok());
  ASSERT_TRUE(made(node("crop", {{"x", "0.25"}, {"height", "0.5"}})).ok());
  ASSERT_TRUE(made(node("rotate", {{"degrees", "270"}, {"mirror", "true"}})).ok());
  const media::Preprocess& p = context.preprocess;
  EXPECT_EQ(p.fit, media::Fit::kLetterbox) << "a rectangle is no fit";
  EXPECT_FLOAT_EQ(p.roi.x, 0.25F);
  EXPECT_FLOAT_EQ(p.roi.width, 0.75F) << "to the edge";
  EXPECT_FLOAT_EQ(p.roi.height, 0.5F);
  EXPECT_EQ(p.rotate, 270);
  EXPECT_TRUE(p.mirror);
  ASSERT_TRUE(made(node("crop")).ok());
  EXPECT_EQ(p.fit, media::Fit::kCrop);
  EXPECT_THAT(made(node("rotate", {{"degrees", "45"}})).to_string(), HasSubstr("p.yaml:3:5: "));
  EXPECT_THAT(made(node("rotate", {{"degrees", "0"}, {"degree", "90"}})).to_string(),
              HasSubstr("degree"));
  EXPECT_THAT(made(node("crop", {{"x", "0.6"}, {"width", "0.5"}})).to_string(),
              HasSubstr("lie within it"));
}

TEST(Nms, DropsOverlapsOfTheSameClassOnly) {
  FakeRepository repository;
  StageContext context{repository, "p", {}, nullptr};
  auto nms = make_stage(node("nms", {{"iou", "0.5"}}), context);
  ASSERT_TRUE(nms.ok()) << nms.status().to_string();
  Work work;
  work.detections = {{{0, 0, 1, 1}, 0.6F, 1, "", {}},
                     {{0, 0, 1, 0.9F}, 0.9F, 1, "", {}},
                     {{0, 0, 1, 1}, 0.5F, 2, "", {}},
                     {{0.9F, 0.9F, 1, 1}, 0.4F, 1, "", {}}};
  ASSERT_TRUE((*nms)->process(work).ok());
  ASSERT_EQ(work.detections.size(), 3U);
  EXPECT_FLOAT_EQ(work.detections[0].score, 0.9F);
  EXPECT_EQ(work.detections[1].class_id, 2);
  EXPECT_FLOAT_EQ(work.detections[2].score, 0.4F);
}

TEST(Nms, EqualScoresKeepTheirOrder) {
  FakeRepository repository;
  StageContext context{repository, "p", {}, nullptr};
  auto nms = make_stage(node("nms", {{"max", "20"}}), context);
  ASSERT_TRUE(nms.ok()) << nms.status().to_string();
  Work work;
  for (int i = 0; i < 40; ++i) work.detections.push_back({{0, 0, 1, 1}, 0.5F, i, "", {}});
  ASSERT_TRUE((*nms)->process(work).ok());
  ASSERT_EQ(work.detections.size(), 20U);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(work.detections[static_cast<size_t>(i)].class_id, i);
}

Tensor floats(const Shape& shape, const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {DType::kFloat32, shape, {bytes.begin(), bytes.end()}};
}

// The decoder of a model with these outputs.
std::unique_ptr<Stage> decoder(const std::string& type, const std::vector<Shape>& shapes) {
  std::vector<TensorInfo> outputs;
  for (const Shape& shape : shapes)
    outputs.push_back({std::to_string(outputs.size()), DType::kFloat32, shape, {}});
  FakeRepository repository;
  repository.add("model", std::make_shared<FakeModel>(
                              std::vector<TensorInfo>{{"x", DType::kFloat32, {1, 8, 8, 3}, {}}},
                              std::move(outputs), nullptr));
  StageContext context{repository, "p", {}, *repository.find("model", 0)};
  auto stage = make_stage(node(type, {{"min_score", "0.5"}}), context);
  EXPECT_TRUE(stage.ok()) << stage.status().to_string();
  return std::move(*stage);
}

TEST(DecodeDetections, DropsWhatNoDetectionCanBe) {
  const auto stage = decoder("decode_detections", {{1, 6, 4}, {1, 6}, {1, 6}, {1}});
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinite = std::numeric_limits<float>::infinity();
  Work work;
  std::vector<float> boxes(24, 0.5F);
  boxes[20] = kNan;
  boxes[21] = -kInfinite;
  boxes[22] = kInfinite;
  const auto detections = [&](float count) {
    work.outputs = {floats({1, 6, 4}, boxes), floats({1, 6}, {kNan, 1e30F, -1, 7, 8, 9}),
                    floats({1, 6}, {0.9F, 0.9F, 0.9F, kNan, 0.4F, 0.9F}), floats({1}, {count})};
    EXPECT_TRUE(stage->process(work).ok());
    return work.detections.size();
  };
  EXPECT_EQ(detections(kNan), 0U);
  EXPECT_EQ(detections(-kInfinite), 0U);
  EXPECT_EQ(detections(5), 0U);
  EXPECT_EQ(detections(kInfinite), 1U);
  ASSERT_EQ(detections(1e30F), 1U);
  EXPECT_EQ(work.detections[0].class_id, 9);
  const Box& box = work.detections[0].box;
  EXPECT_EQ(box.y_min, 0.F);
  EXPECT_EQ(box.x_min, 0.F);
  EXPECT_EQ(box.y_max, 1.F);
}

TEST(Decoders, AnEmptyOutputIsNotRead) {
  Work work;
  const auto ssd = decoder("decode_ssd", {{kDynamicDim, 1917, 4}, {kDynamicDim, 1917, 3}});
  work.outputs = {floats({0, 1917, 4}, {}), floats({0, 1917, 3}, {})};
  EXPECT_FALSE(ssd->process(work).ok());
  const auto fastestdet = decoder("decode_fastestdet", {{kDynamicDim, 6, 2, 2}});
  work.outputs = {floats({0, 6, 2, 2}, {})};
  EXPECT_FALSE(fastestdet->process(work).ok());
  const auto detections = decoder("decode_detections", {{1, 6, 4}, {1, 6}, {1, 6}, {1}});
  work.outputs = {floats({1, 0, 4}, {}), floats({1, 6}, {0, 0, 0, 0, 0, 0}),
                  floats({1, 6}, {1, 1, 1, 1, 1, 1}), floats({1}, {6})};
  EXPECT_TRUE(detections->process(work).ok());
  EXPECT_TRUE(work.detections.empty());
}

TEST(Stages, MistakesAreReportedAtTheirPlace) {
  FakeRepository repository;
  StageContext context{repository, "p", {}, nullptr};
  const auto message = [&](const config::NodeConfig& n) {
    return make_stage(n, context).status().message();
  };
  EXPECT_THAT(message(node("nmss")),
              HasSubstr("p.yaml:3:5: there is no stage 'nmss'; known: resize"));
  EXPECT_THAT(message(node("nms", {{"iou", "2"}})),
              HasSubstr("p.yaml:4:7: 'iou' must be a number from 0 to 1"));
  EXPECT_THAT(message(node("nms", {{"iuo", "0.5"}})),
              HasSubstr("has no key 'iuo'; did you mean 'iou'?"));
  EXPECT_THAT(message(node("infer")), HasSubstr("p.yaml:3:5: 'infer' needs 'model'"));
  EXPECT_THAT(message(node("infer", {{"model", "x"}})),
              HasSubstr("p.yaml:3:5: there is no model 'x'"));
  EXPECT_THAT(message(node("decode_ssd")), HasSubstr("needs an 'infer' stage before it"));
}

TEST(TestPattern, GivesTheFramesItWasAskedForAndEnds) {
  auto source = make_source(node(
      "test_pattern", {{"width", "32"}, {"height", "16"}, {"frames", "3"}, {"live", "false"}}));
  ASSERT_TRUE(source.ok()) << source.status().to_string();
  Stopper stopper;
  Frame f;
  for (int i = 0; i < 3; ++i) {
    const auto next = (*source)->next(stopper, f);
    ASSERT_TRUE(next.ok() && *next);
    EXPECT_EQ(f.picture.width, 32);
    EXPECT_EQ(f.image.pixels.size(), 32U * 16 * 3);
    EXPECT_GT(f.capture_ns, 0);
  }
  EXPECT_FALSE(*(*source)->next(stopper, f));
}

}  // namespace
}  // namespace inferd::pipeline

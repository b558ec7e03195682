// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "daemon/pipeline/stages/stages.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

class Blur : public ::testing::Test {
 protected:
  std::unique_ptr<Stage> make(const std::map<std::string, std::string>& keys) {
    auto stage = make_stage(node("blur", keys), context_);
    EXPECT_TRUE(stage.ok()) << stage.status().to_string();
    return std::move(*stage);
  }

  // A new frame in which every pixel differs from those beside it, with these things on it.
  void show(Stage& stage, const std::vector<Detection>& detections) {
    frame_ = pool_.get();
    frame_->image = {100, 100, std::vector<uint8_t>(100 * 100 * 3)};
    for (size_t i = 0; i < frame_->image.pixels.size(); ++i)
      frame_->image.pixels[i] = static_cast<uint8_t>(i * 37);
    frame_->picture = media::view_of(frame_->image);
    frame_->sequence = 7;
    frame_->capture_ns = 8;
    frame_->name = "front";
    work_.show(frame_);
    work_.detections = detections;
    const Status status = stage.process(work_);
    EXPECT_TRUE(status.ok()) << status.to_string();
  }

  // Pixels whose colour is not the camera's any more.
  int changed(int x0, int y0, int x1, int y1) {
    media::Image image;
    media::to_rgb(work_.frame->picture, image);
    int count = 0;
    for (int y = y0; y < y1; ++y) {
      for (int x = x0; x < x1; ++x)
        count += std::memcmp(image.row(y) + x * 3, frame_->image.row(y) + x * 3, 3) != 0 ? 1 : 0;
    }
    return count;
  }

  static Detection thing(const std::string& label, Box box, float score = 0.9F) {
    Detection d;
    d.label = label;
    d.box = box;
    d.score = score;
    return d;
  }

  FakeRepository repository_;
  StageContext context_{repository_, "p", {}, nullptr};
  Pool<SharedFrame> pool_;
  Ref<SharedFrame> frame_;
  Work work_;
};

TEST_F(Blur, HidesWhatIsAskedForInACopy) {
  const auto stage =
      make({{"classes", "face"}, {"min_score", "0.5"}, {"margin", "0.5"}, {"hold", "0"}});
  const Box left = {0.2F, 0.4F, 0.3F, 0.5F}, right = {0.7F, 0.4F, 0.8F, 0.5F};
  show(*stage, {thing("face", left), thing("dog", right), thing("face", right, 0.4F)});
  EXPECT_NE(work_.frame, &*frame_) << "others may read the camera's";
  EXPECT_GT(changed(14, 34, 36, 56), 380) << "the box and half of it on each side";
  EXPECT_EQ(changed(0, 0, 100, 100), changed(14, 34, 36, 56)) << "and nothing else";
  EXPECT_EQ(work_.frame->sequence, 7U);
  EXPECT_EQ(work_.frame->capture_ns, 8);
  EXPECT_EQ(work_.frame->name, "front");
  EXPECT_EQ(work_.detections.size(), 3U);
}

TEST_F(Blur, FramesWithNothingToHidePassAsTheyAre) {
  const auto stage = make({{"classes", "face"}});
  show(*stage, {thing("dog", {0, 0, 1, 1})});
  EXPECT_EQ(work_.frame, &*frame_);
  Frame sound;
  sound.samples.rows = 1;
  work_.frame = &sound;
  work_.detections = {thing("face", {0, 0, 1, 1})};
  EXPECT_TRUE(stage->process(work_).ok());
  EXPECT_EQ(work_.frame, &sound);
}

TEST_F(Blur, HidesALittleLongerThanItSees) {
  const auto stage = make({{"hold", "2"}, {"margin", "0"}});
  show(*stage, {thing("face", {0.2F, 0.2F, 0.4F, 0.4F})});
  for (int frame = 1; frame <= 2; ++frame) {
    show(*stage, {thing("face", {0.6F, 0.6F, 0.8F, 0.8F})});
    EXPECT_GT(changed(20, 20, 40, 40), 300) << frame;
    EXPECT_GT(changed(60, 60, 80, 80), 300) << frame;
  }
  show(*stage, {});
  EXPECT_EQ(changed(20, 20, 40, 40), 0);
  EXPECT_GT(changed(60, 60, 80, 80), 300);
}

TEST_F(Blur, BoxesMayBeAnything) {
  const auto stage = make({{"margin", "10"}});
  constexpr float kMost = std::numeric_limits<float>::max();
  show(*stage, {thing("", {-kMost, 0, kMost, 1}), thing("", {0.9F, 0.9F, 0.1F, 0.1F}),
                thing("", {1, 1, 1, 1})});
  EXPECT_GT(changed(0, 0, 100, 100), 9000);
}

TEST_F(Blur, RefusesWhatMakesNoSense) {
  EXPECT_THAT(make_stage(node("blur", {{"blocks", "0"}}), context_).status().message(),
              HasSubstr("p.yaml:4:7: "));
  EXPECT_THAT(make_stage(node("blur", {{"radius", "3"}}), context_).status().message(),
              HasSubstr("radius"));
}

}  // namespace
}  // namespace inferd::pipeline

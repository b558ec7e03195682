// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/track/best_shots.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "daemon/pipeline/sink.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

// Every pixel tells where it is and in which frame.
media::Image picture(int width, int height, uint8_t frame) {
  media::Image image;
  image.width = width;
  image.height = height;
  image.pixels.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      uint8_t* pixel = image.row(y) + static_cast<size_t>(x) * 3;
      pixel[0] = static_cast<uint8_t>(x);
      pixel[1] = static_cast<uint8_t>(y);
      pixel[2] = frame;
    }
  }
  return image;
}

Detection seen(uint64_t track, const Box& box, float score) {
  Detection d;
  d.track_id = track;
  d.box = box;
  d.score = score;
  return d;
}

constexpr Box kMiddle = {0.4F, 0.4F, 0.6F, 0.6F};

TEST(BestShots, KeepsTheBestAndGivesItWhenTheTrackHasEnded) {
  BestShots shots(0, 2);
  const std::vector<std::pair<Box, float>> frames = {
      {{0.4F, 0.4F, 0.5F, 0.5F}, 0.9F},  // small
      {{0, 0.4F, 0.3F, 0.7F}, 0.9F},     // cut off: 30 by 30 pixels, by half
      {kMiddle, 0.9F},                   // the best
      {kMiddle, 0.95F},                  // not much better
      {kMiddle, 0.5F},
  };
  uint64_t number = 0;
  for (const auto& [box, score] : frames) {
    ++number;
    const Detection d = seen(7, box, score);
    EXPECT_TRUE(shots
                    .update(media::view_of(picture(100, 100, static_cast<uint8_t>(number))), number,
                            {&d, 1})
                    .empty());
  }
  const media::Image nothing = picture(100, 100, 0);
  const media::Picture empty = media::view_of(nothing);
  EXPECT_TRUE(shots.update(empty, 6, {}).empty());
  EXPECT_TRUE(shots.update(empty, 7, {}).empty()) << "two frames are not more than two";
  const auto ended = shots.update(empty, 8, {});
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].track_id, 7U);
  EXPECT_EQ(ended[0].image.width, 20);
  EXPECT_EQ(ended[0].image.height, 20);
  EXPECT_EQ(ended[0].image.row(0)[0], 40) << "from the box's left";
  EXPECT_EQ(ended[0].image.row(0)[1], 40);
  EXPECT_EQ(ended[0].image.row(0)[2], 3) << "of the third frame";
  EXPECT_EQ(ended[0].image.row(19)[58], 59);
  EXPECT_TRUE(shots.update(empty, 9, {}).empty()) << "once";
}

TEST(BestShots, MarginsEndWithTheFrame) {
  BestShots shots(0.5F, 1);
  const std::vector<Detection> both = {seen(1, kMiddle, 0.5F), seen(2, {0.8F, 0, 1, 0.2F}, 0.5F),
                                       seen(0, kMiddle, 0.9F), seen(3, {0.5F, 0.5F, 0.5F, 1}, 1)};
  EXPECT_TRUE(shots.update(media::view_of(picture(100, 50, 1)), 1, both).empty());
  const auto left = shots.finish();
  ASSERT_EQ(left.size(), 2U) << "what has no number or no pixels has no picture";
  EXPECT_EQ(left[0].image.width, 40);
  EXPECT_EQ(left[0].image.height, 20);
  EXPECT_EQ(left[1].image.width, 30);
  EXPECT_EQ(left[1].image.height, 15);
  EXPECT_TRUE(shots.finish().empty());
}

TEST(BestShots, KeepsNoMoreThanItMay) {
  BestShots shots(0, 1000);
  const media::Image image = picture(2000, 2000, 1);  // 12 MB
  const media::Picture frame = media::view_of(image);
  for (uint64_t track = 1; track <= 5; ++track) {
    const Detection d = seen(track, {0, 0, 1, 1}, 0.5F);
    EXPECT_TRUE(shots.update(frame, track, {&d, 1}).empty());
  }
  const Detection d = seen(6, {0, 0, 1, 1}, 0.5F);
  const auto pushed_out = shots.update(frame, 6, {&d, 1});
  ASSERT_EQ(pushed_out.size(), 1U);
  EXPECT_EQ(pushed_out[0].track_id, 1U);
  EXPECT_EQ(shots.finish().size(), 5U);
}

TEST(BestShotsSink, WritesAFileForEachTrack) {
  const TemporaryFolder folder;
  {
    auto sink =
        make_sink(node("best_shots", {{"path", folder.file("thing-*.png")}, {"forget", "1"}}));
    ASSERT_TRUE(sink.ok()) << sink.status().to_string();
    Frame frame;
    frame.image = picture(100, 100, 1);
    frame.picture = media::view_of(frame.image);
    FrameResult result;
    for (result.sequence = 1; result.sequence <= 3; ++result.sequence) {
      result.detections = {seen(9, kMiddle, 0.5F)};
      if (result.sequence == 1) result.detections.push_back(seen(12, kMiddle, 0.5F));
      ASSERT_TRUE((*sink)->write(frame, result).ok());
    }
    EXPECT_TRUE(std::filesystem::exists(folder.file("thing-000012.png")));
    EXPECT_FALSE(std::filesystem::exists(folder.file("thing-000009.png"))) << "it is still there";
  }
  const auto image = media::read_image(folder.file("thing-000009.png"));
  ASSERT_TRUE(image.ok()) << image.status().to_string();
  EXPECT_EQ(image->width, 24) << "a tenth more on each side";
  EXPECT_FALSE(make_sink(node("best_shots", {{"path", "a.png"}})).ok());
  EXPECT_FALSE(make_sink(node("best_shots", {{"path", "*.gif"}})).ok());
}

}  // namespace
}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
//
// What counts as motion: a picture made of patches of different brightness, noise, changes of
// light, and things that move.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "daemon/pipeline/stages/stages.h"
#include "media/cells.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/pipeline/source_of.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

constexpr int kWidth = 320, kHeight = 240;

// What the camera sees: a square at (x, y), light that is `gain` times as strong and `offset`
// levels more.
struct Scene {
  int x = -100, y = 100, side = 24;
  double gain = 1, offset = 0, noise = 6;
};

class MotionGate : public ::testing::Test {
 protected:
  std::unique_ptr<Stage> make(std::map<std::string, std::string> keys = {}) {
    keys.try_emplace("warmup_s", "1");
    keys.try_emplace("hold_s", "0");
    auto stage = make_stage(node("motion_gate", keys), context_);
    EXPECT_TRUE(stage.ok()) << stage.status().to_string();
    return std::move(*stage);
  }

  // The next frame, a tenth of a second later; whether it passes.
  bool passes(Stage& stage, const Scene& scene) {
    frame_.image = {kWidth, kHeight, std::vector<uint8_t>(size_t{kWidth} * kHeight * 3)};
    std::normal_distribution<double> noise(0, scene.noise);
    for (int y = 0; y < kHeight; ++y) {
      for (int x = 0; x < kWidth; ++x) {
        const bool thing =
            x >= scene.x && x < scene.x + scene.side && y >= scene.y && y < scene.y + scene.side;
        const int patch = 60 + 20 * ((x / 40 + y / 40 * 3) % 6);
        const double light = scene.gain * (thing ? 20 : patch) + scene.offset + noise(random_);
        std::fill_n(frame_.image.row(y) + x * 3, 3,
                    static_cast<uint8_t>(std::clamp(light, 0.0, 255.0)));
      }
    }
    frame_.picture = media::view_of(frame_.image);
    return shown(stage);
  }
  bool shown(Stage& stage) {
    frame_.capture_ns += 100'000'000;
    Work work;
    work.frame = &frame_;
    const Status status = stage.process(work);
    EXPECT_TRUE(status.ok()) << status.to_string();
    moved_ = work.values.empty() ? -1 : work.values[0].value;
    return !work.gated;
  }
  // How many of so many frames of a scene pass.
  int passing(Stage& stage, int frames, const Scene& scene = {}) {
    int count = 0;
    for (int i = 0; i < frames; ++i) count += passes(stage, scene) ? 1 : 0;
    return count;
  }

  FakeRepository repository_;
  StageContext context_{repository_, "p", {}, nullptr};
  Frame frame_;
  double moved_ = 0;
  std::mt19937 random_{3};
};

TEST_F(MotionGate, RestsWhereNothingMoves) {
  const auto gate = make();
  EXPECT_EQ(passing(*gate, 11), 11) << "while it learns what there is";
  EXPECT_EQ(passing(*gate, 200), 0);
  EXPECT_EQ(passing(*gate, 50, {.noise = 20}), 0) << "as in the dark";
}

TEST_F(MotionGate, OpensForAThingThatMoves) {
  const auto gate = make();
  passing(*gate, 30);
  int passed = 0;
  for (int x = 0; x < kWidth - 24; x += 4) passed += passes(*gate, {.x = x}) ? 1 : 0;
  EXPECT_EQ(passed, (kWidth - 24) / 4) << "each frame of its way";
  EXPECT_NEAR(moved_, 24.0 * 24 / (kWidth * kHeight), 0.01);
}

TEST_F(MotionGate, LightThatChangesIsNoMotion) {
  const auto gate = make();
  passing(*gate, 30);
  EXPECT_EQ(passing(*gate, 5, {.offset = 40}), 0) << "a lamp";
  EXPECT_EQ(passing(*gate, 5, {.gain = 0.6}), 0) << "a shorter exposure";
  EXPECT_EQ(passing(*gate, 5, {.gain = 1.3, .offset = -20}), 0);
  EXPECT_EQ(passing(*gate, 5), 0);
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(passes(*gate, {.offset = i - 25.0})) << "the sun";
  EXPECT_TRUE(passes(*gate, {.x = 100, .gain = 0.6})) << "but a thing is one in any light";
}

TEST_F(MotionGate, WhatStaysBecomesBackground) {
  const auto gate = make({{"adapt_s", "2"}});
  passing(*gate, 30);
  EXPECT_GT(passing(*gate, 10, {.x = 100}), 8);
  passing(*gate, 100, {.x = 100});
  EXPECT_EQ(passing(*gate, 20, {.x = 100}), 0) << "a car that was parked";
  EXPECT_TRUE(passes(*gate, {})) << "and that leaves";
}

TEST_F(MotionGate, StaysOpenForAWhile) {
  const auto gate = make({{"hold_s", "0.5"}});
  passing(*gate, 30);
  EXPECT_TRUE(passes(*gate, {.x = 100}));
  EXPECT_EQ(passing(*gate, 20), 5);
}

TEST_F(MotionGate, LooksAtItsZoneOnly) {
  config::NodeConfig with_zone = node("motion_gate", {{"warmup_s", "1"}, {"hold_s", "0"}});
  with_zone.entries["zone"] = {
      {"0.5", "0", "1", "0", "1", "1", "0.5", "1"}, true, {"p.yaml", 4, 7}};
  auto right = make_stage(with_zone, context_);
  ASSERT_TRUE(right.ok()) << right.status().to_string();
  passing(**right, 30);
  EXPECT_FALSE(passes(**right, {.x = 60}));
  EXPECT_TRUE(passes(**right, {.x = 200}));
}

TEST_F(MotionGate, BeginsAnewWithPicturesOfAnotherSize) {
  const auto gate = make();
  EXPECT_EQ(passing(*gate, 30), 11);
  frame_.image = {3, 500, std::vector<uint8_t>(3 * 500 * 3, 100)};
  frame_.picture = media::view_of(frame_.image);
  EXPECT_TRUE(shown(*gate));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(shown(*gate));
  EXPECT_FALSE(shown(*gate));
  frame_.picture = {};
  EXPECT_TRUE(shown(*gate)) << "samples are none of its business";
}

TEST_F(MotionGate, RefusesWhatMakesNoSense) {
  const auto refusal = [&](const std::string& key, const std::vector<std::string>& value) {
    config::NodeConfig n = node("motion_gate");
    n.entries[key] = {value, value.size() > 1, {"p.yaml", 4, 7}};
    return make_stage(n, context_).status().message();
  };
  EXPECT_THAT(refusal("zone", {"0", "0", "1", "1"}), HasSubstr("'zone' must be"));
  EXPECT_THAT(refusal("zone", {"0", "0", "1", "1", "2", "0"}), HasSubstr("'zone' must be"));
  EXPECT_THAT(refusal("threshold", {"0"}), HasSubstr("p.yaml:4:7: "));
  EXPECT_THAT(refusal("treshold", {"5"}), HasSubstr("treshold"));
}

TEST_F(MotionGate, OfAStreetOnlyWhatMoves) {
  const std::string path = std::string(INFERD_TEST_MODELS) + "/video/vtest_15s_h264.mp4";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  auto source = make_source(node("video", {{"path", path}, {"live", "false"}}));
  if (!source.ok()) GTEST_SKIP() << source.status().message();
  ASSERT_TRUE((*source)->open().ok());
  const auto gate = make({{"adapt_s", "1"}});
  Stopper stopper;
  int frames = 0, passed = 0, still = 0;
  for (;; ++frames) {
    frame_.lease = nullptr;
    const int64_t last = frame_.capture_ns;
    const auto next = (*source)->next(stopper, frame_);
    if (!next.ok()) GTEST_SKIP() << next.status().message();  // no decoder here
    if (!*next) break;
    frame_.capture_ns = last;
    passed += shown(*gate) ? 1 : 0;
  }
  EXPECT_GT(frames, 100);
  EXPECT_GT(passed, frames * 9 / 10) << "people walk there all the time";
  // The last picture for ever, with a little noise: as at night.
  media::Image last;
  media::to_rgb(frame_.picture, last);
  for (int i = 0; i < 120; ++i) {
    frame_.image = last;
    for (uint8_t& value : frame_.image.pixels)
      value =
          static_cast<uint8_t>(std::clamp(value + static_cast<int>(random_() % 21) - 10, 0, 255));
    frame_.picture = media::view_of(frame_.image);
    still = shown(*gate) ? i : still;
  }
  EXPECT_LT(still, 60) << "rests when what was there last has become background";
}

// The brightness of cells, in all formats.
TEST(Cells, AreTheMeansOfTheirPixels) {
  for (const auto format :
       {media::PixelFormat::kRgb, media::PixelFormat::kBgrx, media::PixelFormat::kGrey,
        media::PixelFormat::kYuyv, media::PixelFormat::kUyvy, media::PixelFormat::kNv12}) {
    const size_t bytes = *media::packed_bytes(format, 64, 48);
    std::vector<uint8_t> pixels(bytes, 40);
    const auto picture = media::packed_picture(format, 64, 48, pixels);
    ASSERT_TRUE(picture.ok());
    // Cell (3, 1) of 8 by 6, each of 8 by 8 pixels.
    for (size_t y = 8; y < 16; ++y) {
      const size_t step = picture->strides[0] / 64;
      std::fill_n(pixels.begin() + static_cast<std::ptrdiff_t>(y * picture->strides[0] + 24 * step),
                  8 * step, uint8_t{200});
    }
    std::vector<float> cells;
    media::brightness_of_cells(*picture, 8, 6, cells);
    ASSERT_EQ(cells.size(), 48U);
    for (size_t i = 0; i < 48; ++i)
      EXPECT_EQ(cells[i], i == 8 + 3 ? 200 : 40) << media::pixel_format_name(format) << " " << i;
  }
}

}  // namespace
}  // namespace inferd::pipeline

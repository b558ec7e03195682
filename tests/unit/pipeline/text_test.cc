// SPDX-License-Identifier: Apache-2.0
//
// Lines of text, their boxes, and pictures as wide as they need to be.
#include "daemon/pipeline/decode/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "daemon/pipeline/stages/model_input.h"

namespace inferd::pipeline {
namespace {

using ::testing::FloatNear;
using ::testing::HasSubstr;

// A map of chances, with rectangles in it.
struct Map {
  int width, height;
  std::vector<float> chances = std::vector<float>(static_cast<size_t>(width * height));
  void fill(int x, int y, int w, int h, float chance) {
    for (int row = y; row < y + h; ++row) {
      for (int column = x; column < x + w; ++column)
        chances[static_cast<size_t>(row * width + column)] = chance;
    }
  }
  std::vector<Detection> find(const TextBoxOptions& options = {}) const {
    std::vector<Detection> found(3);
    TextBoxes(options).find(chances, width, height, found);
    return found;
  }
};

TEST(TextBoxes, GrowAroundTheCoreOfALine) {
  Map map{100, 50};
  map.fill(20, 10, 40, 8, 0.75F);
  const auto found = map.find();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_FLOAT_EQ(found[0].score, 0.75F);
  const float grown = 40 * 8 * 1.5F / 96;
  EXPECT_THAT(found[0].box.x_min, FloatNear((20 - grown) / 100, 1e-6));
  EXPECT_THAT(found[0].box.y_min, FloatNear((10 - grown) / 50, 1e-6));
  EXPECT_THAT(found[0].box.x_max, FloatNear((60 + grown) / 100, 1e-6));
  EXPECT_THAT(found[0].box.y_max, FloatNear((18 + grown) / 50, 1e-6));
}

TEST(TextBoxes, AreInTheOrderOfReading) {
  Map map{200, 100};
  map.fill(150, 8, 40, 10, 0.9F);  // the end of the first line, a bit higher
  map.fill(10, 10, 50, 10, 0.9F);
  map.fill(80, 12, 50, 10, 0.9F);
  map.fill(5, 60, 50, 10, 0.9F);
  const auto found = map.find();
  ASSERT_EQ(found.size(), 4U);
  EXPECT_LT(found[0].box.x_min, found[1].box.x_min);
  EXPECT_LT(found[1].box.x_min, found[2].box.x_min);
  EXPECT_GT(found[3].box.y_min, 0.5F);
}

TEST(TextBoxes, WhatTouchesAtACornerIsOne) {
  Map map{40, 40};
  map.fill(5, 5, 10, 10, 0.9F);
  map.fill(15, 15, 10, 10, 0.9F);
  EXPECT_EQ(map.find().size(), 1U);
}

TEST(TextBoxes, WhatIsSmallUnsureOrNoNumberIsLeftOut) {
  Map map{60, 40, {}};
  map.chances.assign(60 * 40, std::numeric_limits<float>::quiet_NaN());
  map.fill(5, 5, 10, 2, 0.9F);
  map.fill(30, 5, 10, 10, 0.5F);
  EXPECT_TRUE(map.find().empty());
  EXPECT_EQ(map.find({.min_score = 0.4F}).size(), 1U);
  map.fill(0, 0, 60, 40, 1);
  const auto all = map.find();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_FLOAT_EQ(all[0].box.x_min, 0);
  EXPECT_FLOAT_EQ(all[0].box.y_max, 1) << "not beyond the picture";
  Map dots{90, 90};
  for (int i = 0; i < 15; ++i) dots.fill(6 * i, 6 * i, 4, 4, 1);
  EXPECT_EQ(dots.find({.max = 7}).size(), 7U);
}

// Scores of steps: each names its best class.
std::vector<float> steps(const std::vector<int>& best) {
  std::vector<float> scores;
  for (const int b : best) {
    for (int c = 0; c < 4; ++c) scores.push_back(c == b ? 0.7F + 0.1F * static_cast<float>(c) : 0);
  }
  return scores;
}

TEST(ReadSteps, RepetitionsAndNothingGo) {
  const std::vector<std::string> characters = {"a", "ü"};
  std::string text = "before";
  const float score = read_steps(steps({0, 1, 1, 0, 1, 2, 3, 3, 2}), 4, characters, text);
  EXPECT_EQ(text, "aaü ü");
  EXPECT_FLOAT_EQ(score, (0.8F + 0.8F + 0.9F + 1.F + 0.9F) / 5);
  EXPECT_FLOAT_EQ(read_steps(steps({0, 0}), 4, characters, text), 0);
  EXPECT_EQ(text, "");
  EXPECT_FLOAT_EQ(read_steps({}, 4, characters, text), 0);
}

const media::Preprocess kRaw{.normalize = true};

std::string refusal(const Shape& shape, const PictureSize& size) {
  return ModelInput::create({"x", DType::kFloat32, shape, {}}, kRaw, {}, size).status().message();
}

TEST(PictureSizes, OfModelsThatTakeAnyAreSaid) {
  constexpr int64_t kAny = kDynamicDim;
  EXPECT_THAT(refusal({kAny, 3, kAny, kAny}, {}), HasSubstr("say its 'height'"));
  EXPECT_THAT(refusal({kAny, 3, 48, kAny}, {}), HasSubstr("say its 'width'"));
  EXPECT_THAT(refusal({1, 3, 48, 320}, {.height = 40}), HasSubstr("another height than 40"));
  EXPECT_THAT(refusal({1, 3, 48, 320}, {.max_width = 640}), HasSubstr("has one width"));
  EXPECT_THAT(refusal({1, 3, 48, kAny}, {.width = 3, .max_width = 640}), HasSubstr("either"));
  EXPECT_EQ(refusal({1, kAny, kAny, 3}, {.width = 64, .height = 32}), "");
  EXPECT_EQ(refusal({1, 48, 320, 3}, {.width = 320, .height = 48}), "");
}

TEST(PictureSizes, AWidthMayFollowThePicture) {
  auto input = ModelInput::create({"x", DType::kFloat32, {kDynamicDim, 3, 48, kDynamicDim}, {}},
                                  kRaw, {}, {.max_width = 330});
  ASSERT_TRUE(input.ok()) << input.status().to_string();
  std::vector<uint8_t> white(1000 * 100 * 3, 255);
  const auto width_of = [&](int width, int height) {
    Frame frame;
    auto picture = media::packed_picture(media::PixelFormat::kRgb, width, height, white);
    EXPECT_TRUE(picture.ok()) << picture.status().to_string();
    frame.picture = *picture;
    std::vector<std::byte> bytes;
    TensorView view;
    const auto placement = input->fill(frame, nullptr, bytes, view);
    EXPECT_TRUE(placement.ok()) << placement.status().to_string();
    EXPECT_EQ(view.data.size(), static_cast<size_t>(view.shape.elements()) * 4);
    EXPECT_FLOAT_EQ(view.as<float>().back(), 255);
    return view.shape[3];
  };
  EXPECT_EQ(width_of(100, 50), 96);
  EXPECT_EQ(width_of(130, 48), 128) << "to the nearest step of 32";
  EXPECT_EQ(width_of(1000, 50), 320) << "no wider than that";
  EXPECT_EQ(width_of(5, 100), 32) << "and no narrower";
  EXPECT_EQ(width_of(100, 50), 96);
}

}  // namespace
}  // namespace inferd::pipeline

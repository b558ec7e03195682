// SPDX-License-Identifier: Apache-2.0
#include "media/pixelate.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace inferd::media {
namespace {

constexpr PixelFormat kFormats[] = {PixelFormat::kRgb,  PixelFormat::kBgr,  PixelFormat::kRgbx,
                                    PixelFormat::kBgrx, PixelFormat::kGrey, PixelFormat::kYuyv,
                                    PixelFormat::kUyvy, PixelFormat::kNv12, PixelFormat::kNv21,
                                    PixelFormat::kI420};

// Noise, in rows with padding.
struct Noise {
  Noise(PixelFormat format, int width, int height) {
    const auto size = packed_bytes(format, width + 16, height);
    EXPECT_TRUE(size.ok());
    bytes.resize(*size);
    std::mt19937 random(7);
    for (uint8_t& b : bytes) b = static_cast<uint8_t>(random());
    picture = *packed_picture(format, width + 16, height, bytes);
    picture.width = width;
    picture.color = ColorSpace::kBt709;
  }
  std::vector<uint8_t> bytes;
  Picture picture;
};

TEST(Pixelate, HasOneColourInABlockAndLeavesTheRestInEveryFormat) {
  for (const PixelFormat format : kFormats) {
    SCOPED_TRACE(pixel_format_name(format));
    const Noise noise(format, 100, 60);
    const Rectangle part{20, 10, 40, 30};
    std::vector<uint8_t> storage;
    const auto out = pixelated(noise.picture, {&part, 1}, 4, storage);
    ASSERT_TRUE(out.ok()) << out.status().to_string();
    EXPECT_EQ(out->color, ColorSpace::kBt709);
    Image before, after;
    to_rgb(noise.picture, before);
    to_rgb(*out, after);
    for (int y = 0; y < 60; ++y) {
      for (int x = 0; x < 100; ++x) {
        const uint8_t* pixel = after.row(y) + x * 3;
        const bool inside = x >= 20 && x < 60 && y >= 10 && y < 40;
        // Blocks of 10 by 10 pixels.
        const uint8_t* expected =
            inside ? after.row(10 + (y - 10) / 10 * 10) + (x / 10 * 10) * 3 : before.row(y) + x * 3;
        ASSERT_EQ(std::memcmp(pixel, expected, 3), 0) << x << ", " << y;
      }
    }
    EXPECT_NE(std::memcmp(after.row(10) + 60, after.row(10) + 90, 3), 0) << "blocks differ";
  }
}

TEST(Pixelate, TakesTheMean) {
  Image image{4, 2, {}};
  for (int i = 0; i < 24; ++i) image.pixels.push_back(static_cast<uint8_t>(i * 10));
  const Rectangle part{0, 0, 2, 2};
  std::vector<uint8_t> storage;
  const auto out = pixelated(view_of(image), {&part, 1}, 1, storage);
  ASSERT_TRUE(out.ok());
  for (const int at : {0, 3, 12, 15}) {
    EXPECT_EQ(storage[static_cast<size_t>(at)], 75) << "of 0, 30, 120 and 150";
    EXPECT_EQ(storage[static_cast<size_t>(at) + 2], 95);
  }
  EXPECT_EQ(storage[6], 60) << "beside it";
}

TEST(Pixelate, PartsMayLieAnywhere) {
  const Noise noise(PixelFormat::kNv12, 64, 48);
  std::vector<uint8_t> storage;
  const Rectangle outside[] = {{64, 0, 10, 10}, {-10, 0, 10, 10}, {0, 48, 1, 1},
                               {0, -5, 64, 5},  {5, 5, 0, 5},     {5, 5, 5, -5}};
  Image before, after;
  to_rgb(noise.picture, before);
  const auto untouched = pixelated(noise.picture, outside, 3, storage);
  ASSERT_TRUE(untouched.ok());
  to_rgb(*untouched, after);
  EXPECT_EQ(before.pixels, after.pixels);

  const Rectangle all[] = {{-64, -48, 192, 144}, {63, 47, 1000, 1000}};
  const auto grey = pixelated(noise.picture, all, 1, storage);
  ASSERT_TRUE(grey.ok());
  to_rgb(*grey, after);
  EXPECT_EQ(std::memcmp(after.row(0), after.row(20) + 60, 3), 0) << "one block";
}

}  // namespace
}  // namespace inferd::media

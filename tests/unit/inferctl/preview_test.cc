// SPDX-License-Identifier: Apache-2.0
//
// Pictures as bytes for terminals; tests/integration/terminal_test.py has programs read them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "clients/inferctl/preview/blocks.h"
#include "clients/inferctl/preview/kitty.h"
#include "clients/inferctl/preview/scale.h"
#include "clients/inferctl/preview/sixel.h"
#include "clients/inferctl/preview/terminal.h"

namespace inferd::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

media::Image picture(int width, int height, std::array<uint8_t, 3> colour) {
  media::Image image;
  image.width = width;
  image.height = height;
  for (int i = 0; i < width * height; ++i)
    image.pixels.insert(image.pixels.end(), colour.begin(), colour.end());
  return image;
}

TEST(Blocks, HaveTwoPixelsEachAndSendWhatChanges) {
  Blocks blocks(3, 2, true);
  media::Image image = picture(2, 2, {10, 20, 30});
  image.pixels[6] = 200;  // the lower left pixel
  blocks.put(image);
  const std::string first = blocks.changes();
  EXPECT_THAT(first, HasSubstr("\x1b[1;1H\x1b[38;2;10;20;30m\x1b[48;2;200;20;30m\xE2\x96\x80"));
  blocks.put(image);
  EXPECT_EQ(blocks.changes(), "");
  image.pixels[3] = 90;  // the upper right one
  blocks.put(image);
  const std::string next = blocks.changes();
  EXPECT_THAT(next, StartsWith("\x1b[1;2H\x1b[38;2;90;20;30m\x1b[48;2;10;20;30m\xE2\x96\x80"));
  EXPECT_THAT(next, Not(HasSubstr("\x1b[1;1H")));
  blocks.resize(3, 2);
  blocks.put(image);
  EXPECT_THAT(blocks.changes(), HasSubstr("\x1b[1;1H")) << "all of it again";
}

TEST(Blocks, LabelsAreCutAndSafe) {
  Blocks blocks(6, 2, true);
  blocks.put(picture(6, 4, {0, 0, 0}));
  blocks.changes();
  blocks.label(2, 1,
               "a\x1b\xC3\xBC"
               "bcdefg",
               {1, 2, 3});
  blocks.label(0, 7, "below", {1, 2, 3});
  EXPECT_EQ(blocks.changes(), "\x1b[2;3H\x1b[38;2;255;255;255m\x1b[48;2;1;2;3ma???\x1b[0m");
}

TEST(Blocks, TakeTheNearestOf256Colours) {
  Blocks blocks(1, 1, false);
  media::Image image = picture(1, 2, {255, 0, 0});
  image.pixels[3] = image.pixels[4] = image.pixels[5] = 128;
  blocks.put(image);
  EXPECT_THAT(blocks.changes(), HasSubstr("\x1b[38;5;196m\x1b[48;5;244m"));
}

TEST(Kitty, PiecesAreNoLongerThanAllowed) {
  media::Image image = picture(200, 100, {0, 0, 0});
  uint32_t noise = 1;
  for (uint8_t& byte : image.pixels) byte = static_cast<uint8_t>((noise = noise * 69069 + 1) >> 24);
  std::string out = kitty_picture(image, 20, 10);
  EXPECT_THAT(out, StartsWith("\x1b_Ga=T,f=24,o=z,"));
  EXPECT_THAT(out, HasSubstr("s=200,v=100,c=20,r=10,m=1;"));
  int pieces = 0, last = 0;
  for (size_t begin = 0; begin < out.size(); ++pieces) {
    const size_t end = out.find("\x1b\\", begin);
    ASSERT_NE(end, std::string::npos);
    const std::string piece = out.substr(begin, end - begin);
    EXPECT_THAT(piece, StartsWith("\x1b_G"));
    EXPECT_LE(piece.size() - piece.find(';') - 1, 4096U);
    if (piece.find("m=0;") != std::string::npos) ++last;
    begin = end + 2;
  }
  EXPECT_GT(pieces, 10);
  EXPECT_EQ(last, 1);
}

TEST(Sixel, AColourIsARunAndABandHasSixRows) {
  const std::string out = sixel_picture(picture(10, 7, {255, 0, 0}));
  EXPECT_THAT(out, StartsWith("\x1bP0;1q\"1;1;10;7"));
  EXPECT_THAT(out, HasSubstr("#180;2;100;0;0"));
  EXPECT_TRUE(out.ends_with("#180!10~$-#180!10@$-\x1b\\")) << "six rows, and one";
}

TEST(Scale, KeepsShapesAndMeans) {
  const media::Image image = picture(640, 480, {9, 9, 9});
  EXPECT_EQ(fitting(image, 80, 200, false).height, 60);
  EXPECT_EQ(fitting(image, 1000, 960, false).width, 640);
  EXPECT_EQ(fitting(image, 1280, 2000, true).width, 1280);
  EXPECT_EQ(fitting(picture(1000, 1, {}), 10, 10, true).height, 1);
  media::Image half = picture(4, 1, {0, 0, 0});
  half.pixels[3] = 100;
  const media::Image small = scaled(half, 2, 1);
  EXPECT_EQ(small.pixels[0], 50);
  EXPECT_EQ(small.pixels[3], 0);
}

TEST(Terminal, AnswersSayWhatItCanShow) {
  EXPECT_EQ(graphics_told("\x1b_Gi=31;OK\x1b\\\x1b[?62;c"), Graphics::kKitty);
  EXPECT_EQ(graphics_told("\x1b[?62;4;22c"), Graphics::kSixel);
  EXPECT_EQ(graphics_told("\x1b[?4;22c"), Graphics::kBlocks) << "a VT132, without sixels";
  EXPECT_EQ(graphics_told("\x1b[?1;2c"), Graphics::kBlocks);
  EXPECT_EQ(graphics_told("\x1b_Gi=31;ENOTSUP\x1b\\\x1b[?62;4c"), Graphics::kSixel);
  EXPECT_EQ(graphics_told(""), Graphics::kBlocks);
}

}  // namespace
}  // namespace inferd::ctl

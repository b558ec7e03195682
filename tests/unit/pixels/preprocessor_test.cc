// SPDX-License-Identifier: Apache-2.0
#include "media/preprocessor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "media/resample/reference.h"
#include "tests/unit/pixels/noise.h"

namespace inferd::media {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::byte> filled(const RowKernels& kernels, const Picture& picture,
                              const Preprocess& options, const TensorInfo& input) {
  std::vector<std::byte> tensor(bytes_of(input), std::byte{0xab});
  auto preprocessor = Preprocessor::create(options, input, kernels);
  EXPECT_TRUE(preprocessor.ok()) << preprocessor.status().to_string();
  EXPECT_TRUE(preprocessor->fill(picture, tensor).ok());
  return tensor;
}

std::vector<std::byte> expected(const Picture& picture, const Preprocess& options,
                                const TensorInfo& input) {
  std::vector<std::byte> tensor(bytes_of(input), std::byte{0xcd});
  EXPECT_TRUE(fill_tensor_reference(picture, options, input, tensor).ok());
  return tensor;
}

TEST(Preprocessor, EveryInstructionSetGivesTheReferencesBits) {
  std::mt19937 random(1);
  // Without resizing, 2:1, 1:2, far apart (one pixel to a window), narrow ones, and a line.
  constexpr int kSizes[][4] = {{34, 20, 34, 20},  {96, 64, 48, 32},  {40, 22, 80, 44},
                               {640, 30, 41, 9},  {2, 2, 35, 3},     {6, 4, 5, 7},
                               {322, 60, 50, 50}, {100, 100, 65, 37}};
  for (const auto& size : kSizes) {
    for (const PixelFormat format : kFormats) {
      for (int round = 0; round < 12; ++round) {
        const Noise n = noise(format, size[0], size[1], random() % 3 * 5, random);
        const Preprocess options = round == 0 ? Preprocess{} : random_options(random);
        const TensorInfo input = random_input(random, size[2], size[3]);
        const auto wanted = expected(n.picture, options, input);
        for (const RowKernels* kernels : row_kernels()) {
          const auto tensor = filled(*kernels, n.picture, options, input);
          const auto [got, want] = std::mismatch(tensor.begin(), tensor.end(), wanted.begin());
          ASSERT_EQ(got, tensor.end())
              << kernels->name << ": " << described(n.picture, options, input) << ", byte "
              << got - tensor.begin() << ": " << std::to_integer<int>(*got) << ", not "
              << std::to_integer<int>(*want);
        }
      }
    }
  }
}

// Half-pixel centres, in plain floating point.
double bilinear(const Picture& p, double x, double y, int channel) {
  const auto clamp = [](double v, int limit) { return std::clamp(v, 0.0, limit - 1.0); };
  x = clamp(x - 0.5, p.width);
  y = clamp(y - 0.5, p.height);
  const auto at = [&](int column, int row) {
    const int c = std::min(column, p.width - 1);
    const int r = std::min(row, p.height - 1);
    const uint8_t* line = p.planes[0] + static_cast<size_t>(r) * p.strides[0];
    return static_cast<double>(line[c * 3 + channel]);
  };
  const int left = static_cast<int>(x);
  const int top = static_cast<int>(y);
  const double wx = x - left;
  const double wy = y - top;
  return (at(left, top) * (1 - wx) + at(left + 1, top) * wx) * (1 - wy) +
         (at(left, top + 1) * (1 - wx) + at(left + 1, top + 1) * wx) * wy;
}

// Weights in a row have eight bits: half of the last one, times how far apart neighbours are.
TEST(Preprocessor, ValuesAreBilinearToEightBitsOfWeight) {
  std::mt19937 random(2);
  constexpr int kWidth = 240;
  constexpr int kHeight = 300;
  const Noise n = noise(PixelFormat::kRgb, 397, 361, 0, random);
  const TensorInfo input = input_of(DType::kFloat32, kWidth, kHeight, 3, false);
  const auto tensor = filled(*row_kernels().front(), n.picture, {}, input);
  const auto* values = reinterpret_cast<const float*>(tensor.data());
  double worst = 0;
  double sum = 0;
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      for (int c = 0; c < 3; ++c, ++values) {
        const double exact =
            bilinear(n.picture, (x + 0.5) * 397 / kWidth, (y + 0.5) * 361 / kHeight, c);
        worst = std::max(worst, std::abs(exact - double{*values}));
        sum += exact - double{*values};
      }
    }
  }
  EXPECT_LT(worst, 255.0 / 512 + 1.0 / 64) << "noise: neighbours as far apart as can be";
  EXPECT_LT(std::abs(sum / (kWidth * kHeight * 3)), 1.0 / 1024) << "not biased";
}

// The formula of ITU-R BT.601 and BT.709, against every Y, U and V of a coarse grid.
TEST(Preprocessor, ColoursAreThoseOfTheStandards) {
  const TensorInfo input = input_of(DType::kFloat32, 2, 2, 3, false);
  std::array<std::byte, 48> tensor{};
  for (int space = 0; space < 4; ++space) {
    const bool full = space % 2 == 1;
    const double red = space < 2 ? 0.299 : 0.2126;
    const double blue = space < 2 ? 0.114 : 0.0722;
    for (int yuv = 0; yuv < 18 * 18 * 18; ++yuv) {
      const int part[] = {yuv % 18 * 15, yuv / 18 % 18 * 15, yuv / 324 * 15};
      const auto byte = [&](int i) { return static_cast<uint8_t>(part[i]); };
      const std::array<uint8_t, 6> memory = {byte(0), byte(0), byte(0), byte(0), byte(1), byte(2)};
      Picture picture = packed_picture(PixelFormat::kI420, 2, 2, memory).value();
      picture.color = static_cast<ColorSpace>(space);
      ASSERT_TRUE(fill_tensor(picture, {}, input, tensor).ok());
      const double y = full ? part[0] : (part[0] - 16) * 255.0 / 219;
      const double scale = full ? 1 : 255.0 / 224;
      const double u = (part[1] - 128) * scale * 2 * (1 - blue);
      const double v = (part[2] - 128) * scale * 2 * (1 - red);
      const double green = y - (red * v + blue * u) / (1 - red - blue);
      const double rgb[] = {y + v, green, y + u};
      for (size_t c = 0; c < 3; ++c) {
        float value = 0;
        std::memcpy(&value, tensor.data() + c * 4, 4);
        ASSERT_NEAR(value, std::clamp(rgb[c], 0.0, 255.0), 1.0 / 64)
            << "space " << space << ", Y " << part[0] << ", U " << part[1] << ", V " << part[2];
      }
    }
  }
}

TEST(Preprocessor, WithoutResizingTheTensorIsThePicture) {
  std::mt19937 random(3);
  for (const PixelFormat format : kFormats) {
    const Noise n = noise(format, 36, 10, 4, random);
    Image image;
    to_rgb(n.picture, image);
    const auto tensor =
        filled(*row_kernels().front(), n.picture, {}, input_of(DType::kUInt8, 36, 10, 3, false));
    ASSERT_EQ(tensor.size(), image.pixels.size());
    EXPECT_EQ(std::memcmp(tensor.data(), image.pixels.data(), tensor.size()), 0)
        << pixel_format_name(format);
  }
}

// 1 2 3
// 4 5 6
std::vector<int> turned(int rotate, bool mirror) {
  const std::array<uint8_t, 6> memory = {1, 2, 3, 4, 5, 6};
  const Picture picture = packed_picture(PixelFormat::kGrey, 3, 2, memory).value();
  Preprocess p;
  p.rotate = rotate;
  p.mirror = mirror;
  const bool quarter = rotate % 180 != 0;
  const auto tensor = filled(*row_kernels().front(), picture, p,
                             input_of(DType::kUInt8, quarter ? 2 : 3, quarter ? 3 : 2, 1, false));
  std::vector<int> values;
  for (const std::byte byte : tensor) values.push_back(std::to_integer<int>(byte));
  return values;
}

TEST(Preprocessor, PicturesAreTurnedClockwiseThenMirrored) {
  EXPECT_THAT(turned(90, false), ElementsAre(4, 1, 5, 2, 6, 3));
  EXPECT_THAT(turned(180, false), ElementsAre(6, 5, 4, 3, 2, 1));
  EXPECT_THAT(turned(270, false), ElementsAre(3, 6, 2, 5, 1, 4));
  EXPECT_THAT(turned(0, true), ElementsAre(3, 2, 1, 6, 5, 4));
  EXPECT_THAT(turned(90, true), ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(turned(180, true), ElementsAre(4, 5, 6, 1, 2, 3));
  EXPECT_THAT(turned(270, true), ElementsAre(6, 3, 5, 2, 4, 1));
}

// A light spot is looked for in the tensor, and where it is found is mapped back to the picture.
TEST(Preprocessor, PlacesInTheTensorMapBackToThePicture) {
  constexpr int kWidth = 120;
  constexpr int kHeight = 80;
  std::vector<uint8_t> memory(kWidth * kHeight, 0);
  for (int y = 30; y < 34; ++y) {
    for (int x = 70; x < 74; ++x) memory[static_cast<size_t>(y * kWidth + x)] = 255;
  }
  const Picture picture = packed_picture(PixelFormat::kGrey, kWidth, kHeight, memory).value();
  const TensorInfo input = input_of(DType::kFloat32, 200, 160, 1, true);
  std::vector<std::byte> tensor(bytes_of(input));
  for (int variant = 0; variant < 48; ++variant) {
    Preprocess p;
    p.fit = static_cast<Fit>(variant % 3);
    p.rotate = variant / 3 % 4 * 90;
    p.mirror = variant / 12 % 2 == 1;
    if (variant / 24 == 1) p.roi = {0.4F, 0.1F, 0.4F, 0.6F};
    p.pad_value = 0;
    const auto placement = fill_tensor(picture, p, input, tensor);
    ASSERT_TRUE(placement.ok());
    double weight = 0;
    double sum_x = 0;
    double sum_y = 0;
    for (int i = 0; i < 200 * 160; ++i) {
      const double value = double{reinterpret_cast<const float*>(tensor.data())[i]};
      weight += value;
      sum_x += value * (i % 200 + 0.5) / 200;
      sum_y += value * (i / 200 + 0.5) / 160;
    }
    const Point found{static_cast<float>(sum_x / weight), static_cast<float>(sum_y / weight)};
    const Point point = placement->to_picture(found);
    EXPECT_NEAR(point.x, 72.0 / kWidth, 0.002) << "variant " << variant;
    EXPECT_NEAR(point.y, 32.0 / kHeight, 0.002) << "variant " << variant;
    const Corners around{{found.x - 0.1F, found.y - 0.1F}, {found.x + 0.1F, found.y + 0.1F}};
    const auto [from, to] = placement->to_picture(around);
    EXPECT_LT(from.x, point.x) << "variant " << variant;
    EXPECT_LT(from.y, point.y) << "variant " << variant;
    EXPECT_GT(to.x, point.x) << "variant " << variant;
    EXPECT_GT(to.y, point.y) << "variant " << variant;
  }
}

TEST(Preprocessor, TakesPicturesOfOtherSizesAndOtherScales) {
  std::mt19937 random(4);
  TensorInfo input = input_of(DType::kInt8, 33, 21, 3, false);
  input.quantization = {{1.F}, {0}};
  Preprocess options;
  options.normalize = true;
  options.fit = Fit::kLetterbox;
  auto preprocessor = Preprocessor::create(options, input);
  ASSERT_TRUE(preprocessor.ok());
  std::vector<std::byte> tensor(bytes_of(input));
  for (int round = 0; round < 40; ++round) {
    const Noise n = noise(kFormats[random() % 10], 20 + static_cast<int>(random() % 40) * 2,
                          20 + static_cast<int>(random() % 40) * 2, 0, random);
    input.quantization = {{0.5F + static_cast<float>(round)}, {round}};
    ASSERT_TRUE(preprocessor->set_quantization(input.quantization).ok());
    ASSERT_TRUE(preprocessor->fill(n.picture, tensor).ok());
    ASSERT_EQ(tensor, expected(n.picture, options, input)) << "round " << round;
  }
}

TEST(Preprocessor, RefusesWhatItCannotDo) {
  const TensorInfo input = input_of(DType::kFloat32, 4, 4, 3, false);
  Preprocess options;
  options.rotate = 45;
  EXPECT_THAT(Preprocessor::create(options, input).status().message(), HasSubstr("0, 90, 180"));
  options = {};
  options.roi = {0.5F, 0, 0.6F, 1};
  EXPECT_THAT(Preprocessor::create(options, input).status().message(), HasSubstr("lie within it"));
  options = {};
  options.normalize = true;
  options.std[1] = 1e-40F;
  EXPECT_THAT(Preprocessor::create(options, input).status().message(), HasSubstr("not finite"));
  auto preprocessor = Preprocessor::create({}, input);
  ASSERT_TRUE(preprocessor.ok());
  std::vector<std::byte> tensor(bytes_of(input));
  EXPECT_FALSE(preprocessor->fill(Picture{}, tensor).ok());
  EXPECT_FALSE(preprocessor->fill(Picture{}, std::span(tensor).first(3)).ok());
}

TEST(Preprocess, PartsAndTurnsAreParsedOrRefusedClearly) {
  const auto p = parse_preprocess("letterbox,roi=0.25/0/0.5/1,rotate=270,mirror");
  ASSERT_TRUE(p.ok()) << p.status().to_string();
  EXPECT_EQ(p->rotate, 270);
  EXPECT_TRUE(p->mirror);
  EXPECT_THAT((std::array{p->roi.x, p->roi.y, p->roi.width, p->roi.height}),
              ElementsAre(0.25F, 0.F, 0.5F, 1.F));
  for (const char* wrong : {"rotate=91", "rotate=-90", "rotate=90.5x", "roi=0/0/1", "roi=0/0/1/1/1",
                            "roi=0/0/0/1", "roi=0.5/0/0.6/1", "roi=-0.1/0/1/1"}) {
    EXPECT_FALSE(parse_preprocess(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace inferd::media

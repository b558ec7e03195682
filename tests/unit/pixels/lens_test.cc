// SPDX-License-Identifier: Apache-2.0
//
// Pictures that a lens has bent, straight into a model's input: the same bits on every instruction
// set, and within a bound what the two steps give that it stands for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "media/preprocessor.h"
#include "media/resample/reference.h"
#include "tests/unit/pixels/noise.h"

namespace inferd::media {
namespace {

using ::testing::HasSubstr;

// Of pictures of any of these sides: the axis is not quite in the middle, corners are not seen.
std::vector<LensView> views(int width, int height) {
  const double cx = width / 2.0 - 1.3, cy = height / 2.0 + 0.7;
  return {
      {{Lens::Model::kPinhole,
        0.6 * width,
        0.6 * width,
        cx,
        cy,
        {-0.28, 0.09, 0.0012, -0.0008, -0.015}},
       0,
       0,
       1},
      {{Lens::Model::kPinhole,
        0.55 * width,
        0.5 * width,
        cx,
        cy,
        {0.4, 0.06, -0.0005, 0.001, 0.002, 0.72, 0.15, 0.01}},
       width,
       height,
       0.7},
      {{Lens::Model::kFisheye, 0.4 * width, 0.4 * width, cx, cy, {-0.02, 0.008, -0.004, 0.0006}},
       2 * width,
       2 * height,
       0.9}};
}

std::vector<std::byte> filled(const RowKernels& kernels, const Picture& picture,
                              const Preprocess& options, const LensView& view,
                              const TensorInfo& input) {
  std::vector<std::byte> tensor(bytes_of(input), std::byte{0xab});
  auto preprocessor = Preprocessor::create(options, input, view, kernels);
  EXPECT_TRUE(preprocessor.ok()) << preprocessor.status().to_string();
  const auto placed = preprocessor->fill(picture, tensor);
  EXPECT_TRUE(placed.ok()) << placed.status().to_string();
  return tensor;
}

TEST(ThroughALens, EveryInstructionSetGivesTheReferencesBits) {
  std::mt19937 random(4);
  // Without resizing, smaller, larger, far apart, pictures narrower than a window, a line.
  constexpr int kSizes[][4] = {{34, 20, 34, 20},   {96, 64, 48, 32},  {40, 22, 80, 44},
                               {640, 30, 41, 9},   {4, 4, 35, 3},     {6, 4, 5, 7},
                               {322, 240, 50, 50}, {100, 100, 65, 37}};
  for (const auto& size : kSizes) {
    for (const PixelFormat format : kFormats) {
      for (int round = 0; round < 9; ++round) {
        const Noise n = noise(format, size[0], size[1], random() % 3 * 5, random);
        const Preprocess options = round == 0 ? Preprocess{} : random_options(random);
        const TensorInfo input = random_input(random, size[2], size[3]);
        const LensView view = views(size[0], size[1])[static_cast<size_t>(round % 3)];
        std::vector<std::byte> wanted(bytes_of(input), std::byte{0xcd});
        ASSERT_TRUE(fill_tensor_reference(n.picture, options, input, view, wanted).ok());
        for (const RowKernels* kernels : row_kernels()) {
          const auto tensor = filled(*kernels, n.picture, options, view, input);
          const auto [got, want] = std::mismatch(tensor.begin(), tensor.end(), wanted.begin());
          ASSERT_EQ(got, tensor.end())
              << kernels->name << ": " << described(n.picture, options, input) << ", lens "
              << round % 3 << ", byte " << got - tensor.begin() << ": "
              << std::to_integer<int>(*got) << ", not " << std::to_integer<int>(*want);
        }
      }
    }
  }
}

// A lens that bends nothing is no lens, but for 8 bits of weights that become 6.
TEST(ThroughALens, WithoutDistortionItIsTheResizedPicture) {
  std::mt19937 random(6);
  const LensView none{{Lens::Model::kPinhole, 100, 90, 31.3, 22.8, {}}, 0, 0, 1};
  for (const PixelFormat format : {PixelFormat::kRgb, PixelFormat::kBgrx, PixelFormat::kGrey}) {
    const Noise n = noise(format, 64, 48, 0, random);
    for (int round = 0; round < 20; ++round) {
      const Preprocess options = random_options(random);
      TensorInfo input = input_of(DType::kUInt8, 32, 40, 3, false);
      Preprocess plain = options;
      plain.normalize = false;
      const auto got = filled(*row_kernels().front(), n.picture, plain, none, input);
      std::vector<std::byte> wanted(bytes_of(input));
      ASSERT_TRUE(fill_tensor_reference(n.picture, plain, input, wanted).ok());
      for (size_t i = 0; i < got.size(); ++i) {
        ASSERT_NEAR(std::to_integer<int>(got[i]), std::to_integer<int>(wanted[i]), 5)
            << "255 levels in 1/64 of a pixel, in both directions";
      }
    }
  }
}

TEST(ThroughALens, WhatNobodySawIsBlack) {
  const std::vector<uint8_t> white(packed_bytes(PixelFormat::kNv12, 64, 48).value(), 235);
  Picture picture = packed_picture(PixelFormat::kNv12, 64, 48, white).value();
  const LensView view{{Lens::Model::kPinhole, 60, 60, 31.5, 23.5, {0.4}}, 0, 0, 0.5};
  TensorInfo input = input_of(DType::kUInt8, 32, 24, 1, false);
  for (const ColorSpace color : {ColorSpace::kBt601, ColorSpace::kBt709Full}) {
    picture.color = color;
    const auto tensor = filled(*row_kernels().front(), picture, {}, view, input);
    EXPECT_EQ(std::to_integer<int>(tensor[0]), 0);
    EXPECT_EQ(std::to_integer<int>(tensor.back()), 0);
    EXPECT_GT(std::to_integer<int>(tensor[12 * 32 + 16]), 100);
  }
}

TEST(ThroughALens, SaysWhatDoesNotFitAndGoesOn) {
  std::mt19937 random(2);
  const TensorInfo input = input_of(DType::kUInt8, 16, 16, 3, false);
  LensView view = views(64, 48)[0];
  view.width = 1280;
  view.height = 720;
  auto preprocessor = Preprocessor::create({}, input, view);
  ASSERT_TRUE(preprocessor.ok());
  std::vector<std::byte> tensor(bytes_of(input));
  const Noise bad = noise(PixelFormat::kRgb, 64, 48, 0, random);
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(preprocessor->fill(bad.picture, tensor).status().message(),
                HasSubstr("has another aspect ratio"));
  }
  const Noise good = noise(PixelFormat::kRgb, 128, 72, 0, random);
  EXPECT_TRUE(preprocessor->fill(good.picture, tensor).ok());
  view = {{Lens::Model::kPinhole, 60, 60, 1e6, 20, {-1e4}}, 0, 0, 1};
  EXPECT_THAT(Preprocessor::create({}, input, view)->fill(good.picture, tensor).status().message(),
              HasSubstr("the camera saw nothing of what"));
}

}  // namespace
}  // namespace inferd::media

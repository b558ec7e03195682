// SPDX-License-Identifier: Apache-2.0
//
// A photo straight through a lens into a model's input, beside the two steps that it stands for: a
// straight picture first, of which the tensor is made. Those blend four pixels twice and so blur a
// little more; how much that is on photos is what is measured here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <numeric>
#include <vector>

#include "media/preprocessor.h"
#include "media/undistorter.h"

namespace inferd::media {
namespace {

namespace fs = std::filesystem;

struct Named {
  const char* name;
  LensView view;
};
std::vector<Named> views(int width, int height) {
  const double w = width, cx = width / 2.0 - 3.5, cy = height / 2.0 + 2.25;
  return {
      {"pinhole",
       {{Lens::Model::kPinhole, 0.7 * w, 0.7 * w, cx, cy, {-0.28, 0.09, 0.0012, -0.0008, -0.015}},
        width,
        height,
        1}},
      {"rational",
       {{Lens::Model::kPinhole,
         0.7 * w,
         0.7 * w,
         cx,
         cy,
         {0.4, 0.06, -0.0005, 0.001, 0.002, 0.72, 0.15, 0.01}},
        0,
        0,
        1}},
      {"fisheye",
       {{Lens::Model::kFisheye, 0.45 * w, 0.45 * w, cx, cy, {-0.02, 0.008, -0.004, 0.0006}},
        0,
        0,
        0.8}}};
}

uint8_t byte_of(double value) {
  return static_cast<uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
}

// A photo as a camera of that format gives it: Y, U and V of BT.601 with a full range, of groups
// the mean.
std::vector<uint8_t> as_format(const Image& image, PixelFormat format) {
  const int width = image.width, height = image.height;
  std::vector<uint8_t> bytes(packed_bytes(format, width, height).value());
  const auto yuv = [&](int x, int y, int c) {
    const uint8_t* p = image.row(y) + 3 * x;
    const double luma = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
    return c == 0 ? luma : c == 1 ? 128 + (p[2] - luma) / 1.772 : 128 + (p[0] - luma) / 1.402;
  };
  const auto size = static_cast<size_t>(width) * static_cast<size_t>(height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const auto at = static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x);
      if (format == PixelFormat::kGrey) bytes[at] = byte_of(yuv(x, y, 0));
      if (format == PixelFormat::kYuyv) {
        bytes[2 * at] = byte_of(yuv(x, y, 0));
        const int c = 1 + x % 2;
        bytes[2 * at + 1] = byte_of((yuv(x & ~1, y, c) + yuv(x | 1, y, c)) / 2);
      }
      if (format == PixelFormat::kNv12) {
        bytes[at] = byte_of(yuv(x, y, 0));
        if (y % 2 != 0) continue;
        const int c = 1 + x % 2, left = x & ~1;
        bytes[size + at / static_cast<size_t>(2 * width) * static_cast<size_t>(width) +
              static_cast<size_t>(x)] = byte_of((yuv(left, y, c) + yuv(left + 1, y, c) +
                                                 yuv(left, y + 1, c) + yuv(left + 1, y + 1, c)) /
                                                4);
      }
      for (size_t c = 0; format == PixelFormat::kRgb && c < 3; ++c)
        bytes[3 * at + c] = image.row(y)[3 * x + static_cast<int>(c)];
    }
  }
  return bytes;
}

std::vector<std::byte> filled(Result<Preprocessor> preprocessor, const Picture& picture,
                              size_t bytes) {
  std::vector<std::byte> tensor(bytes);
  EXPECT_TRUE(preprocessor.ok()) << preprocessor.status().to_string();
  const auto placed = preprocessor->fill(picture, tensor);
  EXPECT_TRUE(placed.ok()) << placed.status().to_string();
  return tensor;
}

// Differences in levels of 255, sorted.
struct Apart {
  double mean = 0;
  int most_of_all = 0, of_99_percent = 0;
};
Apart apart(const std::vector<std::byte>& a, const std::vector<std::byte>& b) {
  std::vector<int> all;
  for (size_t i = 0; i < a.size(); ++i)
    all.push_back(std::abs(std::to_integer<int>(a[i]) - std::to_integer<int>(b[i])));
  std::sort(all.begin(), all.end());
  const auto count = static_cast<double>(all.size());
  return {std::accumulate(all.begin(), all.end(), 0.0) / count, all.back(),
          all[all.size() * 99 / 100]};
}

class ThroughALens : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(INFERD_TEST_MODELS "/images")) GTEST_SKIP() << "SKIPPED: no photos";
  }
};

TEST_F(ThroughALens, ItIsNearTheStraightPictureResized) {
  Apart worst;
  for (const char* name : {"street_0.jpg", "street_1.jpg", "dog.jpg", "cat_720p.jpg", "bus.jpg"}) {
    auto image = read_image(std::string(INFERD_TEST_MODELS "/images/") + name);
    ASSERT_TRUE(image.ok()) << image.status().to_string();
    for (const PixelFormat format :
         {PixelFormat::kRgb, PixelFormat::kGrey, PixelFormat::kYuyv, PixelFormat::kNv12}) {
      Image even = *image;
      const Picture whole = view_of(*image);
      to_rgb(crop(whole, 0, 0, whole.width & ~1, whole.height & ~1), even);
      const auto bytes = as_format(even, format);
      Picture picture = packed_picture(format, even.width, even.height, bytes).value();
      picture.color = ColorSpace::kBt601Full;
      for (const Named& lens : views(even.width, even.height)) {
        for (const int side : {160, 320}) {
          const TensorInfo input{"x", DType::kUInt8, {1, side, side, 3}, {}};
          Preprocess options;
          options.fit = Fit::kLetterbox;
          std::vector<uint8_t> storage;
          const auto straight = Undistorter(lens.view).undistort(picture, storage);
          ASSERT_TRUE(straight.ok()) << straight.status().to_string();
          const size_t size = static_cast<size_t>(side) * static_cast<size_t>(side) * 3;
          const auto two = filled(Preprocessor::create(options, input), *straight, size);
          const auto one = filled(Preprocessor::create(options, input, lens.view), picture, size);
          const Apart a = apart(one, two);
          SCOPED_TRACE(std::string(name) + " " + pixel_format_name(format) + " " + lens.name);
          EXPECT_LT(a.mean, 2.5);
          EXPECT_LT(a.of_99_percent, 25);
          worst = {std::max(worst.mean, a.mean), std::max(worst.most_of_all, a.most_of_all),
                   std::max(worst.of_99_percent, a.of_99_percent)};
        }
      }
    }
  }
  std::cout << "apart by up to " << worst.mean << " levels on the mean of a picture, "
            << worst.of_99_percent << " for 99 of 100 elements, " << worst.most_of_all
            << " at worst\n";
}

}  // namespace
}  // namespace inferd::media

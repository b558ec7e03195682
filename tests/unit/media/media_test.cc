// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>

#include "media/file.h"
#include "media/image.h"
#include "media/npy.h"
#include "media/preprocess.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::media {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Image gradient(int width, int height) {
  Image image{width, height,
              std::vector<uint8_t>(static_cast<size_t>(width) * static_cast<size_t>(height) * 3)};
  for (size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<uint8_t>(i * 7 % 256);
  return image;
}

std::vector<uint8_t> bmp_of(const Image& image) {
  const size_t stride = (static_cast<size_t>(image.width) * 3 + 3) / 4 * 4;
  std::vector<uint8_t> bytes(54 + stride * static_cast<size_t>(image.height), 0);
  const auto put = [&](size_t at, uint32_t value) { std::memcpy(bytes.data() + at, &value, 4); };
  bytes[0] = 'B';
  bytes[1] = 'M';
  put(10, 54);
  put(18, static_cast<uint32_t>(image.width));
  put(22, static_cast<uint32_t>(image.height));
  bytes[26] = 1;
  bytes[28] = 24;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      for (size_t c = 0; c < 3; ++c) {
        bytes[54 + stride * static_cast<size_t>(image.height - 1 - y) + static_cast<size_t>(x) * 3 +
              2 - c] = image.row(y)[static_cast<size_t>(x) * 3 + c];
      }
    }
  }
  return bytes;
}

TEST(Codec, PngAndBmpAreLossless) {
  const Image image = gradient(13, 7);
  const TemporaryFolder folder;
  const std::string path = folder.file("lossless.png");
  ASSERT_TRUE(write_image(path, image).ok());
  const auto png = read_image(path);
  ASSERT_TRUE(png.ok()) << png.status().to_string();
  EXPECT_EQ(png->pixels, image.pixels);
  const auto bmp = decode_image(bmp_of(image));
  ASSERT_TRUE(bmp.ok()) << bmp.status().to_string();
  EXPECT_EQ(bmp->pixels, image.pixels);
}

// The same picture in every format that is read.
std::map<std::string, std::vector<uint8_t>> encoded(const Image& image) {
  const TemporaryFolder folder;
  std::map<std::string, std::vector<uint8_t>> files = {{"bmp", bmp_of(image)}};
  for (const std::string extension : {"png", "jpg"}) {
    const std::string path = folder.file("picture." + extension);
    EXPECT_TRUE(write_image(path, image).ok());
    const auto bytes = read_file(path);
    EXPECT_TRUE(bytes.ok()) << bytes.status().to_string();
    if (bytes.ok()) files[extension] = *bytes;
  }
  return files;
}

TEST(Codec, TruncatedPicturesAreRefused) {
  for (const auto& [format, whole] : encoded(gradient(40, 30))) {
    ASSERT_TRUE(decode_image(whole).ok()) << format;
    // The last two bytes of a JPEG only say that it ends; PNG's last chunk, without content, says
    // the same in twelve.
    const size_t end_mark = format == "png" ? 12 : format == "jpg" ? 2 : 0;
    for (size_t length = 0; length + end_mark < whole.size(); ++length) {
      const Status status = decode_image(std::span(whole).first(length)).status();
      EXPECT_FALSE(status.ok()) << format << ": " << length << " of " << whole.size();
      EXPECT_FALSE(status.message().empty());
    }
  }
}

TEST(Codec, FlippedBitsNeverCrash) {
  std::mt19937 random(3);
  for (const auto& [format, whole] : encoded(gradient(24, 24))) {
    for (int round = 0; round < 500; ++round) {
      std::vector<uint8_t> damaged = whole;
      for (int i = 0; i < 4; ++i)
        damaged[random() % damaged.size()] ^= static_cast<uint8_t>(1U << (random() % 8));
      const auto image = decode_image(damaged);
      if (!image.ok()) continue;
      EXPECT_EQ(image->pixels.size(),
                static_cast<size_t>(image->width) * static_cast<size_t>(image->height) * 3)
          << format;
    }
  }
}

// PNG guards every chunk with a checksum: a changed pixel is never shown. (What does not touch the
// pixels, such as a remark on the colour space, may be ignored.)
TEST(Codec, DamagedPngShowsNothingElse) {
  const Image image = gradient(24, 24);
  const std::vector<uint8_t> whole = encoded(image).at("png");
  int refused = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    std::vector<uint8_t> damaged = whole;
    damaged[at] ^= 0x10;
    const auto shown = decode_image(damaged);
    refused += shown.ok() ? 0 : 1;
    if (!shown.ok()) continue;
    EXPECT_EQ(shown->pixels, image.pixels) << "byte " << at;
  }
  EXPECT_GT(refused, 60) << "of " << whole.size();
}

TEST(Codec, HugePicturesAreRefusedBeforeDecoding) {
  std::vector<uint8_t> bmp = bmp_of(gradient(2, 2));
  const uint32_t huge = 60'000;
  std::memcpy(bmp.data() + 18, &huge, 4);
  std::memcpy(bmp.data() + 22, &huge, 4);
  EXPECT_EQ(decode_image(bmp).status().code(), StatusCode::kResourceExhausted);
}

TEST(Npy, EveryTypeSurvives) {
  const TemporaryFolder folder;
  for (DType dtype : {DType::kFloat32, DType::kFloat16, DType::kFloat64, DType::kInt8,
                      DType::kUInt8, DType::kInt16, DType::kUInt16, DType::kInt32, DType::kUInt32,
                      DType::kInt64, DType::kUInt64, DType::kBool}) {
    for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 3}, Shape{0, 4}}) {
      std::vector<std::byte> data(static_cast<size_t>(shape.elements()) * dtype_size(dtype));
      for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>(i);
      const std::string path = folder.file("array.npy");
      ASSERT_TRUE(write_npy(path, {dtype, shape, data}).ok());
      const auto array = read_npy(path);
      ASSERT_TRUE(array.ok()) << array.status().to_string();
      EXPECT_EQ(array->dtype, dtype);
      EXPECT_EQ(array->shape, shape);
      EXPECT_EQ(array->data, data);
    }
  }
}

TEST(Npy, DamageIsRefused) {
  const TemporaryFolder folder;
  const std::string path = folder.file("damage.npy");
  const std::vector<float> values(6, 1.F);
  ASSERT_TRUE(write_npy(path, {DType::kFloat32, {2, 3}, std::as_bytes(std::span(values))}).ok());
  const auto bytes = read_file(path);
  ASSERT_TRUE(bytes.ok());
  const auto whole = std::as_bytes(std::span(*bytes));
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_FALSE(parse_npy(whole.first(length)).ok());
  std::string text(bytes->begin(), bytes->end());
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string copy = text;
    copy.replace(copy.find(from), from.size(), to);
    return parse_npy(std::as_bytes(std::span(copy))).status().message();
  };
  EXPECT_THAT(changed("<f4", ">f4"), HasSubstr("'>f4' is not supported"));
  EXPECT_THAT(changed("False", "True "), HasSubstr("column-major"));
  EXPECT_THAT(changed("(2, 3)", "(-2,3)"), HasSubstr("'-2' is not a dimension"));
  EXPECT_THAT(changed("(2, 3)", "(9, 9)"), HasSubstr("24 bytes of data, [9,9] needs 324"));
}

TEST(Preprocess, SpecificationsAreParsedOrRefusedClearly) {
  const auto p = parse_preprocess("letterbox,bgr,mean=127.5,std=1/2/4,pad=7");
  ASSERT_TRUE(p.ok()) << p.status().to_string();
  EXPECT_EQ(p->fit, Fit::kLetterbox);
  EXPECT_TRUE(p->bgr && p->normalize);
  EXPECT_THAT(p->mean, ElementsAre(127.5F, 127.5F, 127.5F));
  EXPECT_THAT(p->std, ElementsAre(1.F, 2.F, 4.F));
  EXPECT_EQ(p->pad_value, 7);
  EXPECT_THAT(parse_preprocess("letterbx").status().message(), HasSubstr("'letterbx' is none of"));
  EXPECT_THAT(parse_preprocess("mean=1/2").status().message(), HasSubstr("one value or three"));
  EXPECT_THAT(parse_preprocess("std=0").status().message(), HasSubstr("must not be 0"));
}

TEST(Preprocess, TypesAndLayouts) {
  const Image red{2, 2, {200, 10, 30, 200, 10, 30, 200, 10, 30, 200, 10, 30}};
  std::vector<std::byte> bytes(12);
  ASSERT_TRUE(fill_tensor(red, {}, {"x", DType::kUInt8, {1, 2, 2, 3}, {}}, bytes).ok());
  EXPECT_EQ(std::to_integer<int>(bytes[0]), 200);
  ASSERT_TRUE(fill_tensor(red, {}, {"x", DType::kInt8, {1, 2, 2, 3}, {}}, bytes).ok());
  EXPECT_EQ(static_cast<int8_t>(bytes[0]), 72) << "minus 128";
  std::vector<std::byte> floats(48);
  Preprocess p;
  p.normalize = true;
  p.mean.fill(100);
  p.std.fill(10);
  p.bgr = true;
  ASSERT_TRUE(fill_tensor(red, p, {"x", DType::kFloat32, {1, 3, 2, 2}, {}}, floats).ok());
  const auto* planes = reinterpret_cast<const float*>(floats.data());
  EXPECT_FLOAT_EQ(planes[0], -7);  // blue
  EXPECT_FLOAT_EQ(planes[4], -9);  // green
  EXPECT_FLOAT_EQ(planes[8], 10);  // red
  EXPECT_FALSE(fill_tensor(red, p, {"x", DType::kFloat32, {1, 3, 2, 2}, {}}, bytes).ok())
      << "too few bytes";
}

TEST(Preprocess, LetterboxCentresAndMapsBack) {
  const Image wide = gradient(8, 4);
  Preprocess p;
  p.fit = Fit::kLetterbox;
  p.pad_value = 9;
  std::vector<std::byte> bytes(8 * 8 * 3);
  const auto placement = fill_tensor(wide, p, {"x", DType::kUInt8, {1, 8, 8, 3}, {}}, bytes);
  ASSERT_TRUE(placement.ok());
  EXPECT_EQ(std::to_integer<int>(bytes[0]), 9);
  EXPECT_EQ(std::memcmp(bytes.data() + 2 * 8 * 3, wide.pixels.data(), wide.pixels.size()), 0)
      << "unscaled rows 2..5";
  EXPECT_FLOAT_EQ(placement->offset_y, 0.25F);
  EXPECT_FLOAT_EQ(placement->scale_y, 0.5F);
  EXPECT_FLOAT_EQ(placement->scale_x, 1.F);
}

}  // namespace
}  // namespace inferd::media

// SPDX-License-Identifier: Apache-2.0
//
// Pictures of a stream cost no memory: every operator new of the process is counted.
#include <gtest/gtest.h>

#include "media/preprocessor.h"
#include "tests/unit/counting_new.h"

namespace inferd::media {
namespace {

TEST(Preprocessor, AllocatesNothingForAPictureLikeTheOneBefore) {
  const std::vector<uint8_t> bytes(64 * 48 * 4, 90);
  for (const PixelFormat format : {PixelFormat::kBgrx, PixelFormat::kNv12, PixelFormat::kYuyv}) {
    for (const int rotate : {0, 90}) {
      Preprocess options;
      options.fit = Fit::kLetterbox;
      options.normalize = true;
      options.rotate = rotate;
      auto preprocessor = Preprocessor::create(options, {"x", DType::kFloat32, {1, 40, 50, 3}, {}});
      ASSERT_TRUE(preprocessor.ok());
      const Picture picture = packed_picture(format, 64, 48, bytes).value();
      std::vector<std::byte> tensor(size_t{40} * 50 * 3 * 4);
      ASSERT_TRUE(preprocessor->fill(picture, tensor).ok());
      const uint64_t before = g_allocations.load();
      const bool filled = preprocessor->fill(picture, tensor).ok();
      EXPECT_EQ(g_allocations.load() - before, 0U) << pixel_format_name(format);
      EXPECT_TRUE(filled);
    }
  }
}

TEST(ThroughALens, APictureLikeTheOneBeforeCostsNoAllocation) {
  const LensView view{{Lens::Model::kPinhole, 40, 40, 31, 25, {-0.3, 0.1}}, 0, 0, 0.8};
  std::vector<uint8_t> bytes(64 * 48 * 4);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 7 + i / 64);
  for (const PixelFormat format : {PixelFormat::kBgrx, PixelFormat::kNv12, PixelFormat::kYuyv}) {
    Preprocess options;
    options.rotate = 90;
    const TensorInfo input{"x", DType::kUInt8, {1, 40, 50, 3}, {}};
    auto preprocessor = Preprocessor::create(options, input, view);
    ASSERT_TRUE(preprocessor.ok());
    const Picture picture = packed_picture(format, 64, 48, bytes).value();
    const Picture apart = strided_picture(format, 32, 24, picture.strides[0], bytes).value();
    std::vector<std::byte> tensor(size_t{40} * 50 * 3), other(tensor.size());
    ASSERT_TRUE(preprocessor->fill(crop(picture, 0, 0, 32, 24), tensor).ok());
    const uint64_t before = g_allocations.load();
    const bool filled = preprocessor->fill(apart, other).ok();
    EXPECT_EQ(g_allocations.load() - before, 0U) << pixel_format_name(format);
    EXPECT_TRUE(filled);
  }
}

}  // namespace
}  // namespace inferd::media

// SPDX-License-Identifier: Apache-2.0
//
// MediaPipe's selfie segmentation, which has an operator of MediaPipe's own that the official
// runtime does not know: a portrait's mask covers the person and not the room.
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>

#include "media/preprocess.h"
#include "tests/models/compare.h"

namespace inferd {
namespace {

namespace fs = std::filesystem;

TEST(SegmentPerson, ThePortraitIsThePerson) {
  const fs::path photo = fs::path(INFERD_TEST_MODELS) / "images/grace_hopper.bmp";
  const fs::path model = fs::path(INFERD_TEST_CACHE) /
                         "node_modules/@mediapipe/selfie_segmentation/selfie_segmentation.tflite";
  if (!fs::exists(photo) || !fs::exists(model)) {
    GTEST_SKIP() << "SKIPPED: needs " << photo << " and scripts/fetch-test-data.sh";
  }
  const auto image = media::read_image(photo);
  ASSERT_TRUE(image.ok()) << image.status().to_string();
  constexpr int kSide = 256;
  const TensorInfo info{"x", DType::kFloat32, {1, kSide, kSide, 3}, {}};
  media::Array input{info.dtype, info.shape, std::vector<std::byte>(kSide * kSide * 3 * 4)};
  media::Preprocess options;
  options.normalize = true;
  options.std = {255, 255, 255};
  ASSERT_TRUE(media::fill_tensor(*image, options, info, input.data).ok());
  const auto outputs = run_model(model, {input});
  ASSERT_TRUE(outputs.ok()) << outputs.status().to_string();
  ASSERT_EQ((*outputs)[0].shape, (Shape{1, kSide, kSide, 1}));
  const auto mask = (*outputs)[0].view().as<float>();
  const auto at = [&](int y, int x) { return mask[static_cast<size_t>(y * kSide + x)]; };
  double covered = 0;
  for (float person : mask) covered += person > 0.5F ? 1 : 0;
  covered /= kSide * kSide;
  std::cout << "  face " << at(80, 128) << ", chest " << at(220, 128) << ", corners " << at(5, 5)
            << " " << at(5, 250) << ", covered " << covered << "\n";
  EXPECT_GT(at(80, 128), 0.95F);
  EXPECT_GT(at(220, 128), 0.95F);
  EXPECT_LT(at(5, 5), 0.05F);
  EXPECT_LT(at(5, 250), 0.05F);
  EXPECT_GT(covered, 0.3);
  EXPECT_LT(covered, 0.8);
}

}  // namespace
}  // namespace inferd

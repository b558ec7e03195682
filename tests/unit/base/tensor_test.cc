// SPDX-License-Identifier: Apache-2.0
#include "inferd/engine/tensor.h"

#include <gtest/gtest.h>

#include <limits>

#include "engine/base/checked.h"

namespace inferd {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

TEST(Checked, MultipliesAndAddsUpToTheLimit) {
  int64_t out = 0;
  EXPECT_TRUE(checked_mul(kMax / 2, 2, &out));
  EXPECT_EQ(out, kMax - 1);
  EXPECT_FALSE(checked_mul(kMax / 2 + 1, 2, &out));
  EXPECT_FALSE(checked_mul(int64_t{1} << 32, int64_t{1} << 31, &out));
  EXPECT_TRUE(checked_add(kMax - 1, 1, &out));
  EXPECT_EQ(out, kMax);
  EXPECT_FALSE(checked_add(kMax, 1, &out));
  EXPECT_FALSE(checked_add(std::numeric_limits<int64_t>::min(), -1, &out));
}

TEST(Shape, ElementsAndText) {
  const Shape scalar;
  EXPECT_EQ(scalar.rank(), 0);
  EXPECT_EQ(scalar.elements(), 1);
  EXPECT_EQ(scalar.to_string(), "[]");
  const Shape image{1, 224, 200, 3};
  EXPECT_EQ(image.elements(), 134400);
  EXPECT_EQ(image.elements(1, 3), 44800);
  EXPECT_EQ(image.back(), 3);
  EXPECT_EQ(image.to_string(), "[1,224,200,3]");
  EXPECT_TRUE(image.is_static());
  const Shape dynamic{kDynamicDim, 3};
  EXPECT_FALSE(dynamic.is_static());
  EXPECT_EQ(dynamic.to_string(), "[?,3]");
}

TEST(Shape, Comparison) {
  EXPECT_EQ((Shape{2, 3}), (Shape{2, 3}));
  EXPECT_FALSE((Shape{2, 3}) == (Shape{2, 3, 1}));
  EXPECT_FALSE((Shape{2, 3}) == (Shape{3, 2}));
}

TEST(Shape, CheckedElementsRefusesWhatDoesNotFit) {
  EXPECT_EQ(*checked_elements(Shape{2, 3, 4}), 24);
  EXPECT_EQ(*checked_elements(Shape{}), 1);
  EXPECT_EQ(*checked_elements(Shape{4, 0, 4}), 0);
  EXPECT_FALSE(checked_elements(Shape{kDynamicDim, 3}).ok());
  EXPECT_FALSE(checked_elements(Shape{-5}).ok());
  const int64_t big = int64_t{1} << 32;
  const Result<int64_t> overflow = checked_elements(Shape{big, big});
  ASSERT_FALSE(overflow.ok());
  EXPECT_EQ(overflow.status().code(), StatusCode::kInvalidArgument);
  // A zero does not hide an overflow: partial products are taken elsewhere without checks.
  EXPECT_FALSE(checked_elements(Shape{0, big, big}).ok());
}

TEST(Shape, CheckedBytesRefusesWhatDoesNotFit) {
  EXPECT_EQ(*checked_bytes(DType::kFloat32, Shape{2, 3}), 24);
  EXPECT_EQ(*checked_bytes(DType::kInt8, Shape{kMax}), kMax);
  EXPECT_FALSE(checked_bytes(DType::kInt16, Shape{kMax}).ok());
}

TEST(DType, NamesAndSizesAgree) {
  for (int i = 0; i <= static_cast<int>(DType::kBool); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(dtype_from_name(dtype_name(dtype)), dtype);
  }
  EXPECT_EQ(dtype_from_name("FLOAT"), std::nullopt);
  EXPECT_EQ(dtype_name(DType::kFloat32), "FP32");
  EXPECT_EQ(dtype_size(DType::kFloat16), 2U);
  EXPECT_EQ(dtype_size(DType::kInt64), 8U);
  EXPECT_EQ(dtype_size(DType::kBool), 1U);
}

}  // namespace
}  // namespace inferd

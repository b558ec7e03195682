// SPDX-License-Identifier: Apache-2.0
#include "inferd/engine/tensor.h"

#include <gtest/gtest.h>

#include <cstdint>
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
  EXPECT_EQ(*checked_bytes(DType::kInt8, Shape{PTRDIFF_MAX}), PTRDIFF_MAX);
  EXPECT_FALSE(checked_bytes(DType::kInt16, Shape{PTRDIFF_MAX}).ok());
  EXPECT_FALSE(checked_bytes(DType::kInt16, Shape{kMax}).ok());
}

// 4 GiB: the size_t of a 32-bit machine counts them as none.
TEST(Shape, CheckedBytesRefusesWhatPointersDoNotReach) {
  const Result<int64_t> bytes = checked_bytes(DType::kFloat32, Shape{1 << 15, 1 << 15});
  if constexpr (sizeof(size_t) > 4) {
    EXPECT_EQ(*bytes, int64_t{1} << 32);
  } else {
    ASSERT_FALSE(bytes.ok());
    EXPECT_NE(bytes.status().message().find("4294967296 bytes, more than this machine can address"),
              std::string::npos)
        << bytes.status().message();
  }
}

TEST(CheckInputs, NoBytesAreNotFourGigabytes) {
  const TensorInfo image{"image", DType::kFloat32, {kDynamicDim, 1 << 15}, {}};
  const TensorView empty{DType::kFloat32, {1 << 15, 1 << 15}, {}};
  EXPECT_EQ(check_inputs(std::span(&image, 1), std::span(&empty, 1)).code(),
            StatusCode::kInvalidArgument);
}

template <typename T>
void expect_numbers(DType dtype, const std::vector<T>& values, const std::vector<double>& numbers) {
  const TensorView view{
      dtype, {static_cast<int64_t>(values.size())}, std::as_bytes(std::span(values))};
  EXPECT_EQ(to_numbers(view), numbers) << dtype_name(dtype);
}

TEST(Tensor, NumbersOfEveryType) {
  expect_numbers<float>(DType::kFloat32, {-1.5F, 2}, {-1.5, 2});
  expect_numbers<double>(DType::kFloat64, {-1.5, 2}, {-1.5, 2});
  expect_numbers<uint16_t>(DType::kFloat16, {0xBE00, 0x4000}, {-1.5, 2});
  expect_numbers<int8_t>(DType::kInt8, {-128, 127}, {-128, 127});
  expect_numbers<int16_t>(DType::kInt16, {-32768, 1}, {-32768, 1});
  expect_numbers<int32_t>(DType::kInt32, {INT32_MIN, 1}, {-2147483648.0, 1});
  expect_numbers<int64_t>(DType::kInt64, {-5, 1}, {-5, 1});
  expect_numbers<uint8_t>(DType::kUInt8, {255, 1}, {255, 1});
  expect_numbers<uint16_t>(DType::kUInt16, {65535, 1}, {65535, 1});
  expect_numbers<uint32_t>(DType::kUInt32, {UINT32_MAX, 1}, {4294967295.0, 1});
  expect_numbers<uint64_t>(DType::kUInt64, {7, 1}, {7, 1});
  expect_numbers<uint8_t>(DType::kBool, {0, 1}, {0, 1});
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

// SPDX-License-Identifier: Apache-2.0
#include "engine/base/float16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace inferd {
namespace {

// binary16 by its definition.
float value_of(uint16_t half) {
  const int exponent = (half >> 10) & 0x1F;
  const int mantissa = half & 0x3FF;
  const double magnitude =
      exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return static_cast<float>((half & 0x8000) != 0 ? -magnitude : magnitude);
}

constexpr uint16_t kInfinity = 0x7C00;

TEST(Float16, EveryFiniteValueIsExactAndComesBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    if ((half & 0x7C00) == 0x7C00) continue;
    const float value = half_to_float(half);
    ASSERT_EQ(value, value_of(half)) << bits;
    ASSERT_EQ(std::signbit(value), (half & 0x8000) != 0) << bits;
    ASSERT_EQ(float_to_half(value), half) << bits;
  }
}

TEST(Float16, RoundsToNearestHalfToEven) {
  for (uint16_t half = 0; half + 1 < kInfinity; ++half) {
    const auto next = static_cast<uint16_t>(half + 1);
    const float middle = (value_of(half) + value_of(next)) / 2;  // exact
    ASSERT_EQ(float_to_half(middle), half % 2 == 0 ? half : next) << half;
    ASSERT_EQ(float_to_half(std::nextafter(middle, 0.F)), half) << half;
    ASSERT_EQ(float_to_half(std::nextafter(middle, 1e6F)), next) << half;
    ASSERT_EQ(float_to_half(-middle), (half % 2 == 0 ? half : next) | 0x8000) << half;
  }
}

TEST(Float16, OverflowIsInfinityAndNanStaysNan) {
  EXPECT_EQ(float_to_half(65504.F), 0x7BFF);
  EXPECT_EQ(float_to_half(65519.996F), 0x7BFF);
  EXPECT_EQ(float_to_half(65520.F), kInfinity);
  EXPECT_EQ(float_to_half(1e30F), kInfinity);
  EXPECT_EQ(float_to_half(-std::numeric_limits<float>::infinity()), 0xFC00);
  EXPECT_EQ(half_to_float(kInfinity), std::numeric_limits<float>::infinity());
  EXPECT_EQ(float_to_half(std::numeric_limits<float>::min()), 0);
  EXPECT_TRUE(std::isnan(half_to_float(0x7E00)));
  EXPECT_TRUE(std::isnan(half_to_float(0x7C01)));
  EXPECT_TRUE(std::isnan(half_to_float(float_to_half(std::nanf("")))));
}

}  // namespace
}  // namespace inferd

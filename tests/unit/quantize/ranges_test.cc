// SPDX-License-Identifier: Apache-2.0
#include "engine/quantize/ranges.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace inferd::quantize {
namespace {

// Normally distributed, with one number far outside.
std::vector<float> with_outlier() {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.F, 1.F);
  std::vector<float> numbers(100'000);
  for (float& x : numbers) x = normal(random);
  numbers[17] = 60.F;
  return numbers;
}

Range chosen(CalibrationMethod method, std::span<const float> numbers) {
  Seen seen;
  seen.add(numbers);
  Histogram histogram(seen.range());
  histogram.add(numbers);
  return histogram.choose(method);
}

TEST(Levels, ZeroIsALevelAndTheRangeIsCovered) {
  for (const Range range : {Range{-1.F, 3.F}, Range{0.5F, 2.F}, Range{-7.F, -1.F}, Range{0, 6}}) {
    const Quantization q = levels_of(range);
    EXPECT_GE(q.zero_point(), -128);
    EXPECT_LE(q.zero_point(), 127);
    const Range all = covered(q);
    EXPECT_LE(all.min, range.min + q.scale() / 2);
    EXPECT_GE(all.max, range.max - q.scale() / 2);
  }
}

TEST(Levels, OfNothingButZero) { EXPECT_GT(levels_of({0.F, 0.F}).scale(), 0.F); }

TEST(Levels, AReluStartsAtTheLowestLevel) {
  const Quantization q = levels_of({0.F, 6.F});
  EXPECT_EQ(q.zero_point(), -128);
  EXPECT_FLOAT_EQ(q.scale(), 6.F / 255.F);
}

TEST(Seen, PassesOverWhatIsNoNumber) {
  Seen seen;
  EXPECT_TRUE(seen.empty());
  seen.add(std::vector{NAN, 2.F, std::numeric_limits<float>::infinity(), -1.F});
  EXPECT_FLOAT_EQ(seen.range().min, -1.F);
  EXPECT_FLOAT_EQ(seen.range().max, 2.F);
}

TEST(Seen, KnowsChannels) {
  Seen seen;
  seen.add_channels(std::vector{1.F, 10.F, 3.F, -10.F}, 2);
  EXPECT_FLOAT_EQ(seen.channel_max()[0], 3.F);
  EXPECT_FLOAT_EQ(seen.channel_max()[1], 10.F);
  EXPECT_FLOAT_EQ(seen.channel_mean()[0], 2.F);
  EXPECT_FLOAT_EQ(seen.channel_mean()[1], 0.F);
}

TEST(Histogram, MinMaxKeepsAnOutlierAndTheOthersCutItOff) {
  const std::vector<float> numbers = with_outlier();
  EXPECT_FLOAT_EQ(chosen(CalibrationMethod::kMinMax, numbers).max, 60.F);
  for (const CalibrationMethod method :
       {CalibrationMethod::kPercentile, CalibrationMethod::kEntropy}) {
    const Range range = chosen(method, numbers);
    EXPECT_LT(range.max, 40.F) << static_cast<int>(method);
    EXPECT_GT(range.max, 2.F) << static_cast<int>(method);
    EXPECT_LT(range.min, -2.F) << static_cast<int>(method);
  }
}

double mean_squared_error(std::span<const float> numbers, const Range& range) {
  const Quantization q = levels_of(range);
  double sum = 0;
  for (const float x : numbers) {
    const float level = std::clamp(
        std::nearbyint(x / q.scale()) + static_cast<float>(q.zero_point()), -128.F, 127.F);
    const double got = double{q.scale()} * (double{level} - q.zero_point());
    sum += (got - double{x}) * (got - double{x});
  }
  return sum / static_cast<double>(numbers.size());
}

TEST(Histogram, MseErrsLessThanMinMax) {
  const std::vector<float> numbers = with_outlier();
  EXPECT_LT(mean_squared_error(numbers, chosen(CalibrationMethod::kMse, numbers)),
            mean_squared_error(numbers, chosen(CalibrationMethod::kMinMax, numbers)));
}

TEST(Histogram, OneNumberIsItsOwnRange) {
  const std::vector<float> numbers(10, 3.F);
  for (const CalibrationMethod method :
       {CalibrationMethod::kPercentile, CalibrationMethod::kMse, CalibrationMethod::kEntropy}) {
    EXPECT_FLOAT_EQ(chosen(method, numbers).max, 3.F);
  }
}

}  // namespace
}  // namespace inferd::quantize

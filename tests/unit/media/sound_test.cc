// SPDX-License-Identifier: Apache-2.0
#include "media/sound.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>

#include "media/mfcc.h"
#include "media/reals.h"
#include "media/sound_tensor.h"

namespace inferd::media {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;
using ::testing::HasSubstr;
using ::testing::Pointwise;

struct Wav {
  uint32_t format = 1, channels = 1, rate = 16000, bits = 16;
  std::string samples;
};

std::string number(uint32_t value, size_t bytes) {
  return {reinterpret_cast<const char*>(&value), bytes};
}

std::vector<uint8_t> file_of(const Wav& wav) {
  const std::string format = number(wav.format, 2) + number(wav.channels, 2) + number(wav.rate, 4) +
                             number(0, 4) + number(0, 2) + number(wav.bits, 2);
  // A chunk of odd length between the two that count.
  const std::string chunks = "fmt " + number(16, 4) + format + "LIST" + number(3, 4) + "abc" +
                             std::string(1, '\0') + "data" +
                             number(static_cast<uint32_t>(wav.samples.size()), 4) + wav.samples;
  const std::string all = "RIFF" + number(static_cast<uint32_t>(chunks.size() + 4), 4) + "WAVE";
  std::vector<uint8_t> bytes(all.begin(), all.end());
  bytes.insert(bytes.end(), chunks.begin(), chunks.end());
  return bytes;
}

TEST(Wav, IntegersOfAllWidthsAndFloats) {
  const std::string half = number(0x3F000000, 4);  // 0.5F
  const std::pair<Wav, float> cases[] = {
      {{1, 1, 8000, 8, std::string(1, '\x40')}, -0.5F},
      {{1, 1, 8000, 16, number(0xC000, 2)}, -0.5F},
      {{1, 1, 8000, 24, number(0x400000, 3)}, 0.5F},
      {{1, 1, 8000, 32, number(0x80000000, 4)}, -1.F},
      {{3, 1, 8000, 32, half}, 0.5F},
  };
  for (const auto& [wav, expected] : cases) {
    const auto sound = decode_wav(file_of(wav));
    ASSERT_TRUE(sound.ok()) << sound.status().to_string();
    EXPECT_EQ(sound->rate, 8000);
    EXPECT_THAT(sound->samples, ElementsAre(FloatEq(expected)));
  }
}

TEST(Wav, ChannelsAreAveraged) {
  const auto sound =
      decode_wav(file_of({1, 2, 16000, 16, number(0x4000, 2) + number(0, 2) + number(0, 2)}));
  ASSERT_TRUE(sound.ok());
  EXPECT_THAT(sound->samples, ElementsAre(FloatEq(0.25F)));  // half a frame at the end goes
}

TEST(Wav, WhatIsNotOneIsRefused) {
  EXPECT_THAT(decode_wav({}).status().message(), HasSubstr("not a RIFF WAVE"));
  EXPECT_THAT(decode_wav(file_of({2, 1, 8000, 4, ""})).status().message(),
              HasSubstr("format 2 with 4 bits"));
  EXPECT_FALSE(decode_wav(file_of({1, 0, 8000, 16, ""})).ok());
  EXPECT_FALSE(decode_wav(file_of({1, 1, 0, 16, ""})).ok());
  const auto whole = file_of({1, 1, 8000, 16, number(0, 2)});
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_wav(std::span(whole).first(size)).ok()) << size;
  }
}

// Two tones and some noise, the same everywhere.
std::vector<float> tones(size_t count) {
  using std::numbers::pi;
  std::vector<float> samples(count);
  uint32_t state = 12345;
  for (size_t n = 0; n < count; ++n) {
    state = state * 1664525U + 1013904223U;
    const double t = static_cast<double>(n) / kKeywordRate;
    const double noise = static_cast<double>(state >> 16) / 65536 - 0.5;
    samples[n] = static_cast<float>(0.5 * std::sin(2 * pi * 440 * t) +
                                    0.25 * t * std::sin(2 * pi * 1250 * t) + 0.1 * noise);
  }
  return samples;
}

// One frame's coefficients; `expected` has four decimals.
void expect_frame(std::span<const float> features, size_t frame,
                  const std::vector<float>& expected) {
  for (size_t k = 0; k < kKeywordCoefficients; ++k) {
    EXPECT_NEAR(features[frame * kKeywordCoefficients + k], expected[k], 1e-4)
        << "frame " << frame << ", coefficient " << k;
  }
}

// Computed from the definition in mfcc.h with NumPy in double precision.
TEST(KeywordMfcc, IsWhatNumPyComputes) {
  const auto features = keyword_mfcc(tones(16000));
  expect_frame(features, 0,
               {3.6039F, -0.9297F, 0.9017F, -1.9295F, -2.5255F, -2.8156F, -0.5014F, 1.5222F,
                3.1769F, 1.0780F});
  expect_frame(features, 24,
               {5.0158F, -1.5500F, -0.6302F, -2.2382F, -1.5253F, -2.8698F, -2.2650F, 1.9020F,
                3.1840F, 0.5961F});
  expect_frame(features, 48,
               {5.6707F, -1.6433F, -2.2088F, -1.9565F, -1.3331F, -3.4613F, -2.1096F, 1.5305F,
                3.8448F, 1.0160F});
}

TEST(KeywordMfcc, WhatIsMissingIsSilence) {
  const auto features = keyword_mfcc(tones(8000));
  expect_frame(features, 24,
               {13.8186F, 2.9316F, 0.6256F, -1.1455F, -1.5403F, -3.6126F, -1.2728F, 2.3039F,
                1.7552F, -0.0471F});
  expect_frame(features, 48, {-123.5697F, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(keyword_mfcc({}), keyword_mfcc(std::vector<float>(16000)));
}

TEST(SoundTensor, TellsFeaturesByShapeAndChecksTheRate) {
  const Sound sound{16000, tones(16000)};
  const TensorInfo input{"x", DType::kInt8, {kDynamicDim, 49, 10, 1}, {{0.5F}, {83}, 0}};
  const auto tensor = sound_tensor(sound, input);
  ASSERT_TRUE(tensor.ok()) << tensor.status().to_string();
  EXPECT_EQ(tensor->shape, Shape({1, 49, 10, 1}));
  EXPECT_EQ(tensor->view().as<int8_t>()[0], 83 + 7);  // 3.6039 / 0.5
  EXPECT_THAT(sound_tensor({8000, {}}, input).status().message(), HasSubstr("resample"));
  TensorInfo other = input;
  other.shape = {1, 1960};
  EXPECT_THAT(sound_tensor(sound, other).status().message(), HasSubstr("[1,49,10,1]"));
}

TEST(Reals, RoundHalfToEvenAndClamp) {
  const TensorInfo input{"x", DType::kInt8, {1, 5}, {{0.5F}, {-3}, 0}};
  const float reals[] = {0.25F, 0.75F, 1000.F, -1000.F, std::numeric_limits<float>::quiet_NaN()};
  const auto array = array_of(reals, input);
  ASSERT_TRUE(array.ok()) << array.status().to_string();
  EXPECT_THAT(array->view().as<int8_t>(), ElementsAre(-3, -1, 127, -128, -128));
  const std::vector<float> expected = {0.F, 1.F, 65.F, -62.5F, -62.5F};
  EXPECT_THAT(reals_of(array->view(), input.quantization), Pointwise(FloatEq(), expected));
}

TEST(Reals, OtherInputsAndOtherCountsAreRefused) {
  const float reals[] = {1, 2};
  EXPECT_FALSE(array_of(reals, {"x", DType::kInt8, {1, 2}, {}}).ok());
  EXPECT_FALSE(array_of(reals, {"x", DType::kInt32, {1, 2}, {{1.F}, {0}, 0}}).ok());
  EXPECT_FALSE(array_of(reals, {"x", DType::kFloat32, {1, 3}, {}}).ok());
}

}  // namespace
}  // namespace inferd::media

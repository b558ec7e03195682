// SPDX-License-Identifier: Apache-2.0
#include "media/features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <filesystem>
#include <numbers>

#include "media/mfcc.h"
#include "media/sound.h"

namespace inferd::media {
namespace {

using std::numbers::pi;
using ::testing::HasSubstr;

std::vector<float> noise(size_t count) {
  std::vector<float> samples(count);
  uint32_t state = 1;
  for (float& sample : samples) {
    state = state * 1664525U + 1013904223U;
    sample = static_cast<float>(state >> 16) / 32768 - 1;
  }
  return samples;
}

// Squares or magnitudes of the transform, as its definition has them, in double precision.
std::vector<double> spectrum(std::span<const float> frame, int points, int power) {
  std::vector<double> bins;
  for (int bin = 0; bin <= points / 2; ++bin) {
    std::complex<double> sum = 0;
    for (size_t n = 0; n < frame.size(); ++n) {
      const double window =
          0.5 - 0.5 * std::cos(2 * pi * static_cast<double>(n) / static_cast<double>(frame.size()));
      sum += std::polar(window * static_cast<double>(frame[n]),
                        -2 * pi * static_cast<double>(n) * bin / points);
    }
    bins.push_back(std::pow(std::abs(sum), power));
  }
  return bins;
}

TEST(Features, SpectrumIsItsDefinition) {
  // 150 is no power of two, and longer than the frame.
  const FeatureOptions options{.rate_hz = 1000, .frame = 100, .hop = 50, .points = 150, .power = 2};
  auto features = Features::create(options);
  ASSERT_TRUE(features.ok()) << features.status().to_string();
  ASSERT_EQ(features->width(), 76);
  const auto samples = noise(100);
  std::vector<float> out(76);
  features->compute(samples, out);
  const auto expected = spectrum(samples, 150, 2);
  for (size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], expected[i], 1e-4) << i;
}

// All of a sound's coefficients by the definition in mfcc.h.
std::vector<double> mlperf_mfcc(std::vector<float> samples) {
  samples.resize(16000);
  const float largest = *std::max_element(samples.begin(), samples.end());
  for (float& sample : samples) sample = largest > 0 ? sample / largest : sample;
  const auto mel = [](double hertz) { return 1127 * std::log(1 + hertz / 700); };
  std::vector<double> all;
  for (size_t at = 0; at + 480 <= samples.size(); at += 320) {
    const auto bins = spectrum(std::span(samples).subspan(at, 480), 512, 1);
    std::vector<double> logs;
    for (int band = 0; band < 40; ++band) {
      const double step = (mel(4000) - mel(20)) / 41;
      double sum = 0;
      for (size_t bin = 1; bin < bins.size(); ++bin) {
        const double at_peak = (mel(31.25 * static_cast<double>(bin)) - mel(20)) / step - band;
        sum += bins[bin] * std::max(0., std::min(at_peak, 2 - at_peak));
      }
      logs.push_back(std::log(sum + 1e-6));
    }
    for (int k = 0; k < 10; ++k) {
      double sum = 0;
      for (int j = 0; j < 40; ++j)
        sum += logs[static_cast<size_t>(j)] * std::cos(pi * k * (2 * j + 1) / 80);
      all.push_back(sum * 2 / std::sqrt(80));
    }
  }
  return all;
}

TEST(Features, KeywordMfccOfSpokenWords) {
  for (const char* name : {"yes_1000ms.wav", "no_1000ms.wav", "noise_1000ms.wav"}) {
    const std::string path = std::string(INFERD_TEST_MODELS) + "/audio/" + name;
    if (!std::filesystem::exists(path)) GTEST_SKIP() << "no test sounds: " << path;
    const auto sound = read_sound(path);
    ASSERT_TRUE(sound.ok()) << sound.status().to_string();
    const auto features = keyword_mfcc(sound->samples);
    const auto expected = mlperf_mfcc(sound->samples);
    for (size_t i = 0; i < features.size(); ++i)
      ASSERT_NEAR(features[i], expected[i], 1e-4) << name << " " << i;
  }
}

// The bands' peaks are those that librosa's documentation prints for mel_frequencies(n_mels=40).
TEST(Features, SlaneysBandsPeakWhereLibrosaSays) {
  const FeatureOptions options{.rate_hz = 22050,
                               .frame = 8192,
                               .hop = 8192,
                               .points = 8192,
                               .window = WindowShape::kRectangle,
                               .power = 2,
                               .bands = 38,
                               .low_hz = 0,
                               .high_hz = 11025,
                               .style = MelStyle::kLibrosa};
  auto features = Features::create(options);
  ASSERT_TRUE(features.ok()) << features.status().to_string();
  const std::pair<size_t, double> peaks[] = {{0, 85.317},    {1, 170.635},   {9, 853.174},
                                             {20, 2262.393}, {30, 5453.621}, {37, 10096.408}};
  for (const auto& [band, hertz] : peaks) {
    std::vector<float> tone(8192);
    for (size_t n = 0; n < tone.size(); ++n)
      tone[n] = static_cast<float>(std::sin(2 * pi * hertz * static_cast<double>(n) / 22050));
    std::vector<float> out(38);
    features->compute(tone, out);
    EXPECT_EQ(std::max_element(out.begin(), out.end()) - out.begin(),
              static_cast<std::ptrdiff_t>(band));
  }
}

// A constant density of power gives each band the same: their areas are 1.
TEST(Features, SlaneysBandsHaveTheSameArea) {
  const FeatureOptions options{.rate_hz = 16000,
                               .frame = 16384,
                               .hop = 1,
                               .points = 16384,
                               .window = WindowShape::kRectangle,
                               .bands = 32,
                               .low_hz = 0,
                               .high_hz = 8000,
                               .style = MelStyle::kLibrosa};
  auto features = Features::create(options);
  ASSERT_TRUE(features.ok());
  std::vector<float> impulse(16384);
  impulse[0] = 1;  // its magnitude is 1 at each frequency
  std::vector<float> out(32);
  features->compute(impulse, out);
  const double bins_per_hertz = 16384. / 16000;
  for (const float value : out) EXPECT_NEAR(value, bins_per_hertz, 0.01 * bins_per_hertz);
}

TEST(Features, Decibels) {
  for (const int power : {1, 2}) {
    auto features = Features::create({.rate_hz = 100,
                                      .frame = 4,
                                      .hop = 1,
                                      .points = 4,
                                      .window = WindowShape::kRectangle,
                                      .power = power,
                                      .log = LogKind::kDecibel,
                                      .offset = 0});
    ASSERT_TRUE(features.ok());
    std::vector<float> out(3);
    features->compute(std::vector<float>{10, 0, 0, 0}, out);
    for (const float value : out) EXPECT_FLOAT_EQ(value, 20);
  }
}

TEST(Features, CountsWholeFrames) {
  const auto features = Features::create({});
  ASSERT_TRUE(features.ok());
  EXPECT_EQ(features->frames(479), 0);
  EXPECT_EQ(features->frames(480), 1);
  EXPECT_EQ(features->frames(16000), 49);
}

TEST(Features, WrongOptionsAreNamed) {
  const auto message = [](const FeatureOptions& options) {
    return Features::create(options).status().message();
  };
  EXPECT_THAT(message({.rate_hz = 0}), HasSubstr("rate"));
  EXPECT_THAT(message({.rate_hz = std::nan("")}), HasSubstr("rate"));
  EXPECT_THAT(message({.points = 513}), HasSubstr("even"));
  EXPECT_THAT(message({.frame = 513}), HasSubstr("frame of 513"));
  EXPECT_THAT(message({.hop = 0}), HasSubstr("apart"));
  EXPECT_THAT(message({.power = 3}), HasSubstr("power"));
  EXPECT_THAT(message({.bands = 10, .high_hz = 9000}), HasSubstr("half the rate"));
  EXPECT_THAT(message({.bands = 10, .coefficients = 11}), HasSubstr("no more than 10"));
}

}  // namespace
}  // namespace inferd::media

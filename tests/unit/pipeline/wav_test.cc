// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <fstream>
#include <thread>

#include "tests/unit/pipeline/source_of.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

// 1,000 samples of 16 bits a second, two channels: i and -i + 2, so that their mean is 1.
void write_wav(const std::string& path, int moments) {
  std::string bytes;
  const auto number = [&](uint32_t value, int width) {
    for (int i = 0; i < width; ++i) bytes += static_cast<char>((value >> (8 * i)) & 0xFF);
  };
  const auto data = static_cast<uint32_t>(moments * 4);
  bytes += "RIFF";
  number(36 + data, 4);
  bytes += "WAVEfmt ";
  number(16, 4);
  number(1, 2);
  number(2, 2);
  number(1000, 4);
  number(4000, 4);
  number(4, 2);
  number(16, 2);
  bytes += "data";
  number(data, 4);
  for (int i = 0; i < moments; ++i) {
    number(static_cast<uint32_t>(i * 3), 2);
    number(static_cast<uint32_t>(-i), 2);
  }
  std::ofstream(path, std::ios::binary) << bytes;
}

TEST(Wav, GivesEverySampleOnceThenEnds) {
  const TemporaryFolder folder;
  write_wav(folder.file("a.wav"), 250);
  const auto source = source_of(
      node("wav", {{"path", folder.file("a.wav")}, {"chunk_ms", "100"}, {"live", "false"}}));
  EXPECT_FALSE(source->live());
  Stopper stopper;
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(source->open().ok());
    Frame frame;
    int moment = 0;
    for (const int rows : {100, 100, 50}) {
      ASSERT_TRUE(give(*source, stopper, frame));
      ASSERT_EQ(frame.samples.rows, rows);
      EXPECT_EQ(frame.samples.columns, 1);
      EXPECT_EQ(frame.samples.rate_hz, 1000);
      EXPECT_EQ(frame.name, "a.wav");
      for (const float value : frame.samples.values)
        ASSERT_FLOAT_EQ(value, static_cast<float>(moment++) / 32768.F);
    }
    EXPECT_FALSE(*source->next(stopper, frame));
  }
}

TEST(Wav, ChunksOfALiveOneAreAsFarApartAsTheyAreLong) {
  const TemporaryFolder folder;
  write_wav(folder.file("a.wav"), 25);
  const auto source = source_of(
      node("wav", {{"path", folder.file("a.wav")}, {"chunk_ms", "10"}, {"loop", "true"}}));
  EXPECT_TRUE(source->live());
  ASSERT_TRUE(source->open().ok());
  Stopper stopper;
  Frame frame;
  ASSERT_TRUE(give(*source, stopper, frame));
  const int64_t first = frame.capture_ns;
  int64_t moments = 0;
  for (int i = 0; i < 9; ++i) {
    ASSERT_TRUE(give(*source, stopper, frame));
    moments += frame.samples.rows;
    EXPECT_NEAR(static_cast<double>(frame.capture_ns - first), 1e6 * static_cast<double>(moments),
                2);
    EXPECT_LE(frame.capture_ns, schedule::now_ns());
  }
  EXPECT_EQ(moments, 10 + 5 + 10 + 10 + 5 + 10 + 10 + 5 + 10);
}

TEST(Wav, AWaitIsStopped) {
  const TemporaryFolder folder;
  write_wav(folder.file("a.wav"), 60'000);
  const auto source =
      source_of(node("wav", {{"path", folder.file("a.wav")}, {"chunk_ms", "60000"}}));
  ASSERT_TRUE(source->open().ok());
  Stopper stopper;
  std::thread other([&] { stopper.stop(); });
  Frame frame;
  const auto next = source->next(stopper, frame);
  other.join();
  EXPECT_FALSE(*next);
}

TEST(Wav, WhatIsNoSoundIsAnError) {
  const TemporaryFolder folder;
  write_wav(folder.file("empty.wav"), 0);
  const auto why = [&](const std::string& file) {
    return source_of(node("wav", {{"path", folder.file(file)}}))->open().message();
  };
  EXPECT_THAT(why("empty.wav"), HasSubstr("has no samples"));
  EXPECT_THAT(why("missing.wav"), HasSubstr("missing.wav"));
  EXPECT_THAT(refusal(node("wav")), HasSubstr("p.yaml:3:5: 'wav' needs 'path'"));
}

}  // namespace
}  // namespace inferd::pipeline

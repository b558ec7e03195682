// SPDX-License-Identifier: Apache-2.0
//
// The source `alsa` with a real libasound, whose devices are files.
#include <gmock/gmock.h>
#include <stdlib.h>

#include <fstream>
#include <thread>

#include "tests/unit/pipeline/source_of.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

class Alsa : public ::testing::Test {
 protected:
  Alsa() {
    // 16 bits: left counts up, right down.
    std::ofstream sound(folder_.file("sound.raw"), std::ios::binary);
    for (int16_t i = 0; i < 20'000; ++i) {
      const int16_t moment[] = {i, static_cast<int16_t>(-i)};
      sound.write(reinterpret_cast<const char*>(moment), sizeof moment);
    }
    std::ofstream(folder_.file("asoundrc"))
        << "pcm.nothing {type null}\n"
           "pcm.recorded {type file slave.pcm nothing file /dev/null format raw infile \""
        << folder_.file("sound.raw")
        << "\"}\n"
           "pcm.slow {type hw card 31}\n";
    ::setenv("ALSA_CONFIG_PATH", folder_.file("asoundrc").c_str(), 1);
  }
  ~Alsa() override { ::unsetenv("ALSA_CONFIG_PATH"); }

  static config::NodeConfig keys(std::map<std::string, std::string> keys) {
    return node("alsa", keys);
  }

  TemporaryFolder folder_;
};

TEST_F(Alsa, GivesChunksOfWhatTheDeviceHears) {
  const auto source = source_of(
      keys({{"device", "recorded"}, {"rate", "8000"}, {"channels", "2"}, {"chunk_ms", "50"}}));
  EXPECT_TRUE(source->live());
  Stopper stopper;
  for (int round = 0; round < 3; ++round) {
    const int64_t before = schedule::now_ns();
    const Status opened = source->open();
    ASSERT_TRUE(opened.ok()) << opened.to_string();
    Frame frame;
    int moment = 0;
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(give(*source, stopper, frame));
      ASSERT_EQ(frame.samples.rows, 400);
      ASSERT_EQ(frame.samples.columns, 2);
      EXPECT_EQ(frame.samples.rate_hz, 8000);
      EXPECT_LE(frame.capture_ns, schedule::now_ns());
      EXPECT_GT(frame.capture_ns, before - 1'000'000'000);
      for (size_t row = 0; row < 400; ++row, ++moment) {
        ASSERT_FLOAT_EQ(frame.samples.values[row * 2], static_cast<float>(moment) / 32768.F);
        ASSERT_FLOAT_EQ(frame.samples.values[row * 2 + 1], static_cast<float>(-moment) / 32768.F);
      }
    }
  }
}

TEST_F(Alsa, LosesNoFilesWhenOpenedAgain) {
  const auto source = source_of(keys({{"device", "recorded"}, {"channels", "2"}}));
  Stopper stopper;
  Frame frame;
  ptrdiff_t files = 0;
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(source->open().ok());
    ASSERT_TRUE(give(*source, stopper, frame));
    if (round == 0) files = open_files();
  }
  EXPECT_EQ(open_files(), files);
}

TEST_F(Alsa, SaysWhyThereIsNoSound) {
  const auto source = source_of(keys({{"device", "nobody"}}));
  EXPECT_THAT(source->open().message(), HasSubstr("'nobody': cannot open it: "));
  Stopper stopper;
  EXPECT_THAT(failure_of(*source, stopper), HasSubstr("not open"));
  EXPECT_FALSE(source_of(keys({{"device", "slow"}}))->open().ok());
  EXPECT_THAT(refusal(keys({{"rate", "1"}})), HasSubstr("p.yaml:4:7: 'rate' must be"));
}

TEST_F(Alsa, AStoppedSourceEnds) {
  const auto source = source_of(keys({{"device", "recorded"}, {"channels", "2"}}));
  ASSERT_TRUE(source->open().ok());
  Stopper stopper;
  stopper.stop();
  Frame frame;
  EXPECT_FALSE(*source->next(stopper, frame));
}

}  // namespace
}  // namespace inferd::pipeline

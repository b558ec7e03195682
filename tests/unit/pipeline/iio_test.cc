// SPDX-License-Identifier: Apache-2.0
//
// The source iio: a real libiio, and a server of sensors that it cannot tell from iiod.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "daemon/pipeline/feed.h"
#include "daemon/pipeline/sources/iio_clock.h"
#include "tests/unit/pipeline/kernel_device.h"
#include "tests/unit/pipeline/other_side.h"
#include "tests/unit/pipeline/source_of.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

config::NodeConfig iio_node(const std::map<std::string, std::string>& keys,
                            const std::vector<std::string>& channels = {}) {
  config::NodeConfig made = node("iio", keys);
  if (!channels.empty()) made.entries["channels"] = {channels, true, {"p.yaml", 5, 7}};
  return made;
}

// As a number of so many bits is read.
int bits_of(int value, int bits) {
  const int above = 32 - bits;
  return static_cast<int>(static_cast<uint32_t>(value) << above) >> above;
}

class Iio : public ::testing::Test {
 protected:
  Iio() { std::signal(SIGPIPE, SIG_IGN); }  // as the daemon does
  void SetUp() override {
    if (!has_program("python3")) GTEST_SKIP() << "THERE IS NO python3: NOTHING OF IIO IS TESTED";
  }

  // Until it listens.
  void start(const std::vector<std::string>& how = {}) {
    std::vector<std::string> words = {"python3",
                                      INFERD_SOURCE_DIR "/tests/integration/iio_server.py",
                                      std::to_string(port_), "--log", folder_.file("log")};
    words.insert(words.end(), how.begin(), how.end());
    server_.start(words);
    int fd = -1;
    ASSERT_TRUE(becomes_true([&] { return (fd = connect_to(port_)) >= 0; }));
    ::close(fd);
  }
  // What it was asked.
  std::string log() const { return text_of(folder_.file("log")); }

  config::NodeConfig keys(const std::string& device, std::map<std::string, std::string> more = {},
                          const std::vector<std::string>& channels = {}) const {
    more["device"] = device;
    more.try_emplace("context", "ip:127.0.0.1:" + std::to_string(port_));
    return iio_node(more, channels);
  }
  std::unique_ptr<Source> opened(const config::NodeConfig& config) {
    auto source = source_of(config);
    const Status status = source->open();
    EXPECT_TRUE(status.ok()) << status.to_string();
    return source;
  }
  std::string open_error(const config::NodeConfig& config) {
    return source_of(config)->open().message();
  }

  const TemporaryFolder folder_;
  const int port_ = free_port();
  Program server_;
  Stopper stopper_;
  Frame frame_;
};

TEST_F(Iio, GivesPhysicalUnitsOfEveryFormat) {
  start();
  const auto source = opened(keys("imu", {{"rate", "400"}, {"rows", "20"}}));
  EXPECT_TRUE(source->live());
  EXPECT_EQ(source->patience_ns(), 10'000'000'000);
  for (int i = 0; i < 200;) {
    ASSERT_TRUE(give(*source, stopper_, frame_));
    const Samples& s = frame_.samples;
    ASSERT_EQ(s.rows, 20);
    ASSERT_EQ(s.columns, 5);
    EXPECT_EQ(s.rate_hz, 400);
    ASSERT_THAT(*s.names, ElementsAre("accel_x", "accel_y", "voltage2", "voltage3", "temp"));
    for (size_t row = 0; row < 20; ++row, ++i) {
      const float* values = &s.values[row * 5];
      EXPECT_FLOAT_EQ(values[0], static_cast<float>(7 * i) * 0.5F);
      EXPECT_FLOAT_EQ(values[1], (static_cast<float>(bits_of(-3 * i, 12)) + 10) * 0.25F);
      EXPECT_FLOAT_EQ(values[2], static_cast<float>(4095 - i) * 2);
      EXPECT_FLOAT_EQ(values[3], static_cast<float>((100'003 * i) & 0xFFFFFF));
      EXPECT_FLOAT_EQ(values[4], (static_cast<float>(i - 500) - 2.5F) * 125);
    }
  }
  EXPECT_THAT(log(), HasSubstr("WRITE iio:device0 sampling_frequency"));
}

TEST_F(Iio, GivesTheChannelsThatAreNamedInTheirOrder) {
  start();
  const config::NodeConfig config = keys("iio:device0", {{"rows", "3"}}, {"temp", "accel_x"});
  const auto source = opened(config);
  ASSERT_TRUE(give(*source, stopper_, frame_));
  EXPECT_THAT(*frame_.samples.names, ElementsAre("temp", "accel_x"));
  EXPECT_EQ(frame_.samples.rate_hz, 100) << "which it had";
  EXPECT_THAT(frame_.samples.values,
              ElementsAre(-502.5F * 125, 0.F, -501.5F * 125, 3.5F, -500.5F * 125, 7.F));
  EXPECT_THAT(log(), Not(HasSubstr("sampling_frequency 4")));
  const Signal signal = signal_of(config);
  EXPECT_TRUE(signal.samples);
  EXPECT_EQ(signal.rows, 3);
  EXPECT_EQ(signal.columns, 2);
  EXPECT_EQ(signal_of(keys("imu")).columns, 0) << "nobody knows before it is open";
  EXPECT_EQ(signal_of(keys("imu")).rows, 1);
}

TEST_F(Iio, TakesTheTimeOfTheDevice) {
  constexpr int64_t kLate = 2'000'000'000;
  for (const bool only_realtime : {false, true}) {
    std::vector<std::string> how = {"--late-ms", "2000"};
    if (only_realtime) how.emplace_back("--only-realtime");
    start(how);
    const int64_t before = schedule::now_ns();
    const auto source = opened(keys("imu", {{"rate", "200"}, {"rows", "10"}}));
    int64_t last = 0;
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(give(*source, stopper_, frame_));
      EXPECT_GE(frame_.capture_ns, before - kLate);
      EXPECT_LE(frame_.capture_ns, schedule::now_ns() - kLate);
      // By realtime as far as both clocks can be read at once.
      if (last != 0 && !only_realtime) {
        EXPECT_NEAR(frame_.capture_ns - last, 50'000'000, 10);
      }
      EXPECT_GT(frame_.capture_ns, last);
      last = frame_.capture_ns;
    }
    EXPECT_THAT(log(), HasSubstr("= monotonic"));
    server_.stop(SIGKILL);
  }
}

TEST_F(Iio, MeasuresByATrigger) {
  start();
  EXPECT_THAT(open_error(keys("adc")),
              AllOf(HasSubstr("'adc' at ip:127.0.0.1:"),
                    HasSubstr("to measure: Invalid argument; does it need a 'trigger'?")));
  EXPECT_THAT(open_error(keys("adc", {{"trigger", "clock"}})),
              HasSubstr("there is no trigger 'clock'; there is: trigger0 (timer)"));
  const int64_t before = schedule::now_ns();
  const auto source = opened(keys("adc", {{"trigger", "timer"}, {"rate", "250"}, {"rows", "5"}}));
  EXPECT_THAT(log(), HasSubstr("\nSETTRIG iio:device2 trigger0\n"));
  EXPECT_THAT(log(), HasSubstr("\nWRITE trigger0 sampling_frequency"));
  ASSERT_TRUE(give(*source, stopper_, frame_));
  EXPECT_EQ(frame_.samples.rate_hz, 250);
  EXPECT_THAT(frame_.samples.values, ElementsAre(0.F, 0.001F, 0.002F, 0.003F, 0.004F));
  // It has no timestamps.
  EXPECT_GE(frame_.capture_ns, before + 20'000'000);
  EXPECT_LE(frame_.capture_ns, schedule::now_ns());
  // The next one finds it as it is.
  const auto again = opened(keys("adc"));
  ASSERT_TRUE(give(*again, stopper_, frame_));
  EXPECT_EQ(frame_.samples.rate_hz, 250);
}

TEST_F(Iio, SaysWhatThereIsInstead) {
  EXPECT_THAT(open_error(keys("imu")), HasSubstr("cannot reach it: Connection refused"));
  start({"--busy", "adc"});
  EXPECT_THAT(open_error(keys("gyro")),
              AllOf(HasSubstr("'gyro' at ip:127.0.0.1:"),
                    HasSubstr("there is no such device; there is: iio:device0 (imu), iio:device1 "),
                    Not(HasSubstr("timer"))));
  EXPECT_THAT(open_error(keys("timer")), HasSubstr("there is no such device"));
  EXPECT_THAT(open_error(keys("imu", {}, {"accel_x", "accel_w"})),
              HasSubstr("no channel 'accel_w' with a buffer; it has: accel_x, accel_y, voltage2, "
                        "voltage3, temp"));
  EXPECT_THAT(open_error(keys("imu", {}, {"timestamp"})), HasSubstr("no channel 'timestamp'"));
  EXPECT_THAT(open_error(keys("slow")), HasSubstr("it has no buffer"));
  EXPECT_THAT(open_error(keys("odd")), HasSubstr("'voltage0' has a format that cannot be"));
  EXPECT_THAT(open_error(keys("imu", {{"rate", "60"}})),
              HasSubstr("does not take a rate of 60: Invalid argument; there is: 50 100 200 400"));
  EXPECT_THAT(open_error(keys("still", {{"rate", "60"}})),
              HasSubstr("neither it nor its trigger has a sampling_frequency"));
  EXPECT_THAT(open_error(keys("adc", {{"trigger", "timer"}})),
              HasSubstr("does not start to measure: Device or resource busy; another program"));
}

// With a libiio that reads them wrongly they are refused.
TEST_F(Iio, ReadsChannelsOfDifferentSizesWithoutTimestampOrRefusesThem) {
  start();
  const auto source = source_of(keys("mixed", {{"rows", "4"}}));
  const Status status = source->open();
  if (status.ok()) {
    ASSERT_TRUE(give(*source, stopper_, frame_));
    EXPECT_THAT(frame_.samples.values, ElementsAre(0, 0, 1, 1, 2, 2, 3, 3));
  } else {
    EXPECT_THAT(status.message(), HasSubstr("channels have different sizes"));
  }
  const auto one = opened(keys("mixed", {{"rows", "4"}}, {"voltage1"}));
  ASSERT_TRUE(give(*one, stopper_, frame_));
  EXPECT_THAT(frame_.samples.values, ElementsAre(0, 1, 2, 3));
}

TEST_F(Iio, AWaitIsStopped) {
  start();
  for (int round = 0; round < 5; ++round) {
    Stopper stopper;
    const auto source = opened(keys("still"));
    std::thread other([&] {
      becomes_true([&] { return log().find("READBUF iio:device3") != std::string::npos; });
      stopper.stop();
    });
    const auto next = source->next(stopper, frame_);
    other.join();
    ASSERT_TRUE(next.ok());
    EXPECT_FALSE(*next);
    source->close();
    EXPECT_THAT(failure_of(*source, stopper), HasSubstr("not open"));
  }
}

TEST_F(Iio, LosesNoFilesAndThreadsWhenOpenedAgain) {
  start();
  const auto source = source_of(keys("imu", {{"rate", "400"}}));
  const auto threads = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                         std::filesystem::directory_iterator());
  };
  ptrdiff_t files = 0, tasks = 0;
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(source->open().ok());
    ASSERT_TRUE(give(*source, stopper_, frame_));
    if (round == 0) files = open_files();
    if (round == 0) tasks = threads();
  }
  EXPECT_EQ(open_files(), files);
  EXPECT_EQ(threads(), tasks);
}

// Counts what a feed gives.
class Counter : public Feed::Consumer {
 public:
  void take(const Ref<SharedFrame>&) override { ++frames; }
  void end(const Status&) override {}

  std::atomic<int> frames{0};
};

TEST_F(Iio, ComesBackWheneverItsServerDoes) {
  start();
  Feed feed("iio", source_of(keys("imu", {{"rate", "400"}})), {1'000'000, 10'000'000});
  Counter counter;
  feed.add(&counter);
  ptrdiff_t files = 0;
  for (int round = 1; round <= 5; ++round) {
    const int before = counter.frames;
    ASSERT_TRUE(becomes_true([&] { return counter.frames > before + 5; })) << feed.status().reason;
    EXPECT_EQ(feed.status().state, FeedState::kRunning);
    if (round == 1) files = open_files();
    EXPECT_EQ(open_files(), files);
    server_.stop(SIGKILL);
    ASSERT_TRUE(becomes_true([&] { return feed.status().state == FeedState::kWaiting; }));
    EXPECT_THAT(feed.status().reason, HasSubstr("'imu' at ip:127.0.0.1:"));
    start();
  }
  EXPECT_GE(feed.status().failures, 5U);
  feed.remove(&counter);
}

TEST_F(Iio, OneThatIsSilentIsOpenedAgain) {
  start();
  Feed feed("iio", source_of(keys("still", {{"timeout_ms", "100"}})), {1'000'000, 10'000'000});
  Counter counter;
  feed.add(&counter);
  EXPECT_TRUE(becomes_true([&] {
    feed.look_after(schedule::now_ns());
    return feed.status().failures >= 3;
  }));
  EXPECT_THAT(feed.status().reason, HasSubstr("gave nothing for"));
  feed.remove(&counter);
}

TEST(IioKeys, ThatMakeNoSenseAreRefused) {
  EXPECT_THAT(refusal(iio_node({})), HasSubstr("'device'"));
  EXPECT_THAT(refusal(iio_node({{"device", "a"}, {"rows", "0"}})), HasSubstr("p.yaml:4:7: 'rows'"));
  EXPECT_THAT(refusal(iio_node({{"device", "a"}, {"context", "tcp:there"}})),
              AllOf(HasSubstr("p.yaml:4:7: 'tcp:there' is no place of devices"),
                    HasSubstr("local:, ip:"), Not(HasSubstr("xml:"))));
  EXPECT_THAT(refusal(iio_node({{"device", "a"}, {"context", "local"}})), HasSubstr("no place"));
  EXPECT_THAT(refusal(iio_node({{"device", "a"}}, {"x", "y", "x"})),
              HasSubstr("p.yaml:5:7: channel 'x' is there twice"));
  if (std::filesystem::exists("/sys/bus/iio/devices")) return;
  EXPECT_THAT(source_of(iio_node({{"device", "a"}}))->open().message(),
              HasSubstr("'a': this machine has no IIO device"));
}

TEST(IioClock, OfAnotherMachineTellsHowLateSamplesAre) {
  constexpr int64_t kMs = 1'000'000, kApart = 77'000'000'000'000;
  IioClock clock;
  // 10 ms are the fastest; what takes longer was taken as much earlier.
  int64_t taken = 5'000'000 * kMs;
  for (const int64_t ms : {30, 10, 12, 25, 10, 90}) {
    taken += 100 * kMs;
    const int64_t at = clock.capture_ns(taken - kApart, taken + ms * kMs);
    if (ms == 30) {
      EXPECT_EQ(at, taken + 30 * kMs) << "the first is as if it took no time";
    } else {
      EXPECT_NEAR(static_cast<double>(at), static_cast<double>(taken + 10 * kMs), 0.1 * kMs);
    }
  }
  // The other clock is set: it begins anew, whichever way it goes.
  for (const int64_t step : {60'000 * kMs, -60'000 * kMs}) {
    taken += 100 * kMs;
    EXPECT_EQ(clock.capture_ns(taken - kApart + step, taken + 20 * kMs), taken + 20 * kMs);
  }
  // It is slow, by a part in 20000: the samples do not seem to come ever later.
  for (int second = 1; second <= 3600; ++second) {
    const int64_t now = taken + second * 1000 * kMs;
    const int64_t at = clock.capture_ns(now - kApart - 60'000 * kMs - now / 20'000 + taken / 20'000,
                                        now + 10 * kMs);
    EXPECT_LE(now + 10 * kMs - at, 11 * kMs);
  }
}

TEST(IioClock, DoesNotBelieveEverything) {
  const int64_t now = schedule::now_ns();
  IioClock here(IioClock::Kind::kMonotonic);
  EXPECT_EQ(here.capture_ns(now - 5, now), now - 5);
  EXPECT_EQ(here.capture_ns(now + 5, now), now);
  EXPECT_EQ(here.capture_ns(0, now), now) << "as of drivers without a clock";
  for (const int64_t stamp : {INT64_MIN, INT64_MAX, int64_t{-1}, int64_t{0}}) {
    IioClock foreign;
    EXPECT_EQ(foreign.capture_ns(stamp, now), now);
    const int64_t next = foreign.capture_ns(~stamp, now);
    EXPECT_LE(next, now);
    EXPECT_GE(next, now - 10'000'000'000);
  }
}

// A device of this machine's kernel: iio_dummy with a trigger of hrtimer, or whatever
// INFERD_TEST_IIO_DEVICE and INFERD_TEST_IIO_TRIGGER name.
class IioKernel : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* device = std::getenv("INFERD_TEST_IIO_DEVICE");
    const char* trigger = std::getenv("INFERD_TEST_IIO_TRIGGER");
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator("/sys/bus/iio/devices", none)) {
      const std::string id = entry.path().filename(), line = text_of(entry.path() / "name");
      const std::string name = line.substr(0, line.find('\n'));
      const bool is_trigger = id.starts_with("trigger");
      const char* wanted = is_trigger ? trigger : device;
      const bool is_it = wanted != nullptr ? id == wanted || name == wanted
                                           : is_trigger || name.starts_with("iio_dummy");
      if (is_it && is_trigger) trigger_ = name;
      if (!is_it || is_trigger) continue;
      device_ = id;
      is_dummy_ = name.starts_with("iio_dummy");
    }
    if (device_.empty()) {
      INFERD_WITHOUT_DEVICE(std::string("THIS KERNEL HAS NO IIO DEVICE ") +
                            (device == nullptr ? "iio_dummy*" : device));
    }
  }
  // A number that the kernel says of the device.
  double said(const std::string& file, double otherwise) const {
    std::ifstream text("/sys/bus/iio/devices/" + device_ + "/" + file);
    double value = 0;
    return text >> value ? value : otherwise;
  }
  config::NodeConfig keys(std::map<std::string, std::string> more) const {
    more["device"] = device_;
    if (!trigger_.empty()) more["trigger"] = trigger_;
    return iio_node(more);
  }

  std::string device_, trigger_;
  bool is_dummy_ = false;
};

TEST_F(IioKernel, GivesSamples) {
  const auto source = source_of(keys({{"rate", "100"}, {"rows", "10"}}));
  Stopper stopper;
  Frame frame;
  for (int round = 0; round < 3; ++round) {
    const int64_t before = schedule::now_ns();
    const Status status = source->open();
    ASSERT_TRUE(status.ok()) << status.to_string();
    int64_t last = before;
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(give(*source, stopper, frame));
      ASSERT_EQ(frame.samples.rows, 10);
      ASSERT_EQ(frame.samples.values.size(), 10 * frame.samples.names->size());
      EXPECT_NEAR(frame.samples.rate_hz, 100, 1);
      EXPECT_GT(frame.capture_ns, last);
      EXPECT_LE(frame.capture_ns, schedule::now_ns());
      last = frame.capture_ns;
      for (size_t v = 0; v < frame.samples.values.size(); ++v) {
        const std::string& name = (*frame.samples.names)[v % frame.samples.names->size()];
        ASSERT_TRUE(std::isfinite(frame.samples.values[v])) << name;
        // What iio_dummy's buffer always has.
        const double raw = name == "voltage0" ? 7 : 344;
        if (!is_dummy_ || (name != "voltage0" && name != "accel_x")) continue;
        const double offset = said("in_" + name + "_offset", 0);
        const double scale = said("in_" + name + "_scale", 1);
        ASSERT_NEAR(frame.samples.values[v], (raw + offset) * scale, 1e-6) << name;
      }
    }
  }
}

TEST_F(IioKernel, ASecondReaderIsToldThatItIsBusy) {
  const auto first = source_of(keys({{"rate", "10"}}));
  const Status status = first->open();
  ASSERT_TRUE(status.ok()) << status.to_string();
  EXPECT_THAT(source_of(keys({}))->open().message(), HasSubstr("another program uses it"));
}

TEST_F(IioKernel, AWaitIsStopped) {
  const auto source = source_of(keys({{"rate", "1"}, {"rows", "1000"}}));
  const Status status = source->open();
  ASSERT_TRUE(status.ok()) << status.to_string();
  Stopper stopper;
  std::thread other([&] { stopper.stop(); });
  Frame frame;
  const auto next = source->next(stopper, frame);
  other.join();
  ASSERT_TRUE(next.ok());
  EXPECT_FALSE(*next);
}

}  // namespace
}  // namespace inferd::pipeline

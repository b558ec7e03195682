// SPDX-License-Identifier: Apache-2.0
//
// The source `can`: signals against another program's answers, frames through sockets of datagrams,
// which give what CAN's sockets give, and where the kernel has it a virtual bus.
#include "daemon/pipeline/sources/can.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/can/error.h>
#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "daemon/pipeline/feed.h"
#include "tests/unit/pipeline/kernel_device.h"
#include "tests/unit/pipeline/other_side.h"
#include "tests/unit/pipeline/source_of.h"

namespace inferd::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CanSignal signal_of(const std::string& text) {
  auto parsed = parse_can_signal(text);
  EXPECT_TRUE(parsed.ok()) << parsed.status().to_string();
  return parsed.ok() ? *parsed : CanSignal{};
}

std::vector<uint8_t> bytes_of(const std::string& hex) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

// Layouts and bytes by chance, and what cantools (Python) decodes of them.
TEST(CanSignal, IsDecodedAsCantoolsDoes) {
  struct Case {
    const char* layout;
    const char* bytes;
    double value;
  };
  const Case cases[] = {
      {"25|3@0+ (1,0)", "9ee491c5b10becb5", 3.0},
      {"14|8@0+ (2,100.5)", "4af2b34f430a0734", 558.5},
      {"25|15@1+ (0.5,100.5)", "7252dcceadd764b6", 11224.0},
      {"18|31@0+ (2,100.5)", "09c4a99720397535", 853804946.5},
      {"12|16@0- (0.5,-40)", "84cf4cfda72d8e1d", 15627.5},
      {"27|9@0- (0.01,-40)", "a57d119e6fb65d00", -40.51},
      {"6|2@1- (0.01,100.5)", "4c7f88dfa161bfdb", 100.51},
      {"5|32@1- (2,-40)", "4692f8194157f1d4", 295667964.0},
      {"40|17@0+ (0.01,-40)", "7a9af7c93d555226", 825.66},
      {"6|63@0+ (2,-40)", "47627c2e59af2ea3", 1.0287620525851042e+19},
      {"6|16@0+ (2,-40)", "d36bc08aad1fff8e", 85382.0},
      {"32|31@1+ (0.5,0)", "8a7fc4cce4dd9f0b", 97513202.0},
      {"26|12@0- (0.01,0)", "fd5f72f8d51c4ac9", 4.26},
      {"50|1@0- (1,0)", "c9e6a0392854a861", 0.0},
      {"20|8@1+ (2,-40)", "2865c8517ed02111", 16.0},
      {"28|24@0+ (1,-40)", "2b6a31d7ffe45877", 12582650.0},
      {"16|40@0+ (1,-40)", "968f89be828565e0", 958872597192.0},
      {"14|15@0- (-0.25,0)", "a721ca807d7633ed", -2162.5},
      {"30|7@1+ (0.5,-40)", "bf1496773d196163", 18.5},
      {"28|31@1+ (1,0)", "b36f13bcae481668", 23366379.0},
      {"52|2@1- (0.01,-40)", "be5e9f276810fdf7", -40.01},
      {"8|7@0+ (0.5,0)", "13a53cc7e99cd79d", 39.5},
      {"5|1@1- (1,100.5)", "221721ba6621c436", 99.5},
      {"5|12@0- (1,100.5)", "93f43343326896a3", 1377.5},
      {"330|8@0- (-0.25,0)",
       "bb1d6d132cded6237b2ed91e3f721fcb1971174494d6493c9d5c3460be31201e69fedaa0eee8b9997f5c7c2999f"
       "dafe593253cd654af4dfad71427a0aeb3fee9",
       28.25},
      {"25|7@0- (0.01,0)",
       "7ecbc8fe2955e5cd8e46dc8ed4b7c2764d2a5a4d767706f85d8690024ad6bda3401be9c8cbccc935f6cd1f61226"
       "ae15338ae1a34004d33ba0d246ac04c81b1ba",
       -0.59},
  };
  for (const Case& c : cases) {
    const CanSignal signal = signal_of(std::string("0x123 s ") + c.layout);
    const auto value = signal.value(bytes_of(c.bytes));
    ASSERT_TRUE(value.has_value()) << c.layout;
    EXPECT_FLOAT_EQ(*value, static_cast<float>(c.value)) << c.layout << " of " << c.bytes;
  }
}

TEST(CanSignal, ReadsIds) {
  EXPECT_EQ(signal_of("291 s 0|8@1+").id, 0x123U);
  EXPECT_EQ(signal_of(" 0x7FF  s 0|8@1+ (1,0) ").id, 0x7FFU);
  EXPECT_EQ(signal_of("0x800 s 0|8@1+").id, 0x800U | CAN_EFF_FLAG);
  EXPECT_EQ(signal_of("0x80000123 s 0|8@1+").id, 0x123U | CAN_EFF_FLAG);
  EXPECT_EQ(signal_of("2566844416 s 0|8@1-").id, 0x18FEF000U | CAN_EFF_FLAG) << "as in DBC files";
}

TEST(CanSignal, OfAShortFrameHasNoValue) {
  const std::vector<uint8_t> bytes = {1, 2, 3};
  EXPECT_EQ(signal_of("1 s 16|8@1+").value(bytes), 3.F);
  EXPECT_EQ(signal_of("1 s 17|8@1+").value(bytes), std::nullopt);
  EXPECT_EQ(signal_of("1 s 15|16@0+").value(bytes), 515.F);
  EXPECT_EQ(signal_of("1 s 14|16@0+").value(bytes), std::nullopt);
  EXPECT_EQ(signal_of("1 s 0|1@1+").value({}), std::nullopt);
}

TEST(CanSignal, ThatMakesNoSenseIsRefused) {
  const auto why = [](const std::string& text) {
    return parse_can_signal(text).status().message();
  };
  EXPECT_THAT(why("speed 8|16@1+"), HasSubstr("must begin with an id"));
  EXPECT_THAT(why("0xFFFFFFFFF s 8|16@1+"), HasSubstr("must begin with an id"));
  EXPECT_THAT(why("0x3FFFFFFF s 8|16@1+"), HasSubstr("up to 0x1FFFFFFF"));
  for (const char* layout : {"", "8", "8|16", "8|16@2+", "8|16@1", "8|16@1+ 1", "8|16@1+ (1)",
                             "8|16@1+ (1,0) x", "-1|16@1+", "8|16@1+ (a,0)"})
    EXPECT_THAT(why(std::string("1 s ") + layout), HasSubstr("must be like")) << layout;
  EXPECT_THAT(why("1 s 8|0@1+"), HasSubstr("1 to 64 bits"));
  EXPECT_THAT(why("1 s 8|65@1+"), HasSubstr("1 to 64 bits"));
  EXPECT_THAT(why("1 s 511|2@1+"), HasSubstr("does not fit"));
  EXPECT_THAT(why("1 s 504|2@0+"), HasSubstr("does not fit"));
  EXPECT_THAT(why("1 s 4294967295|64@0+"), HasSubstr("does not fit"));
  for (const char* factors : {"(inf,0)", "(1,nan)", "(1e34,0)", "(1,-1e39)"})
    EXPECT_THAT(why(std::string("1 s 8|16@1+ ") + factors), HasSubstr("too large")) << factors;
}

can_frame frame_of(uint32_t id, const std::vector<uint8_t>& bytes) {
  can_frame frame{};
  frame.can_id = id;
  frame.len = static_cast<uint8_t>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), frame.data);
  return frame;
}

// The bus is a pair of sockets; who opens the source gets one of them.
class Can : public ::testing::Test {
 protected:
  std::unique_ptr<Source> can(const std::vector<std::string>& signals, bool on_change = false,
                              int64_t rows = 1) {
    CanOptions options{"can7", {}, on_change, rows, 0};
    for (const std::string& text : signals) options.signals.push_back(signal_of(text));
    return make_can_source(std::move(options), [this](const std::string&, auto) { return plug(); });
  }
  Result<Descriptor> plug() {
    const std::lock_guard lock(mutex_);
    if (unplugged_) return not_found("there is no such interface");
    std::array<int, 2> pair{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()), 0);
    bus_.reset(pair[1]);
    return Descriptor(pair[0]);
  }
  template <typename T>
  void send(const T& frame) {
    ASSERT_EQ(::send(bus_.get(), &frame, sizeof frame, MSG_NOSIGNAL),
              static_cast<ssize_t>(sizeof frame));
  }
  void expect(Source& source, const std::vector<float>& values) {
    ASSERT_TRUE(give(source, stopper_, frame_));
    EXPECT_EQ(frame_.samples.values, values);
    EXPECT_EQ(static_cast<size_t>(frame_.samples.rows * frame_.samples.columns), values.size());
    EXPECT_LE(frame_.capture_ns, schedule::now_ns());
    EXPECT_GE(frame_.capture_ns, began_ns_);
  }

  const int64_t began_ns_ = schedule::now_ns() - 1'000'000;
  std::mutex mutex_;  // where a feed opens the source
  Descriptor bus_;    // by mutex_, as below
  bool unplugged_ = false;
  Stopper stopper_;
  Frame frame_;
};

const std::vector<std::string> kSignals = {"0x10 rpm 7|16@0+ (0.25,0)", "0x10 gear 16|8@1-",
                                           "0x18FEF100 speed 0|16@1+ (0.01,0)"};

TEST_F(Can, GivesTheNewestOfAllSignalsWithEveryFrame) {
  const auto source = can(kSignals);
  EXPECT_TRUE(source->live());
  EXPECT_EQ(source->patience_ns(), 0) << "nothing happening is usual";
  ASSERT_TRUE(source->open().ok());
  send(frame_of(0x10, {0x0F, 0xA0, 0xFF}));
  send(frame_of(0x11, {1, 2, 3}));
  send(frame_of(0x18FEF100U | CAN_EFF_FLAG, {100, 0}));
  send(frame_of(0x18FEF100U | CAN_EFF_FLAG, {100, 0}));
  send(frame_of(0x10, {0x0F, 0xA4, 3}));
  expect(*source, {1000, -1, 1});
  EXPECT_THAT(*frame_.samples.names, ElementsAre("rpm", "gear", "speed"));
  expect(*source, {1000, -1, 1});
  expect(*source, {1001, 3, 1});
}

TEST_F(Can, GivesOnlyChanges) {
  const auto source = can(kSignals, true);
  ASSERT_TRUE(source->open().ok());
  for (int i = 0; i < 3; ++i) {
    send(frame_of(0x18FEF100U | CAN_EFF_FLAG, {100, 0}));
    send(frame_of(0x10, {0, 4, 1}));
  }
  send(frame_of(0x10, {0, 4, 2}));
  expect(*source, {1, 1, 1});
  expect(*source, {1, 2, 1});
}

TEST_F(Can, GivesRowsOfSeveralFramesAndThoseOfCanFd) {
  const auto source = can({"5 x 504|8@1+"}, false, 2);
  ASSERT_TRUE(source->open().ok());
  for (const uint8_t value : {7, 8}) {
    canfd_frame fd{};
    fd.can_id = 5;
    fd.len = 64;
    fd.data[63] = value;
    send(fd);
  }
  expect(*source, {7, 8});
}

TEST_F(Can, LeavesOutFramesThatAreTooShort) {
  const auto source = can({"5 x 8|8@1+"});
  ASSERT_TRUE(source->open().ok());
  send(frame_of(5, {1}));
  send(frame_of(5, {}));
  send(frame_of(5, {1, 2}));
  expect(*source, {2});
}

TEST_F(Can, FailsWhereTheBusIsOffOrGone) {
  const auto source = can({"5 x 8|8@1+"});
  ASSERT_TRUE(source->open().ok());
  send(frame_of(CAN_ERR_FLAG | CAN_ERR_CRTL, {0, CAN_ERR_CRTL_RX_OVERFLOW, 0, 0, 0, 0, 0, 0}));
  send(frame_of(5, {1, 2}));
  expect(*source, {2});
  send(frame_of(CAN_ERR_FLAG | CAN_ERR_BUSOFF, std::vector<uint8_t>(8)));
  EXPECT_THAT(failure_of(*source, stopper_), HasSubstr("can7: the bus is off"));
  ASSERT_TRUE(source->open().ok());
  bus_.reset();
  EXPECT_THAT(failure_of(*source, stopper_), HasSubstr("can7: "));
  ASSERT_TRUE(source->open().ok());
  can_frame bad = frame_of(5, {1, 2});
  bad.len = 9;
  send(bad);
  EXPECT_THAT(failure_of(*source, stopper_), HasSubstr("no CAN frame"));
}

TEST_F(Can, ComesBackWithItsInterface) {
  class Counter : public Feed::Consumer {
   public:
    void take(const Ref<SharedFrame>&) override { ++frames; }
    void end(const Status&) override {}
    std::atomic<int> frames{0};
  } counter;
  Feed feed("can", can({"5 x 0|8@1+"}), {1'000'000, 2'000'000});
  feed.add(&counter);
  ptrdiff_t files = 0;
  for (int round = 0; round < 20; ++round) {
    const int frames = counter.frames;
    const can_frame frame = frame_of(5, {1});
    ASSERT_TRUE(becomes_true([&] {
      const std::lock_guard lock(mutex_);
      if (bus_.valid()) ::send(bus_.get(), &frame, sizeof frame, MSG_NOSIGNAL | MSG_DONTWAIT);
      return counter.frames > frames;
    }));
    if (round == 0) files = open_files();
    // The feed's own thread may be about to close what it has replaced.
    EXPECT_TRUE(becomes_true([&] { return open_files() <= files; }));
    {
      const std::lock_guard lock(mutex_);
      unplugged_ = true;
      bus_.reset();
    }
    ASSERT_TRUE(becomes_true(
        [&] { return feed.status().reason.find("can7: there is no such interface") == 0; }));
    const std::lock_guard lock(mutex_);
    unplugged_ = false;
  }
  feed.remove(&counter);
}

TEST_F(Can, AWaitIsStopped) {
  const auto source = can({"5 x 8|8@1+"});
  ASSERT_TRUE(source->open().ok());
  std::thread other([&] { stopper_.stop(); });
  const auto next = source->next(stopper_, frame_);
  other.join();
  ASSERT_TRUE(next.ok());
  EXPECT_FALSE(*next);
}

TEST(CanKeys, ThatMakeNoSenseAreRefused) {
  const auto why = [](std::map<std::string, std::string> keys,
                      const std::vector<std::string>& signals) {
    config::NodeConfig made = node("can", keys);
    if (!signals.empty()) made.entries["signals"] = {signals, true, {"p.yaml", 5, 7}};
    return refusal(made);
  };
  EXPECT_THAT(why({}, {"1 x 0|8@1+"}), HasSubstr("'interface'"));
  EXPECT_THAT(why({{"interface", "can0"}}, {}), HasSubstr("p.yaml:3:5: 'can' needs 1 to 256"));
  EXPECT_THAT(why({{"interface", "can0"}}, {"1 x 0|8@1+", "2 x 0|8@1+"}),
              HasSubstr("p.yaml:5:7: signal 'x' is there twice"));
  EXPECT_THAT(why({{"interface", "can0"}}, {"nothing"}), HasSubstr("p.yaml:5:7: signal 'nothing'"));
  EXPECT_THAT(why({{"interface", "can0"}, {"on", "off"}}, {"1 x 0|8@1+"}), HasSubstr("'on'"));
}

// What the kernel does: filters, times, an interface that is down or gone.
TEST(CanInterface, OfTheKernel) {
  const Descriptor sender(::socket(AF_CAN, SOCK_RAW | SOCK_CLOEXEC, CAN_RAW));
  const std::string name = "vcan7";
  const auto run = [](const std::string& command) { return std::system(command.c_str()) == 0; };
  if (!sender.valid()) {
    EXPECT_THAT(open_can(name, {}).status().message(), HasSubstr("this kernel has no CAN"));
    INFERD_WITHOUT_DEVICE(
        "THIS KERNEL HAS NO AF_CAN: THE SOURCE can IS NOT TESTED WITH AN INTERFACE");
  }
  if (!run("ip link add " + name + " type vcan 2>/dev/null"))
    INFERD_WITHOUT_DEVICE("NO vcan INTERFACE CAN BE MADE: THE SOURCE can IS NOT TESTED WITH ONE");
  config::NodeConfig made = node("can", {{"interface", name}});
  made.entries["signals"] = {{"0x10 x 0|8@1+", "0x18FEF100 y 0|8@1+"}, true, {"p.yaml", 5, 7}};
  const auto source = source_of(made);
  EXPECT_THAT(source->open().message(), HasSubstr("it is down"));
  ASSERT_TRUE(run("ip link set " + name + " up"));
  ASSERT_TRUE(source->open().ok());
  sockaddr_can address{};
  address.can_family = AF_CAN;
  address.can_ifindex = static_cast<int>(::if_nametoindex(name.c_str()));
  ASSERT_EQ(::bind(sender.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const int64_t before = schedule::now_ns();
  for (const uint32_t id : {0x10U, 0x11U, 0x10U | CAN_EFF_FLAG, 0x18FEF100U | CAN_EFF_FLAG}) {
    const can_frame frame = frame_of(id, {static_cast<uint8_t>(id)});
    ASSERT_EQ(::write(sender.get(), &frame, sizeof frame), static_cast<ssize_t>(sizeof frame));
  }
  Stopper stopper;
  Frame frame;
  ASSERT_TRUE(give(*source, stopper, frame));
  EXPECT_THAT(frame.samples.values, ElementsAre(16, 0));
  EXPECT_GE(frame.capture_ns, before - 1'000'000);
  EXPECT_LE(frame.capture_ns, schedule::now_ns());
  ASSERT_TRUE(run("ip link set " + name + " down"));
  EXPECT_THAT(failure_of(*source, stopper), HasSubstr("went down"));
  ASSERT_TRUE(run("ip link del " + name));
  EXPECT_THAT(source->open().message(), HasSubstr("no such interface"));
}

}  // namespace
}  // namespace inferd::pipeline

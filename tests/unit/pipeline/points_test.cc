// SPDX-License-Identifier: Apache-2.0
//
// The source `points` with real sockets.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <thread>

#include "daemon/pipeline/feed.h"
#include "daemon/pipeline/sources/point_scan.h"
#include "daemon/pipeline/sources/wait.h"
#include "tests/unit/pipeline/other_side.h"
#include "tests/unit/pipeline/source_of.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Bytes = std::vector<uint8_t>;

template <typename T>
void put(Bytes& bytes, size_t at, T value) {
  bytes.resize(std::max(bytes.size(), at + sizeof value));
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

template <typename T>
Bytes packed(const std::vector<T>& values) {
  Bytes bytes;
  for (const T value : values) put(bytes, bytes.size(), value);
  return bytes;
}

struct Part {
  uint32_t scan = 0;
  uint16_t part = 0;
  bool last = false;
  uint64_t unix_ns = 0;
  float scale = 1;
};

// Two columns, as the head of point_scan.h has it.
template <typename T>
Bytes datagram(const Part& p, uint8_t type, const std::vector<T>& values) {
  Bytes bytes = {'I', 'F', 'P', 'T', 1, type, 2, static_cast<uint8_t>(p.last ? 1 : 0)};
  put(bytes, 8, p.scan);
  put(bytes, 12, p.part);
  put(bytes, 14, uint16_t{0});
  put(bytes, 16, p.unix_ns);
  put(bytes, 24, static_cast<uint32_t>(values.size() / 2));
  put(bytes, 28, p.scale);
  const Bytes body = packed(values);
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

class Scan : public ::testing::Test {
 protected:
  bool add(const Bytes& bytes) {
    const PointScan::Added added = scan.add(bytes, values);
    left_out = added.left_out;
    return added.complete;
  }

  PointScan scan{2, 4};
  std::vector<float> values;
  std::string left_out;
};

TEST_F(Scan, IsPutTogetherOfItsParts) {
  for (uint32_t number = 0; number < 3; ++number) {
    EXPECT_FALSE(add(datagram<float>({number, 0}, 0, {1, 2})));
    EXPECT_FALSE(add(datagram<float>({number, 1}, 0, {})));
    EXPECT_TRUE(add(datagram<float>({number, 2, true}, 0, {3, 4, 5, 6})));
    EXPECT_THAT(values, ElementsAre(1, 2, 3, 4, 5, 6));
    EXPECT_EQ(left_out, "");
    EXPECT_EQ(scan.unix_ns(), std::nullopt);
    values.clear();
  }
}

TEST_F(Scan, HasValuesOfSeveralTypes) {
  EXPECT_FALSE(add(datagram<int16_t>({1, 0, false, 5, 0.5F}, 1, {-3, 32767})));
  EXPECT_FALSE(add(datagram<uint16_t>({1, 1, false, 6, 2}, 2, {65535, 0})));
  EXPECT_TRUE(add(datagram<int32_t>({1, 2, true, 7, -1}, 3, {-8, 9})));
  EXPECT_THAT(values, ElementsAre(-1.5F, 16383.5F, 131070, 0, 8, -9));
  EXPECT_EQ(scan.unix_ns(), 7);
}

TEST_F(Scan, HasNoPointsFromWhereNothingCameBack) {
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(add(datagram<float>({1, 0, true}, 0, {nan, 1, 2, 3, 4, -inf, 5, 6})));
  EXPECT_THAT(values, ElementsAre(2, 3, 5, 6));
}

TEST_F(Scan, IsLeftOutWhereAPartIsMissing) {
  EXPECT_FALSE(add(datagram<float>({1, 0}, 0, {1, 2})));
  EXPECT_FALSE(add(datagram<float>({1, 2}, 0, {3, 4})));
  EXPECT_EQ(left_out, "scan 1: part 1 is missing");
  EXPECT_THAT(values, IsEmpty());
  EXPECT_FALSE(add(datagram<float>({1, 3, true}, 0, {5, 6})));
  EXPECT_EQ(left_out, "") << "it is said once";
  EXPECT_FALSE(add(datagram<float>({2, 0}, 0, {1, 2})));
  EXPECT_FALSE(add(datagram<float>({3, 0}, 0, {3, 4})));
  EXPECT_EQ(left_out, "scan 2 has no end");
  EXPECT_TRUE(add(datagram<float>({3, 1, true}, 0, {5, 6})));
  EXPECT_THAT(values, ElementsAre(3, 4, 5, 6));
}

TEST_F(Scan, IsBounded) {
  EXPECT_FALSE(add(datagram<float>({1, 0}, 0, {1, 2, 3, 4, 5, 6, 7, 8})));
  EXPECT_FALSE(add(datagram<float>({1, 1, true}, 0, {9, 10})));
  EXPECT_EQ(left_out, "scan 1: it has more points than 4");
  EXPECT_THAT(values, IsEmpty());
}

TEST_F(Scan, OfDatagramsThatAreNoneIsLeftOut) {
  const Bytes good = datagram<float>({1, 0, true}, 0, {1, 2});
  const auto changed = [&](size_t at, auto value) {
    Bytes bytes = good;
    put(bytes, at, value);
    EXPECT_FALSE(add(bytes));
    return left_out;
  };
  EXPECT_THAT(changed(0, 'X'), HasSubstr("no header"));
  EXPECT_THAT(changed(4, uint8_t{2}), HasSubstr("version 2"));
  EXPECT_THAT(changed(5, uint8_t{4}), HasSubstr("unknown type 4"));
  EXPECT_THAT(changed(6, uint8_t{3}), HasSubstr("3 columns, not 2"));
  EXPECT_THAT(changed(7, uint8_t{2}), HasSubstr("flags"));
  EXPECT_THAT(changed(14, uint16_t{1}), HasSubstr("flags"));
  EXPECT_THAT(changed(16, uint64_t{1} << 63), HasSubstr("no time of day"));
  EXPECT_THAT(changed(24, uint32_t{2}), HasSubstr("other bytes than its 2 points"));
  EXPECT_THAT(changed(24, 0xFFFFFFFFU), HasSubstr("other bytes"));
  EXPECT_THAT(changed(28, std::nanf("")), HasSubstr("not finite"));
  EXPECT_FALSE(add(Bytes(good.begin(), good.begin() + 31)));
  EXPECT_THAT(left_out, HasSubstr("no header"));
  EXPECT_FALSE(add({}));
  EXPECT_TRUE(add(good));
}

class Points : public ::testing::Test {
 protected:
  static config::NodeConfig points(std::map<std::string, std::string> keys) {
    config::NodeConfig made = node("points", keys);
    made.entries["columns"] = {{"x", "y"}, true, {"p.yaml", 5, 7}};
    return made;
  }
  std::string path() const { return folder_.file("points.sock"); }
  // Of a sender; false: nobody listens.
  bool connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    sender_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return ::connect(sender_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  void send(const Bytes& bytes) {
    ASSERT_EQ(::send(sender_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  void expect(Source& source, const std::vector<float>& values) {
    ASSERT_TRUE(give(source, stopper_, frame_));
    EXPECT_EQ(frame_.samples.values, values);
    EXPECT_EQ(frame_.samples.columns, 2);
    EXPECT_EQ(static_cast<size_t>(frame_.samples.rows) * 2, values.size());
    EXPECT_THAT(*frame_.samples.names, ElementsAre("x", "y"));
    EXPECT_LE(frame_.capture_ns, schedule::now_ns());
  }

  const TemporaryFolder folder_;
  Descriptor sender_;
  Stopper stopper_;
  Frame frame_;
};

TEST_F(Points, OfAScanAreAFrame) {
  const auto source = source_of(points({{"path", path()}}));
  EXPECT_TRUE(source->live());
  ASSERT_TRUE(source->open().ok());
  ASSERT_TRUE(connect());
  timespec day{};
  ::clock_gettime(CLOCK_REALTIME, &day);
  const uint64_t early = static_cast<uint64_t>(day.tv_sec - 100) * 1'000'000'000;
  send(datagram<int16_t>({7, 0, false, 1, 0.5F}, 1, {1, 2, 3, 4}));
  send({1, 2, 3});
  send(datagram<int16_t>({7, 1, true, early, 0.5F}, 1, {5, 6}));
  send(datagram<float>({8, 0, true}, 0, {}));
  send(datagram<float>({9, 0, true}, 0, {7, 8}));
  expect(*source, {0.5F, 1, 1.5F, 2, 2.5F, 3});
  EXPECT_LE(frame_.capture_ns, schedule::now_ns() - 99'000'000'000);
  expect(*source, {7, 8});
  EXPECT_GE(frame_.capture_ns, schedule::now_ns() - 60'000'000'000);
}

TEST_F(Points, WithoutHeadersAreThoseOfADatagramOrAsManyAsAreWanted) {
  auto source = source_of(points({{"path", path()}, {"format", "raw"}}));
  ASSERT_TRUE(source->open().ok());
  ASSERT_TRUE(connect());
  send(packed<float>({1, 2, 3, 4}));
  send(packed<float>({1, 2, 3}));
  send(packed<float>({5, 6}));
  expect(*source, {1, 2, 3, 4});
  expect(*source, {5, 6});
  source.reset();
  source = source_of(points({{"path", path()},
                             {"format", "raw"},
                             {"type", "int16"},
                             {"scale", "0.01"},
                             {"points", "2"}}));
  ASSERT_TRUE(source->open().ok());
  ASSERT_TRUE(connect());
  send(packed<int16_t>({100, 200}));
  send(packed<int16_t>({300, 400, 500, 600, 700, 800, 900, 1000}));
  send(packed<int16_t>({-100, -200}));
  expect(*source, {1, 2, 3, 4});
  expect(*source, {5, 6, 7, 8});
  expect(*source, {9, 10, -1, -2});
}

TEST_F(Points, ComeByUdp) {
  const int port = free_port();
  const auto source = source_of(points({{"udp", std::to_string(port)}}));
  const Status opened = source->open();
  ASSERT_TRUE(opened.ok()) << opened.to_string();
  sender_.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  ASSERT_EQ(::connect(sender_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
            0);
  // A scan that comes at once.
  constexpr uint16_t kParts = 100;
  std::vector<float> all;
  for (uint16_t part = 0; part < kParts; ++part) {
    std::vector<float> values(256, part);
    all.insert(all.end(), values.begin(), values.end());
    send(datagram<float>({1, part, part + 1 == kParts}, 0, values));
  }
  expect(*source, all);
}

TEST_F(Points, ComeAgainWhenTheirSenderDoes) {
  const auto source = source_of(points({{"path", path()}}));
  ASSERT_TRUE(source->open().ok());
  for (uint32_t round = 0; round < 20; ++round) {
    ASSERT_TRUE(connect());
    send(datagram<float>({0, 0, true}, 0, {1, 2}));
    send(datagram<float>({1, 0, false}, 0, {3, 4}));  // and it dies
    expect(*source, {1, 2});
  }
  ASSERT_TRUE(source->open().ok());
  EXPECT_TRUE(connect()) << "it listens again";
}

TEST_F(Points, HaveASocketThatGoesWithThem) {
  {
    const auto source = source_of(points({{"path", path()}}));
    ASSERT_TRUE(source->open().ok());
    const auto other = source_of(points({{"path", path()}}));
    EXPECT_THAT(other->open().message(), HasSubstr("in use"));
    ASSERT_TRUE(connect()) << "and the first one is still there";
  }
  EXPECT_FALSE(std::filesystem::exists(path()));
  // One that nobody removed.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path().copy(address.sun_path, sizeof address.sun_path - 1);
  {
    const Descriptor dead(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  const auto source = source_of(points({{"path", path()}}));
  EXPECT_TRUE(source->open().ok());
  // A file of somebody else stays.
  std::ofstream(folder_.file("notes")) << "text";
  EXPECT_FALSE(source_of(points({{"path", folder_.file("notes")}}))->open().ok());
  EXPECT_TRUE(std::filesystem::exists(folder_.file("notes")));
  EXPECT_THAT(source_of(points({{"path", "/none/points.sock"}}))->open().message(),
              HasSubstr("'/none/points.sock'"));
  EXPECT_THAT(source_of(points({{"path", std::string(200, 'x')}}))->open().message(),
              HasSubstr("too long"));
}

TEST_F(Points, AWaitIsStopped) {
  const auto source = source_of(points({{"path", path()}}));
  EXPECT_EQ(source->patience_ns(), 0);
  ASSERT_TRUE(source->open().ok());
  std::thread other([&] { stopper_.stop(); });
  const auto next = source->next(stopper_, frame_);
  other.join();
  ASSERT_TRUE(next.ok());
  EXPECT_FALSE(*next);
}

TEST_F(Points, KeysThatMakeNoSenseAreRefused) {
  EXPECT_THAT(refusal(points({})), HasSubstr("p.yaml:3:5: 'points' needs either 'path'"));
  EXPECT_THAT(refusal(points({{"path", "x"}, {"udp", "5"}})), HasSubstr("needs either 'path'"));
  EXPECT_THAT(refusal(node("points", {{"path", "x"}})), HasSubstr("needs 1 to 64 'columns'"));
  config::NodeConfig twice = points({{"path", "x"}});
  twice.entries["columns"].items = {"x", "x"};
  EXPECT_THAT(refusal(twice), HasSubstr("p.yaml:5:7: column 'x' is there twice"));
  EXPECT_THAT(refusal(points({{"path", "x"}, {"scale", "2"}})),
              HasSubstr("p.yaml:4:7: 'scale' is of 'format: raw'"));
  EXPECT_THAT(refusal(points({{"path", "x"}, {"format", "ros"}})), HasSubstr("'format'"));
}

}  // namespace
}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
//
// The source `lines` with real pipes, terminals and sockets.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <thread>

#include "daemon/pipeline/sources/line_parser.h"
#include "daemon/pipeline/sources/wait.h"
#include "tests/unit/pipeline/source_of.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

LineParser parser(std::vector<std::string> columns, const std::string& time = "",
                  char separator = ',') {
  auto made = LineParser::create(std::move(columns), time, separator);
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  return std::move(*made);
}

// The line's values; the reason why there are none in `why`.
std::vector<float> values_of(LineParser& parser, std::string_view line,
                             std::string* why = nullptr) {
  std::vector<float> values;
  const auto time = parser.parse(line, values);
  if (why != nullptr) *why = time.status().message();
  EXPECT_TRUE(time.ok() || why != nullptr) << time.status().to_string();
  EXPECT_TRUE(time.ok() || values.empty());
  return values;
}

TEST(LineParser, ReadsFieldsInTheirOrder) {
  LineParser p = parser({"x", "_", "y"});
  EXPECT_THAT(p.names(), ElementsAre("x", "y"));
  EXPECT_THAT(values_of(p, "1.5,what,-2e3"), ElementsAre(1.5F, -2000.F));
  EXPECT_THAT(values_of(p, " +1 ,, 2 "), ElementsAre(1.F, 2.F));
  std::string why;
  values_of(p, "1,2", &why);
  EXPECT_EQ(why, "'y' is missing or no number");
  for (const char* bad : {"", "1", "1,2,", "1,2,3x", "1,2,nan", "1,2,inf", "1,2,1e39", "1,2,0x10"})
    EXPECT_THAT((values_of(p, bad, &why), why), HasSubstr("'")) << bad;
  values_of(p, "1,2,3,4", &why);
  EXPECT_EQ(why, "the line has more fields than the 3 columns");
}

TEST(LineParser, KnowsOtherSeparators) {
  LineParser tabs = parser({"x", "y"}, "", '\t');
  EXPECT_THAT(values_of(tabs, "1\t2"), ElementsAre(1.F, 2.F));
  LineParser spaces = parser({"x", "y", "z"}, "", ' ');
  EXPECT_THAT(values_of(spaces, "  1 \t 2   3 "), ElementsAre(1.F, 2.F, 3.F));
  std::string why;
  EXPECT_THAT((values_of(spaces, "1 2", &why), why), HasSubstr("'z' is missing"));
  EXPECT_THAT((values_of(spaces, "1 2 3 4", &why), why), HasSubstr("more fields"));
}

TEST(LineParser, ReadsJsonByPath) {
  LineParser p = parser({"imu.accel.x", "imu.values.1", "on"});
  EXPECT_THAT(values_of(p, R"( {"imu":{"accel":{"x":1.5},"values":[7,8]},"on":true,"more":null})"),
              ElementsAre(1.5F, 8.F, 1.F));
  std::string why;
  for (const char* bad :
       {R"({"imu":{"accel":{"x":"1"},"values":[7,8]},"on":true})", R"({"imu":1,"on":true})",
        R"({"imu":{"accel":{"x":1},"values":[7]},"on":true})", R"({"imu":)", "{}", "[]"}) {
    values_of(p, bad, &why);
    EXPECT_NE(why, "") << bad;
  }
  EXPECT_EQ((values_of(p, R"({"imu":)", &why), why), "the line is no JSON");
}

TEST(LineParser, ReadsTheTime) {
  LineParser p = parser({"t", "x"}, "t");
  EXPECT_THAT(p.names(), ElementsAre("x"));
  std::vector<float> values;
  const auto time = p.parse("1700000000.25,3", values);
  ASSERT_TRUE(time.ok());
  EXPECT_EQ(**time, 1'700'000'000'250'000'000);
  EXPECT_THAT(values, ElementsAre(3.F));
  std::string why;
  EXPECT_THAT((values_of(p, "-1,3", &why), why), HasSubstr("no time of day"));
  EXPECT_THAT((values_of(p, "1e300,3", &why), why), HasSubstr("no time of day"));
}

TEST(LineParser, RefusesColumnsThatMakeNoSense) {
  const auto why = [](std::vector<std::string> columns, const std::string& time) {
    return LineParser::create(std::move(columns), time, ',').status().message();
  };
  EXPECT_THAT(why({}, ""), HasSubstr("no column to take"));
  EXPECT_THAT(why({"_", "t"}, "t"), HasSubstr("no column to take"));
  EXPECT_THAT(why({"x", "x"}, ""), HasSubstr("'x' is there twice"));
  EXPECT_THAT(why({"x"}, "t"), HasSubstr("'t' is none of the columns"));
}

TEST(LineSplitter, JoinsWhatComesInPieces) {
  LineSplitter splitter(8);
  std::vector<std::string> lines;
  for (const char* piece : {"a", "b\nc\r", "\n\n", "12345678\r\n", "123456789\n", "12345678",
                            "9 and more", " still\nd\n", "e"}) {
    splitter.add(piece);
    while (const auto line = splitter.next()) lines.emplace_back(*line);
  }
  EXPECT_THAT(lines, ElementsAre("ab", "c", "12345678", "d"));
  EXPECT_EQ(splitter.too_long(), 2U);
}

class Lines : public ::testing::Test {
 protected:
  config::NodeConfig lines(std::map<std::string, std::string> keys) {
    config::NodeConfig made = node("lines", keys);
    made.entries["columns"] = {{"x", "y"}, true, {"p.yaml", 5, 7}};
    return made;
  }
  void expect(Source& source, const std::vector<float>& values) {
    ASSERT_TRUE(give(source, stopper, frame));
    EXPECT_EQ(frame.samples.values, values);
    EXPECT_EQ(frame.samples.columns, 2);
    EXPECT_EQ(static_cast<size_t>(frame.samples.rows) * 2, values.size());
    EXPECT_THAT(*frame.samples.names, ElementsAre("x", "y"));
    EXPECT_LE(frame.capture_ns, schedule::now_ns());
  }
  static void write(int fd, const std::string& text) {
    ASSERT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  TemporaryFolder folder;
  Stopper stopper;
  Frame frame;
};

TEST_F(Lines, OfAFileEndWithIt) {
  std::ofstream(folder.file("a.csv")) << "x,y\n1,2\n3,4\nbroken\n5,6";
  const auto source = source_of(lines({{"path", folder.file("a.csv")}, {"live", "false"}}));
  EXPECT_FALSE(source->live());
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(source->open().ok());
    expect(*source, {1, 2});
    expect(*source, {3, 4});
    expect(*source, {5, 6});
    EXPECT_FALSE(*source->next(stopper, frame));
  }
  const auto three = source_of(lines({{"path", folder.file("a.csv")}, {"rows", "2"}}));
  ASSERT_TRUE(three->open().ok());
  expect(*three, {1, 2, 3, 4});
  expect(*three, {5, 6});
}

TEST_F(Lines, OfAPipeGoOnWhenItsWriterComesBack) {
  const std::string path = folder.file("pipe");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const auto source = source_of(lines({{"path", path}}));
  EXPECT_TRUE(source->live());
  ASSERT_TRUE(source->open().ok());
  for (int round = 0; round < 3; ++round) {
    const Descriptor writer(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    ASSERT_TRUE(writer.valid());
    write(writer.get(), R"({"x": 1, "y": )");
    write(writer.get(), "2}\n3,4\n");
    expect(*source, {1, 2});
    expect(*source, {3, 4});
  }
}

TEST_F(Lines, OfASerialLineEndWhenItIsUnplugged) {
  Descriptor device(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(device.valid());
  ASSERT_EQ(::grantpt(device.get()), 0);
  ASSERT_EQ(::unlockpt(device.get()), 0);
  const std::string path = ::ptsname(device.get());
  const Descriptor other(::open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  const auto source = source_of(lines({{"path", path}, {"baud", "115200"}}));
  ASSERT_TRUE(source->open().ok());
  termios settings{};
  ASSERT_EQ(::tcgetattr(other.get(), &settings), 0);
  EXPECT_EQ(::cfgetispeed(&settings), static_cast<speed_t>(B115200));
  EXPECT_EQ(settings.c_lflag & (ICANON | ECHO), 0U) << "bytes as they come";
  write(device.get(), "1,2\r\n");
  expect(*source, {1, 2});
  ASSERT_TRUE(source->open().ok());
  write(device.get(), "3,4\r\n");
  expect(*source, {3, 4});
  device.reset();
  EXPECT_THAT(failure_of(*source, stopper), HasSubstr(path));
}

TEST_F(Lines, OfDatagrams) {
  // A port that is free: one that somebody had a moment ago.
  const auto address_of = [](uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    address.sin_port = ::htons(port);
    return address;
  };
  sockaddr_in address = address_of(0);
  Descriptor probe(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(probe.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  socklen_t size = sizeof address;
  ASSERT_EQ(::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string port = std::to_string(::ntohs(address.sin_port));
  const auto source = source_of(lines({{"udp", port}}));
  EXPECT_THAT(source->open().message(), HasSubstr("in use"));
  probe.reset();
  const Status opened = source->open();
  ASSERT_TRUE(opened.ok()) << opened.to_string();
  const Descriptor sender(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(sender.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  write(sender.get(), "1,2");
  write(sender.get(), "3,4\n5,6\n");
  expect(*source, {1, 2});
  expect(*source, {3, 4});
  expect(*source, {5, 6});
  ASSERT_TRUE(source->open().ok()) << "its own port is free for it";
}

TEST_F(Lines, HaveTheTimeOfTheirSensor) {
  timespec day{};
  ::clock_gettime(CLOCK_REALTIME, &day);
  const int64_t before = schedule::now_ns();
  std::ofstream(folder.file("a")) << day.tv_sec - 10 << ".5,7\n" << day.tv_sec + 1000 << ",8\n";
  auto made = node("lines", {{"path", folder.file("a")}, {"time", "t"}});
  made.entries["columns"] = {{"t", "x"}, true, {"p.yaml", 5, 7}};
  const auto source = source_of(made);
  ASSERT_TRUE(source->open().ok());
  ASSERT_TRUE(give(*source, stopper, frame));
  EXPECT_LE(frame.capture_ns, schedule::now_ns() - 9'000'000'000);
  EXPECT_GE(frame.capture_ns, before - 12'000'000'000);
  ASSERT_TRUE(give(*source, stopper, frame));
  EXPECT_LE(frame.capture_ns, schedule::now_ns()) << "nothing is from the future";
}

TEST_F(Lines, AWaitIsStopped) {
  ASSERT_EQ(::mkfifo(folder.file("pipe").c_str(), 0600), 0);
  const auto source = source_of(lines({{"path", folder.file("pipe")}}));
  EXPECT_EQ(source->patience_ns(), 0) << "sensors may have nothing to say";
  ASSERT_TRUE(source->open().ok());
  std::thread other([&] { stopper.stop(); });
  const auto next = source->next(stopper, frame);
  other.join();
  ASSERT_TRUE(next.ok());
  EXPECT_FALSE(*next);
}

TEST_F(Lines, MistakesAreNamedWhereTheyStand) {
  EXPECT_THAT(refusal(lines({})), HasSubstr("p.yaml:3:5: 'lines' needs either 'path' or 'udp'"));
  EXPECT_THAT(refusal(node("lines", {{"path", "x"}})), HasSubstr("needs other 'columns'"));
  EXPECT_THAT(refusal(lines({{"path", "x"}, {"baud", "9601"}})),
              HasSubstr("p.yaml:4:7: serial lines have no 9601 baud"));
  EXPECT_THAT(source_of(lines({{"udp", "5"}, {"bind", "nobody"}}))->open().message(),
              HasSubstr("'bind: nobody'"));
  EXPECT_THAT(source_of(lines({{"path", "/none"}}))->open().message(), HasSubstr("/none: No such"));
  std::ofstream(folder.file("a")) << "";
  EXPECT_THAT(source_of(lines({{"path", folder.file("a")}, {"baud", "9600"}}))->open().message(),
              HasSubstr("no serial line"));
}

}  // namespace
}  // namespace inferd::pipeline

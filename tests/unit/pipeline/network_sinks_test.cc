// SPDX-License-Identifier: Apache-2.0
//
// The sinks webhook and udp, and a web server that comes and goes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "daemon/pipeline/sink.h"
#include "media/file.h"
#include "media/image.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/pipeline/other_side.h"
#include "tests/unit/pipeline/results.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Writes each request's headers and body to a file of its number; answers as the file "status"
// says. Arguments: port, folder.
constexpr const char* kServer = R"(
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        number = sum(name.startswith("request.") for name in os.listdir(sys.argv[2]))
        with open(sys.argv[2] + "/new", "wb") as out:
            out.write(bytes(self.headers) + body)
        os.rename(sys.argv[2] + "/new", sys.argv[2] + "/request.%04d" % number)
        self.send_response(int(open(sys.argv[2] + "/status").read()))
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
)";

class WebhookTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto probe = make_sink(node("webhook", {{"url", "http://127.0.0.1"}}));
    if (!probe.ok()) GTEST_SKIP() << "WEBHOOKS ARE NOT TESTED: " << probe.status().message();
    if (!has_program("python3")) GTEST_SKIP() << "THERE IS NO python3: WEBHOOKS ARE NOT TESTED";
    std::filesystem::create_directory(folder_.file("requests"));
    answer_with(200);
  }

  void answer_with(int status) {
    std::ofstream(folder_.file("status.new")) << status;
    std::filesystem::rename(folder_.file("status.new"), folder_.file("requests/status"));
  }
  void start_server() {
    server_.start({"python3", "-c", kServer, std::to_string(port_), folder_.file("requests")});
    int fd = -1;
    ASSERT_TRUE(becomes_true([&] { return (fd = connect_to(port_)) >= 0; }));
    ::close(fd);
  }
  std::vector<std::string> requests() const {
    std::vector<std::string> paths, texts;
    for (const auto& file : std::filesystem::directory_iterator(folder_.file("requests"))) {
      if (file.path().stem() == "request") paths.push_back(file.path());
    }
    std::sort(paths.begin(), paths.end());
    for (const std::string& path : paths) {
      const auto bytes = media::read_file(path);
      if (bytes.ok()) texts.emplace_back(bytes->begin(), bytes->end());
    }
    return texts;
  }
  static uint64_t sequence_in(const std::string& request) {
    return json::parse(request.substr(request.find("\n\n") + 2))["sequence"];
  }
  std::vector<uint64_t> sequences() const {
    std::vector<uint64_t> all;
    for (const std::string& request : requests()) all.push_back(sequence_in(request));
    return all;
  }

  std::unique_ptr<Sink> make(std::map<std::string, std::string> keys) const {
    keys["url"] = "http://127.0.0.1:" + std::to_string(port_) + "/hook";
    auto sink = make_sink(node("webhook", keys));
    EXPECT_TRUE(sink.ok()) << sink.status().to_string();
    return std::move(*sink);
  }
  void write(Sink& sink, uint64_t sequence, const std::vector<std::string>& labels = {"cat"}) {
    const Status status = sink.write(*frame_, result_with(sequence, labels));
    if (!status.ok()) errors_.push_back(status.message());
  }
  static bool is_empty(const Sink& sink) {
    return becomes_true([&] { return sink.status().queued == 0; });
  }

  const TemporaryFolder folder_;
  const int port_ = free_port();
  const std::unique_ptr<Frame> frame_ = grey_frame();
  Program server_;
  std::vector<std::string> errors_;
};

TEST_F(WebhookTest, PostsWhatIsWanted) {
  start_server();
  std::ofstream(folder_.file("token")) << "abc\n";
  const auto sink = make(
      {{"on", "changes"}, {"headers", "X-Board: gate"}, {"token_file", folder_.file("token")}});
  const std::vector<std::vector<std::string>> scene = {{"cat"}, {"cat"}, {"dog"}, {}, {}};
  for (size_t i = 0; i < scene.size(); ++i) write(*sink, i + 1, scene[i]);
  ASSERT_TRUE(is_empty(*sink));
  EXPECT_THAT(sequences(), ElementsAre(1, 3, 4));
  EXPECT_THAT(requests()[0], HasSubstr("X-Board: gate\n"));
  EXPECT_THAT(requests()[0], HasSubstr("Authorization: Bearer abc\n"));
  EXPECT_THAT(requests()[0], HasSubstr("Content-Type: application/json\n"));
  EXPECT_EQ(sink->status().dropped, 0U);
  EXPECT_EQ(sink->status().state, "sending");
}

TEST_F(WebhookTest, ASnapshotIsAPartOfItsOwn) {
  start_server();
  const auto sink = make({{"snapshot", "true"}});
  const auto black = grey_frame(320, 240, 0);
  ASSERT_TRUE(sink->write(*black, result_with(1, {})).ok());
  ASSERT_TRUE(sink->write(*black, result_with(2, {"cat"})).ok());
  ASSERT_TRUE(is_empty(*sink));
  ASSERT_EQ(requests().size(), 1U) << "by default, what has detections";
  const std::string request = requests()[0];
  EXPECT_THAT(request, HasSubstr("Content-Type: multipart/form-data;"));
  EXPECT_THAT(request, HasSubstr(R"(name="result")"));
  const size_t part = request.find(R"(name="snapshot"; filename="snapshot.jpg")");
  ASSERT_NE(part, std::string::npos);
  const size_t begin = request.find("\r\n\r\n", part) + 4;
  const auto image = media::decode_image(
      {reinterpret_cast<const uint8_t*>(request.data()) + begin, request.size() - begin});
  ASSERT_TRUE(image.ok()) << image.status().to_string();
  EXPECT_EQ(image->width, 320);
  // The lower edge of the box, two pixels high, and what is below it.
  EXPECT_GT(image->row(178)[3 * 160] + image->row(178)[3 * 160 + 1], 60);
  EXPECT_LT(image->row(200)[3 * 160] + image->row(200)[3 * 160 + 1], 20);
}

TEST_F(WebhookTest, ComesBackAfterAServerThatWasKilled) {
  start_server();
  const size_t files = open_files();
  auto sink = make({{"retries", "20"}, {"on", "every"}});
  std::vector<uint64_t> wanted;
  for (uint64_t round = 1; round <= 8; ++round) {
    write(*sink, round);
    ASSERT_TRUE(is_empty(*sink));
    server_.stop(SIGKILL);
    write(*sink, 100 + round);
    ASSERT_TRUE(becomes_true([&] { return sink->status().state == "waiting to try again"; }));
    start_server();
    ASSERT_TRUE(is_empty(*sink)) << sink->status().last_error;
    wanted.insert(wanted.end(), {round, 100 + round});
  }
  EXPECT_EQ(sequences(), wanted);
  EXPECT_EQ(sink->status().dropped, 0U);
  EXPECT_THAT(sink->status().last_error, HasSubstr("/hook: "));
  EXPECT_EQ(errors_.size(), 1U) << "the same trouble is said once";
  sink.reset();
  EXPECT_EQ(open_files(), files);
}

TEST_F(WebhookTest, WhatIsRefusedOrTooMuchIsDropped) {
  start_server();
  answer_with(400);
  const auto sink = make({{"on", "every"}});
  write(*sink, 1);
  ASSERT_TRUE(is_empty(*sink));
  EXPECT_THAT(sink->status().last_error, HasSubstr("answers with status 400"));
  EXPECT_EQ(requests().size(), 1U) << "another try would not help";
  EXPECT_EQ(sink->status().dropped, 1U);
  answer_with(503);
  for (uint64_t i = 2; i <= 101; ++i) write(*sink, i);
  EXPECT_TRUE(becomes_true([&] { return requests().size() >= 3; })) << "it is tried again";
  EXPECT_LE(sink->status().queued, 33U);
  EXPECT_EQ(sink->status().queued + sink->status().dropped, 101U);
}

TEST_F(WebhookTest, ResultsCanBeKeptApart) {
  start_server();
  const auto sink = make({{"on", "changes"}, {"min_interval_ms", "200"}});
  write(*sink, 1, {"cat"});
  write(*sink, 2, {"dog"});
  ASSERT_TRUE(becomes_true([&] {
    write(*sink, 3, {"dog"});
    return sequences().size() == 2;
  }));
  EXPECT_THAT(sequences(), ElementsAre(1, 3)) << "a change that came too early comes later";
}

TEST(WebhookKeys, ThatMakeNoSenseAreRefused) {
  if (!make_sink(node("webhook", {{"url", "http://a"}})).ok()) GTEST_SKIP();
  const auto error = [](std::map<std::string, std::string> keys) {
    return make_sink(node("webhook", keys)).status().message();
  };
  EXPECT_THAT(error({{"url", "ftp://a"}}), HasSubstr("must begin with http://"));
  EXPECT_THAT(error({{"url", "http://a"}, {"headers", "X"}}), HasSubstr("'Name: value'"));
  EXPECT_THAT(error({{"url", "http://a"}, {"on", "never"}}),
              HasSubstr("every, detections, changes"));
}

class UdpTest : public ::testing::Test {
 protected:
  UdpTest() {
    const timeval patience{30, 0};
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::bind(fd_, reinterpret_cast<sockaddr*>(&address), size);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~UdpTest() override { ::close(fd_); }

  std::unique_ptr<Sink> make(const std::string& format) const {
    auto sink = make_sink(
        node("udp", {{"address", "127.0.0.1:" + std::to_string(port_)}, {"format", format}}));
    EXPECT_TRUE(sink.ok()) << sink.status().to_string();
    return std::move(*sink);
  }
  std::string receive() const {
    std::string datagram(70'000, '\0');
    const ssize_t n = ::recv(fd_, datagram.data(), datagram.size(), 0);
    datagram.resize(static_cast<size_t>(std::max<ssize_t>(n, 0)));
    return datagram;
  }
  template <typename T>
  static T at(const std::string& datagram, size_t offset) {
    T value{};
    std::memcpy(&value, datagram.data() + offset, sizeof value);
    return value;
  }

  const int fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  int port_ = 0;
  const std::unique_ptr<Frame> frame_ = grey_frame(8, 8);
};

TEST_F(UdpTest, SendsJsonOrBytes) {
  FrameResult r = result_with(7, {"cat", "dog"});
  r.detections[1].track_id = 99;
  ASSERT_TRUE(make("json")->write(*frame_, r).ok());
  EXPECT_EQ(json::parse(receive())["detections"][1]["label"], "dog");
  ASSERT_TRUE(make("binary")->write(*frame_, r).ok());
  const std::string bytes = receive();
  ASSERT_EQ(bytes.size(), 40U + 2 * 32);
  EXPECT_EQ(bytes.substr(0, 6), std::string("IFDR\1\0", 6));
  EXPECT_EQ(at<uint16_t>(bytes, 6), 2);
  EXPECT_EQ(at<uint64_t>(bytes, 8), 7U);
  EXPECT_EQ(at<int64_t>(bytes, 16), r.capture_ns);
  EXPECT_EQ(at<int64_t>(bytes, 24), r.result_ns);
  EXPECT_EQ(at<uint16_t>(bytes, 32), 320);
  EXPECT_EQ(at<uint16_t>(bytes, 34), 240);
  EXPECT_EQ(at<int32_t>(bytes, 72), 1);
  EXPECT_EQ(at<float>(bytes, 76), 0.9F);
  EXPECT_EQ(at<float>(bytes, 88), 0.75F);
  EXPECT_EQ(at<uint64_t>(bytes, 96), 99U);
}

TEST_F(UdpTest, WhatIsTooLargeIsDroppedAndNobodyNeedListen) {
  const auto sink = make("json");
  EXPECT_THAT(sink->write(*frame_, result_with(1, std::vector<std::string>(2000, "cat"))).message(),
              HasSubstr("too large for a datagram"));
  ASSERT_TRUE(sink->write(*frame_, result_with(2, {})).ok());
  EXPECT_EQ(json::parse(receive())["sequence"], 2);
  ::shutdown(fd_, SHUT_RDWR);
  for (uint64_t i = 3; i <= 100; ++i) EXPECT_TRUE(sink->write(*frame_, result_with(i, {})).ok());
  EXPECT_EQ(sink->status().dropped, 1U);
}

TEST(UdpKeys, TheAddressIsANumber) {
  for (const char* good : {"10.0.0.1:80", "[::1]:5000"})
    EXPECT_TRUE(make_sink(node("udp", {{"address", good}})).ok()) << good;
  for (const char* bad : {"localhost:80", "10.0.0.1", "10.0.0.1:0", "10.0.0.1:70000", "::1:5000"}) {
    EXPECT_THAT(make_sink(node("udp", {{"address", bad}})).status().message(),
                HasSubstr("'address' must be like"))
        << bad;
  }
}

}  // namespace
}  // namespace inferd::pipeline

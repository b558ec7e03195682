// SPDX-License-Identifier: Apache-2.0
//
// The sink mjpeg, as browsers see it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <map>
#include <thread>

#include "daemon/pipeline/sink.h"
#include "media/image.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/pipeline/other_side.h"
#include "tests/unit/pipeline/results.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

// A connection that asks for one path and reads the answer bit by bit. Ends of lines are "\r\n".
class Browser {
 public:
  Browser(int port, const std::string& path, const std::string& method = "GET")
      : fd_(connect_to(port)) {
    const timeval patience{30, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const std::string request = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    EXPECT_EQ(::send(fd_, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
  }
  ~Browser() { ::close(fd_); }
  void hang_up() const { ::shutdown(fd_, SHUT_RDWR); }
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  // Up to the empty line.
  const std::string& headers() {
    while (headers_.find("\r\n\r\n") == std::string::npos) {
      const std::string byte = take_raw(1);
      if (byte.empty()) break;
      headers_ += byte;
    }
    return headers_;
  }
  // Of the body, without the chunks that it comes in.
  std::string take(size_t bytes) {
    const bool chunked = headers().find("Transfer-Encoding: chunked") != std::string::npos;
    std::string out;
    while (chunked && out.size() < bytes) {
      if (chunk_ == 0) {
        chunk_ = std::strtoul(line_raw().c_str(), nullptr, 16);
        if (chunk_ == 0) return out;
      }
      const std::string piece = take_raw(std::min(chunk_, bytes - out.size()));
      if (piece.empty()) return out;
      out += piece;
      chunk_ -= piece.size();
      if (chunk_ == 0) line_raw();
    }
    return chunked ? out : take_raw(bytes);
  }
  // The next picture of a stream; without pixels at its end.
  media::Image picture() {
    std::string part;
    while (part.find("\r\n\r\n") == std::string::npos) {
      const std::string byte = take(1);
      if (byte.empty()) return {};
      part += byte;
    }
    EXPECT_THAT(part, HasSubstr("--inferd-frame\r\nContent-Type: image/jpeg\r\n"));
    const size_t bytes = std::strtoul(part.c_str() + part.find("Length: ") + 8, nullptr, 10);
    const std::string jpeg = take(bytes);
    EXPECT_EQ(take(2), "\r\n");
    const auto image =
        media::decode_image({reinterpret_cast<const uint8_t*>(jpeg.data()), jpeg.size()});
    EXPECT_TRUE(image.ok()) << image.status().to_string();
    return image.ok() ? *image : media::Image{};
  }
  size_t content_length() {
    const size_t at = headers().find("Content-Length: ");
    return at == std::string::npos ? 0 : std::strtoul(headers().c_str() + at + 16, nullptr, 10);
  }

 private:
  std::string take_raw(size_t bytes) {
    std::string out(bytes, '\0');
    size_t have = 0;
    while (have < bytes) {
      const ssize_t n = ::recv(fd_, out.data() + have, bytes - have, 0);
      if (n <= 0) break;
      have += static_cast<size_t>(n);
    }
    out.resize(have);
    return out;
  }
  std::string line_raw() {
    std::string line;
    while (!line.ends_with("\r\n")) {
      const std::string byte = take_raw(1);
      if (byte.empty()) break;
      line += byte;
    }
    return line;
  }

  const int fd_;
  std::string headers_;
  size_t chunk_ = 0;  // what is left of it
};

class MjpegTest : public ::testing::Test {
 protected:
  ~MjpegTest() override { stop(); }

  void make(std::map<std::string, std::string> keys = {}) {
    keys["listen"] = "127.0.0.1:" + std::to_string(port_);
    if (!keys.contains("fps")) keys["fps"] = "1000";
    auto sink = make_sink(node("mjpeg", keys));
    ASSERT_TRUE(sink.ok()) << sink.status().to_string();
    sink_ = std::move(*sink);
    EXPECT_TRUE(sink_->write(*frame_, result_with(1, {})).ok());
  }
  // A camera that goes on and on.
  void run() {
    camera_ = std::thread([this] {
      for (uint64_t i = 2; !stopping_; ++i) {
        EXPECT_TRUE(sink_->write(*frame_, result_with(i, {"cat"})).ok());
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  }
  void stop() {
    stopping_ = true;
    if (camera_.joinable()) camera_.join();
    sink_.reset();
  }
  static void expect_box(const media::Image& image) {
    ASSERT_EQ(image.width, 320);
    ASSERT_EQ(image.height, 240);
    // The lower edge of the box, two pixels high, and what is below it.
    EXPECT_GT(image.row(178)[3 * 160] + image.row(178)[3 * 160 + 1], 60);
    EXPECT_LT(image.row(200)[3 * 160] + image.row(200)[3 * 160 + 1], 20);
  }

  const int port_ = free_port();
  const std::unique_ptr<Frame> frame_ = grey_frame(320, 240, 0);
  std::unique_ptr<Sink> sink_;
  std::thread camera_;
  std::atomic<bool> stopping_{false};
};

TEST_F(MjpegTest, AStreamIsPicturesWithBoxes) {
  make();
  run();
  Browser browser(port_, "/stream.mjpg");
  EXPECT_THAT(browser.headers(), HasSubstr("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(browser.headers(),
              HasSubstr("Content-Type: multipart/x-mixed-replace; boundary=inferd-frame\r\n"));
  for (int i = 0; i < 10; ++i) expect_box(browser.picture());
  EXPECT_EQ(sink_->status().state, "1 clients");
  stop();
  while (browser.picture().width > 0) {
  }  // it ends, instead of staying as it is
}

TEST_F(MjpegTest, ASnapshotIsTheNextPicture) {
  make({{"path", "/yard"}});
  run();
  Browser browser(port_, "/snapshot.jpg");
  EXPECT_THAT(browser.headers(), HasSubstr("Content-Type: image/jpeg\r\n"));
  const std::string jpeg = browser.take(browser.content_length());
  const auto image =
      media::decode_image({reinterpret_cast<const uint8_t*>(jpeg.data()), jpeg.size()});
  ASSERT_TRUE(image.ok()) << image.status().to_string();
  expect_box(*image);
  EXPECT_THAT(Browser(port_, "/stream.mjpg").headers(), HasSubstr("404 Not Found"));
  EXPECT_THAT(Browser(port_, "/yard", "POST").headers(), HasSubstr("405 Method Not Allowed"));
}

// Pixels that cannot be read prove it.
TEST_F(MjpegTest, NothingIsDrawnWhileNobodyLooks) {
  make();
  constexpr size_t kBytes = 320 * 240 * 3;
  void* nothing = ::mmap(nullptr, kBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  Frame frame;
  frame.picture = frame_->picture;
  frame.picture.planes[0] = static_cast<const uint8_t*>(nothing);
  const auto write_blind = [&] {
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(sink_->write(frame, result_with(1, {"cat"})).ok());
    }
  };
  write_blind();
  {
    Browser browser(port_, "/stream.mjpg");
    browser.headers();
    ASSERT_TRUE(sink_->write(*frame_, result_with(2, {"cat"})).ok());
    expect_box(browser.picture());
  }
  // Only somebody who is written to is known to have gone.
  EXPECT_TRUE(becomes_true([&] {
    EXPECT_TRUE(sink_->write(*frame_, result_with(3, {"cat"})).ok());
    return sink_->status().state == "0 clients";
  }));
  write_blind();
  ::munmap(nothing, kBytes);
}

TEST_F(MjpegTest, ASlowClientHoldsUpNobody) {
  make({{"quality", "100"}});
  run();
  Browser slow(port_, "/stream.mjpg");
  slow.headers();
  Browser fast(port_, "/stream.mjpg");
  for (int i = 0; i < 200; ++i) expect_box(fast.picture());
  for (int i = 0; i < 5; ++i) expect_box(slow.picture());
}

TEST_F(MjpegTest, ThereAreNotMoreClientsThanAllowedAndTheirFilesAreClosed) {
  const size_t files = open_files();
  make({{"max_clients", "2"}});
  run();
  for (int round = 0; round < 20; ++round) {
    Browser one(port_, "/stream.mjpg"), two(port_, "/stream.mjpg");
    expect_box(one.picture());
    expect_box(two.picture());
    EXPECT_THAT(Browser(port_, "/stream.mjpg").headers(), HasSubstr("503 Service Unavailable"));
    one.hang_up();
    two.hang_up();
    ASSERT_TRUE(becomes_true([&] { return sink_->status().state == "0 clients"; }));
  }
  stop();
  EXPECT_EQ(open_files(), files);
}

TEST_F(MjpegTest, WaitsForItsPort) {
  make();
  const auto second = make_sink(
      node("mjpeg", {{"listen", "127.0.0.1:" + std::to_string(port_)}, {"path", "/second"}}));
  ASSERT_TRUE(second.ok());
  EXPECT_THAT((*second)->write(*frame_, result_with(1, {})).message(), HasSubstr("cannot listen"));
  EXPECT_EQ((*second)->status().state, "waiting to listen");
  sink_.reset();
  EXPECT_TRUE(becomes_true([&] {
    EXPECT_TRUE((*second)->write(*frame_, result_with(1, {})).ok());
    return (*second)->status().state == "0 clients";
  }));
}

TEST(MjpegKeys, ThatMakeNoSenseAreRefused) {
  const auto error = [](std::map<std::string, std::string> keys) {
    return make_sink(node("mjpeg", keys)).status().message();
  };
  EXPECT_THAT(error({{"listen", "0.0.0.0:8090"}}), HasSubstr("add 'insecure: true'"));
  EXPECT_EQ(error({{"listen", "0.0.0.0:8090"}, {"insecure", "true"}}), "");
  EXPECT_THAT(error({{"listen", "localhost:8090"}}), HasSubstr("'listen' must be like"));
  EXPECT_THAT(error({{"path", "stream"}}), HasSubstr("must begin with /"));
  EXPECT_THAT(error({{"path", "/snapshot.jpg"}}), HasSubstr("must begin with /"));
}

}  // namespace
}  // namespace inferd::pipeline

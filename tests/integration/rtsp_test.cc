// SPDX-License-Identifier: Apache-2.0
//
// The source `rtsp` with a real server that dies and comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "tests/unit/pipeline/smpte_bars.h"
#include "tests/unit/pipeline/source_of.h"

namespace inferd::pipeline {
namespace {

constexpr std::chrono::seconds kComesWithin(60);

class Server {
 public:
  // Port 0: any that is free.
  explicit Server(int port) {
    int ends[2] = {};
    if (::pipe(ends) != 0) std::abort();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    std::string program = RTSP_SERVER, number = std::to_string(port);
    char* const arguments[] = {program.data(), number.data(), nullptr};
    if (::posix_spawn(&process_, program.c_str(), &actions, nullptr, arguments, ::environ) != 0)
      std::abort();
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    FILE* said = ::fdopen(ends[0], "r");
    if (std::fscanf(said, "%d", &port_) != 1) port_ = 0;
    std::fclose(said);
  }
  ~Server() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const { return port_; }

 private:
  pid_t process_ = -1;
  int port_ = 0;
};

std::unique_ptr<Source> rtsp(int port, const std::string& path, const std::string& protocol) {
  return source_of(node("rtsp", {{"url", "rtsp://127.0.0.1:" + std::to_string(port) + path},
                                 {"protocol", protocol},
                                 {"timeout_ms", "5000"},
                                 {"latency_ms", "50"}}));
}

// As the runtime does: a source that gives nothing for its patience is stopped, which is a failure.
Result<bool> next_of(Source& source, Frame& frame) {
  Stopper stopper, done;
  std::thread watch([&] {
    if (done.wait_until(schedule::now_ns() + source.patience_ns())) stopper.stop();
  });
  frame.lease = nullptr;
  const auto next = source.next(stopper, frame);
  done.stop();
  watch.join();
  if (next.ok() && !*next) return unavailable("silence");
  return next;
}

std::string why_it_fails(Source& source) {
  Frame frame;
  for (;;) {
    const auto next = next_of(source, frame);
    if (!next.ok()) return next.status().message();
  }
}

// As the runtime does: opened again after each failure, until a frame comes.
::testing::AssertionResult comes(Source& source, Frame& frame) {
  std::string why;
  const auto until = std::chrono::steady_clock::now() + kComesWithin;
  while (std::chrono::steady_clock::now() < until) {
    const auto next = next_of(source, frame);
    if (next.ok()) return ::testing::AssertionSuccess();
    why = next.status().message();
    const Status opened = source.open();
    if (!opened.ok()) why = opened.message();
  }
  return ::testing::AssertionFailure() << why;
}

class Rtsp : public ::testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(Rtsp, FramesComeAgainWhenTheServerDoes) {
  const auto [path, protocol] = GetParam();
  auto server = std::make_unique<Server>(0);
  ASSERT_GT(server->port(), 0);
  const int port = server->port();
  const auto source = rtsp(port, path, protocol);
  Frame frame;
  const int64_t before = schedule::now_ns();
  ASSERT_TRUE(comes(*source, frame));
  EXPECT_EQ(frame.picture.width, 320);
  EXPECT_EQ(frame.picture.height, 240);
  EXPECT_GE(frame.capture_ns, before);
  EXPECT_LE(frame.capture_ns, schedule::now_ns());
  expect_smpte_bars(frame.picture, 16);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(next_of(*source, frame).ok());

  server.reset();
  EXPECT_NE(why_it_fails(*source), "");
  // While nobody is there, each attempt says why.
  const Status opened = source->open();
  const std::string why = opened.ok() ? why_it_fails(*source) : opened.message();
  EXPECT_THAT(why, ::testing::HasSubstr("GStreamer's element '"));

  server = std::make_unique<Server>(port);
  ASSERT_EQ(server->port(), port);
  ASSERT_TRUE(comes(*source, frame));
  expect_smpte_bars(frame.picture, 16);
}

INSTANTIATE_TEST_SUITE_P(EachWay, Rtsp,
                         ::testing::Values(std::pair("/h264", "tcp"), std::pair("/jpeg", "tcp"),
                                           std::pair("/h264", "udp")),
                         [](const auto& test) {
                           return test.param.first.substr(1) + "_" + test.param.second;
                         });

TEST(RtspServer, WhatItDoesNotHaveIsAnError) {
  const Server server(0);
  const auto source = rtsp(server.port(), "/nothing", "tcp");
  const Status opened = source->open();
  const std::string why = opened.ok() ? why_it_fails(*source) : opened.message();
  EXPECT_THAT(why, ::testing::HasSubstr("Not Found"));
}

}  // namespace
}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
//
// Frames and results over the local socket, as a program in C sends and gets them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>
#include <thread>

#include "clients/c/inferd_local.h"
#include "daemon/pipeline/pipelines.h"
#include "daemon/serve/local/local_server.h"
#include "tests/unit/fakes.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::serve {
namespace {

using ::testing::HasSubstr;

constexpr int kTimeoutMs = 60'000;
constexpr uint32_t kWidth = 16, kHeight = 8;
constexpr size_t kBytes = size_t{kWidth} * kHeight * 3;

class Program {
 public:
  explicit Program(const std::string& path) {
    EXPECT_EQ(inferd_local_connect(path.c_str(), &daemon_, &error_), 0) << error_.message;
    EXPECT_EQ(inferd_local_map(daemon_, 8 * kBytes, &memory_, &error_), 0) << error_.message;
  }
  ~Program() { inferd_local_close(daemon_); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  uint64_t watch(const char* pipeline) {
    uint64_t id = 0;
    EXPECT_EQ(inferd_local_watch(daemon_, pipeline, INFERD_JSON, 0, &id, &error_), 0)
        << error_.message;
    return id;
  }
  int unwatch(uint64_t id) { return inferd_local_unwatch(daemon_, id, &error_); }

  uint64_t push(int64_t capture_ns, size_t slot = 0, const char* source = "in") {
    inferd_frame frame{};
    frame.source = source;
    frame.buffer = memory_.number;
    frame.offset = slot * kBytes;
    frame.bytes = kBytes;
    frame.capture_ns = capture_ns;
    frame.width = kWidth;
    frame.height = kHeight;
    uint64_t id = 0;
    EXPECT_EQ(inferd_local_push(daemon_, &frame, &id, &error_), 0) << error_.message;
    return id;
  }
  inferd_event event() {
    inferd_event event{};
    EXPECT_EQ(inferd_local_event(daemon_, kTimeoutMs, &event, &error_), 0) << error_.message;
    return event;
  }
  // While the daemon answers something else.
  void ask() {
    inferd_listing listing;
    uint32_t count = 0;
    EXPECT_EQ(inferd_local_list(daemon_, 0, &listing, &count, &error_), INFERD_OUT_OF_RANGE);
  }

 private:
  inferd_local* daemon_ = nullptr;
  inferd_error error_{};
  inferd_buffer memory_{};
};

class LocalPushTest : public ::testing::Test {
 protected:
  void SetUp() override {
    config::PipelineConfig config;
    config.name = "pushed";
    config.source.type = "push";
    for (const auto& [key, value] :
         std::map<std::string, std::string>{{"name", "in"}, {"width", "16"}, {"height", "8"}})
      config.source.entries[key] = {{value}, false, {}};
    auto pipelines = pipeline::Pipelines::create({config}, repository_);
    ASSERT_TRUE(pipelines.ok()) << pipelines.status().to_string();
    pipelines_ = std::move(*pipelines);
    pipelines_->start();
    config::LocalListener listener;
    listener.path = path_ = folder_.file("local.sock");
    listener.max_in_flight = 8;
    auto server = start_local(listener, repository_, *pipelines_, "test");
    ASSERT_TRUE(server.ok()) << server.status().to_string();
    server_ = std::move(*server);
    // Until the source is open.
    Program first(path_);
    while (first.push(1), first.event().code != 0) std::this_thread::yield();
  }

  const TemporaryFolder folder_;
  FakeRepository repository_;
  std::unique_ptr<pipeline::Pipelines> pipelines_;
  std::unique_ptr<Server> server_;
  std::string path_;
};

TEST_F(LocalPushTest, EachFrameIsAnsweredAndHasAResult) {
  Program program(path_);
  const uint64_t watch = program.watch("pushed");
  for (int64_t i = 1; i <= 50; ++i) {
    const uint64_t id = program.push(i);
    if (i % 10 == 0) program.ask();  // events that come meanwhile are kept
    std::set<int> seen;
    for (int k = 0; k < 2; ++k) {
      const inferd_event event = program.event();
      seen.insert(event.kind);
      ASSERT_EQ(event.code, 0) << event.message;
      EXPECT_EQ(event.capture_ns, i);
      if (event.kind == INFERD_PUSHED) {
        EXPECT_EQ(event.id, id);
        EXPECT_EQ(event.fate, INFERD_USED);
      } else {
        EXPECT_EQ(event.id, watch);
        EXPECT_EQ(event.dropped, 0U);
        const std::string text(static_cast<const char*>(event.data));
        EXPECT_EQ(text.size(), event.bytes);
        EXPECT_THAT(text, HasSubstr("\"pipeline\":\"pushed\""));
      }
    }
    EXPECT_EQ(seen.size(), 2U);
  }
  EXPECT_EQ(program.unwatch(watch), 0);
  EXPECT_EQ(program.unwatch(watch), INFERD_NOT_FOUND);
}

TEST_F(LocalPushTest, MoreFramesThanMayBeOnTheirWayAreRefused) {
  Program program(path_);
  std::map<uint64_t, int> codes;
  for (int i = 0; i < 200; ++i) codes[program.push(i + 1, static_cast<size_t>(i) % 8)] = -1;
  for (int i = 0; i < 200; ++i) {
    const inferd_event event = program.event();
    ASSERT_TRUE(codes.contains(event.id));
    EXPECT_EQ(codes[event.id], -1) << "one answer each";
    EXPECT_TRUE(event.code == 0 || event.code == INFERD_RESOURCE_EXHAUSTED) << event.message;
    codes[event.id] = event.code;
  }
}

TEST_F(LocalPushTest, ProgramsGoWhileTheirFramesAreOnTheirWay) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        Program program(path_);
        program.watch("pushed");
        for (size_t k = 0; k < 5; ++k) program.push(i + 1, k);
        if (i % 2 == 0) program.event();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(LocalPushTest, TheEndOfAPipelineIsTold) {
  Program program(path_);
  const uint64_t watch = program.watch("pushed");
  ASSERT_TRUE(pipelines_->stop("pushed").ok());
  const inferd_event event = program.event();
  EXPECT_EQ(event.id, watch);
  EXPECT_EQ(event.code, INFERD_UNAVAILABLE);
  program.push(1);
  EXPECT_EQ(program.event().code, INFERD_NOT_FOUND);
}

TEST_F(LocalPushTest, TheDaemonStopsWhileFramesCome) {
  Program program(path_);
  program.watch("pushed");
  for (int i = 0; i < 5; ++i) program.push(i + 1, static_cast<size_t>(i));
  pipelines_->stop();
  server_->shut_down(1000);
}

}  // namespace
}  // namespace inferd::serve

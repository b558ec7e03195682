// SPDX-License-Identifier: Apache-2.0
//
// The source `push`, and what whoever pushes is told of his frames.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "daemon/pipeline/feed.h"
#include "daemon/pipeline/inlet.h"
#include "daemon/pipeline/pipelines.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/source_of.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

// Says how often leases have gone, and with which fate the last one.
struct Told {
  std::atomic<int> gone{0};
  std::atomic<int> last{-1};
};

class Lease final : public Fate {
 public:
  Lease(Told& told, std::vector<std::byte> bytes) : told_(told), bytes_(std::move(bytes)) {}
  ~Lease() {
    told_.last = value();
    ++told_.gone;
  }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  Told& told_;
  const std::vector<std::byte> bytes_;
};

config::NodeConfig push_node(std::map<std::string, std::string> keys) { return node("push", keys); }

config::NodeConfig samples_node() {
  config::NodeConfig n = node("push", {{"name", "imu"}});
  n.entries["columns"] = {{"x", "y"}, true, {"p.yaml", 4, 7}};
  return n;
}

// A picture of 4x2 in RGB, all of one value.
PushedFrame picture(Told& told, uint8_t value, size_t stride = 0, int64_t capture_ns = 0) {
  const size_t row = stride == 0 ? 12 : stride;
  auto lease = std::make_shared<Lease>(told, std::vector<std::byte>(row * 2, std::byte{value}));
  PushedFrame frame;
  frame.bytes = lease->bytes();
  frame.width = 4;
  frame.height = 2;
  frame.stride = stride;
  frame.capture_ns = capture_ns;
  frame.lease = std::move(lease);
  return frame;
}

class PushTest : public ::testing::Test {
 protected:
  void open(const config::NodeConfig& node) {
    auto source = make_source(node, inlets_);
    ASSERT_TRUE(source.ok()) << source.status().to_string();
    source_ = std::move(*source);
    ASSERT_TRUE(source_->open().ok());
  }
  void open_pictures(std::map<std::string, std::string> more = {}) {
    more.insert({{"name", "pad"}, {"width", "4"}, {"height", "2"}});
    open(push_node(more));
  }

  Told told_;
  Stopper stopper_;
  const std::shared_ptr<Inlets> inlets_ = std::make_shared<Inlets>();
  std::unique_ptr<Source> source_;
};

TEST(Push, BadOptionsAreRefusedWithTheirPlace) {
  EXPECT_THAT(refusal(push_node({{"width", "4"}, {"height", "2"}})), HasSubstr("name"));
  EXPECT_THAT(refusal(push_node({{"name", "a"}})), HasSubstr("p.yaml:3:5: 'push' needs either"));
  EXPECT_THAT(refusal(push_node({{"name", "a"}, {"width", "4"}})), HasSubstr("needs either"));
  EXPECT_THAT(
      refusal(push_node({{"name", "a"}, {"width", "5"}, {"height", "2"}, {"format", "nv12"}})),
      HasSubstr("even"));
  EXPECT_THAT(refusal(push_node({{"name", "a"}, {"width", "4"}, {"height", "2"}, {"format", "x"}})),
              HasSubstr("p.yaml:4:7: 'x' is no pixel format; known: rgb"));
  EXPECT_THAT(refusal(push_node({{"name", "a"}, {"width", "4"}, {"height", "2"}, {"fps", "2"}})),
              HasSubstr("fps"));
  config::NodeConfig both = samples_node();
  both.entries["width"] = {{"4"}, false, {"p.yaml", 4, 7}};
  EXPECT_THAT(refusal(both), HasSubstr("needs either"));
  config::NodeConfig twice = samples_node();
  twice.entries["columns"].items = {"x", "x"};
  EXPECT_THAT(refusal(twice), HasSubstr("column 'x'"));
}

TEST_F(PushTest, PixelsStayWhereTheyAreUntilNobodyReadsThem) {
  open_pictures();
  PushedFrame pushed = picture(told_, 7, 16, 5);
  const auto* pixels = reinterpret_cast<const uint8_t*>(pushed.bytes.data());
  const auto captured = inlets_->put("pad", std::move(pushed));
  ASSERT_TRUE(captured.ok()) << captured.status().to_string();
  EXPECT_EQ(*captured, 5);
  Frame frame;
  ASSERT_TRUE(give(*source_, stopper_, frame));
  EXPECT_EQ(frame.picture.planes[0], pixels);
  EXPECT_EQ(frame.picture.strides[0], 16U);
  EXPECT_EQ(frame.capture_ns, 5);
  EXPECT_EQ(told_.gone, 0);
  frame.fate->note(Fate::kUsed);
  frame.fate->note(Fate::kStale);  // of another node, which did less with it
  frame.lease.reset();
  EXPECT_EQ(told_.gone, 1);
  EXPECT_EQ(told_.last, Fate::kUsed);
}

TEST_F(PushTest, ATimeOfCaptureIsNeverLaterThanNow) {
  open_pictures();
  const int64_t before = schedule::now_ns();
  for (const int64_t said : {int64_t{0}, INT64_MAX}) {
    const auto captured = inlets_->put("pad", picture(told_, 1, 0, said));
    ASSERT_TRUE(captured.ok());
    EXPECT_GE(*captured, before);
    EXPECT_LE(*captured, schedule::now_ns());
  }
  EXPECT_EQ(inlets_->put("pad", picture(told_, 1, 0, -1)).status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(PushTest, TheNewestTakesThePlaceOfTheOldest) {
  open_pictures({{"queue", "2"}});
  for (uint8_t i = 1; i <= 3; ++i) ASSERT_TRUE(inlets_->put("pad", picture(told_, i)).ok());
  EXPECT_EQ(told_.gone, 1);
  EXPECT_EQ(told_.last, Fate::kOverwritten);
  Frame frame;
  ASSERT_TRUE(give(*source_, stopper_, frame));
  EXPECT_EQ(frame.picture.planes[0][0], 2);
}

TEST_F(PushTest, WhatIsNotAsConfiguredIsRefused) {
  open_pictures();
  const auto refused = [&](PushedFrame frame) {
    const auto put = inlets_->put("pad", std::move(frame));
    EXPECT_FALSE(put.ok());
    EXPECT_EQ(put.status().code(), StatusCode::kInvalidArgument);
    return put.status().message();
  };
  PushedFrame wide = picture(told_, 1);
  wide.width = 8;
  EXPECT_THAT(refused(std::move(wide)), HasSubstr("takes pictures of 4x2 in rgb, not of 8x2"));
  PushedFrame other = picture(told_, 1);
  other.format = media::PixelFormat::kBgr;
  EXPECT_THAT(refused(std::move(other)), HasSubstr("in bgr"));
  PushedFrame cut = picture(told_, 1);
  cut.bytes = cut.bytes.first(23);
  EXPECT_THAT(refused(std::move(cut)), HasSubstr("takes 24 bytes"));
  PushedFrame narrow = picture(told_, 1);
  narrow.stride = 11;
  EXPECT_THAT(refused(std::move(narrow)), HasSubstr("rows of 11 bytes"));
  PushedFrame huge = picture(told_, 1);
  huge.stride = SIZE_MAX;
  refused(std::move(huge));
  PushedFrame samples = picture(told_, 1);
  samples.kind = PushedFrame::Kind::kSamples;
  EXPECT_THAT(refused(std::move(samples)), HasSubstr("takes pictures"));
  EXPECT_EQ(told_.gone, 6);
}

TEST_F(PushTest, SamplesAreRowsOfTheColumns) {
  open(samples_node());
  const std::vector<float> values{1, 2, 3, 4};
  const auto bytes = std::as_bytes(std::span(values));
  const auto samples = [&](size_t size, int columns) {
    auto lease = std::make_shared<Lease>(
        told_, std::vector<std::byte>(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size)));
    PushedFrame frame;
    frame.kind = PushedFrame::Kind::kSamples;
    frame.columns = columns;
    frame.bytes = lease->bytes();
    frame.lease = std::move(lease);
    return frame;
  };
  EXPECT_FALSE(inlets_->put("imu", samples(16, 4)).ok());
  EXPECT_FALSE(inlets_->put("imu", samples(12, 2)).ok());
  EXPECT_FALSE(inlets_->put("imu", samples(0, 2)).ok());
  ASSERT_TRUE(inlets_->put("imu", samples(16, 2)).ok());
  Frame frame;
  ASSERT_TRUE(give(*source_, stopper_, frame));
  EXPECT_EQ(frame.samples.rows, 2);
  EXPECT_EQ(frame.samples.values, values);
  EXPECT_EQ(*frame.samples.names, (std::vector<std::string>{"x", "y"}));
}

TEST_F(PushTest, EncodedPicturesAreDecodedAndBadOnesLeftOut) {
  open_pictures({{"queue", "3"}});
  const auto encoded = [&](int width, int height) {
    media::Image image{width, height,
                       std::vector<uint8_t>(static_cast<size_t>(width * height) * 3, 99)};
    const std::vector<uint8_t> jpeg = *media::encode_jpeg(image, 90);
    const auto bytes = std::as_bytes(std::span(jpeg));
    auto lease = std::make_shared<Lease>(told_, std::vector<std::byte>(bytes.begin(), bytes.end()));
    PushedFrame frame;
    frame.kind = PushedFrame::Kind::kEncoded;
    frame.bytes = lease->bytes();
    frame.lease = std::move(lease);
    return frame;
  };
  ASSERT_TRUE(inlets_->put("pad", encoded(64, 64)).ok());  // larger: not even decoded
  ASSERT_TRUE(inlets_->put("pad", encoded(2, 2)).ok());
  ASSERT_TRUE(inlets_->put("pad", encoded(4, 2)).ok());
  Frame frame;
  ASSERT_TRUE(give(*source_, stopper_, frame));
  EXPECT_EQ(told_.gone, 2);
  EXPECT_EQ(told_.last, Fate::kFailed);
  EXPECT_EQ(frame.picture.width, 4);
  EXPECT_NEAR(frame.picture.planes[0][0], 99, 2);
}

TEST_F(PushTest, AStopEndsTheWaitAndAFrameAfterItIsRefused) {
  open_pictures();
  std::thread stop([&] { stopper_.stop(); });
  Frame frame;
  EXPECT_FALSE(*source_->next(stopper_, frame));
  stop.join();
  ASSERT_TRUE(inlets_->put("pad", picture(told_, 1)).ok());
  source_->close();
  EXPECT_EQ(told_.last, Fate::kStopped);
  const auto late = inlets_->put("pad", picture(told_, 1));
  EXPECT_EQ(late.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(late.status().message(), HasSubstr("there is none at all"));
}

TEST_F(PushTest, SilenceIsAnErrorOnceAndOnlyAfterAFrame) {
  open_pictures({{"timeout_ms", "1"}});
  ASSERT_TRUE(inlets_->put("pad", picture(told_, 1)).ok());
  Frame frame;
  ASSERT_TRUE(give(*source_, stopper_, frame));
  EXPECT_THAT(failure_of(*source_, stopper_),
              HasSubstr("nobody has pushed a frame to 'pad' for 1 ms"));
  // What comes while the feed pauses waits for it.
  ASSERT_TRUE(inlets_->put("pad", picture(told_, 2)).ok());
  ASSERT_TRUE(source_->open().ok());
  frame.lease = nullptr;
  ASSERT_TRUE(give(*source_, stopper_, frame));
  EXPECT_EQ(frame.picture.planes[0][0], 2);
}

TEST_F(PushTest, TwoSourcesCannotHaveOneName) {
  open_pictures();
  auto other = make_source(push_node({{"name", "pad"}, {"width", "8"}, {"height", "8"}}), inlets_);
  ASSERT_TRUE(other.ok());
  EXPECT_EQ((*other)->open().code(), StatusCode::kAlreadyExists);
  other->reset();  // and leaves the first one alone
  EXPECT_TRUE(inlets_->put("pad", picture(told_, 1)).ok());
}

// A pipeline with a source `push` called as itself, and a file for its results.
class PushedPipelineTest : public ::testing::Test {
 protected:
  config::PipelineConfig config(const std::string& name, int queue = 1) const {
    config::PipelineConfig c;
    c.name = name;
    c.source = push_node(
        {{"name", "pad"}, {"width", "4"}, {"height", "2"}, {"queue", std::to_string(queue)}});
    c.sinks = {node("jsonl", {{"path", folder_.file(name)}})};
    return c;
  }
  void make(const std::vector<config::PipelineConfig>& configs) {
    auto pipelines = Pipelines::create(configs, repository_);
    ASSERT_TRUE(pipelines.ok()) << pipelines.status().to_string();
    pipelines_ = std::move(*pipelines);
    pipelines_->start();
    // Until all have had a frame, and nothing is on its way.
    int pushed = 0;
    const auto idle = [&](const PipelineStatus& status) { return status.processed == 0; };
    for (auto list = pipelines_->list(); std::any_of(list.begin(), list.end(), idle);
         list = pipelines_->list()) {
      static_cast<void>(pipelines_->inlets().put("pad", picture(first_, 1)).ok());
      ++pushed;
      std::this_thread::yield();
    }
    while (first_.gone < pushed) std::this_thread::yield();
  }
  Result<int64_t> put(uint8_t value) {
    return pipelines_->inlets().put("pad", picture(told_, value));
  }

  const TemporaryFolder folder_;
  Told told_, first_;
  FakeRepository repository_;
  std::unique_ptr<Pipelines> pipelines_;
};

TEST_F(PushedPipelineTest, AFrameGoesToAllThatConfigureItAlike) {
  make({config("one"), config("other")});
  const auto one = *pipelines_->subscribe("one", 4), other = *pipelines_->subscribe("other", 4);
  const auto captured = put(9);
  ASSERT_TRUE(captured.ok());
  EXPECT_EQ(one->next(60'000)->capture_ns, *captured);
  EXPECT_EQ(other->next(60'000)->capture_ns, *captured);
  while (told_.gone < 1) std::this_thread::yield();
  EXPECT_EQ(told_.last, Fate::kUsed);
}

TEST_F(PushedPipelineTest, AStoppedPipelineTakesNoneAndARestartedOneDoes) {
  make({config("one")});
  ASSERT_TRUE(pipelines_->stop("one").ok());
  EXPECT_EQ(put(1).status().code(), StatusCode::kNotFound);
  ASSERT_TRUE(pipelines_->start("one").ok());
  const auto watcher = *pipelines_->subscribe("one", 4);
  while (!put(1).ok()) std::this_thread::yield();
  EXPECT_NE(watcher->next(60'000), nullptr);
  pipelines_->stop();
  EXPECT_FALSE(put(1).ok());
}

TEST_F(PushedPipelineTest, SomebodyWhoWaitsForAResultIsCalled) {
  make({config("one")});
  std::atomic<int> calls{0};
  {
    const auto watcher = *pipelines_->subscribe("one", 1, [&] { ++calls; });
    ASSERT_TRUE(put(1).ok());
    while (calls == 0) std::this_thread::yield();
    EXPECT_NE(watcher->next(0), nullptr);
    ASSERT_TRUE(pipelines_->stop("one").ok());
    EXPECT_GE(calls, 2);
    EXPECT_TRUE(watcher->ended());
  }
  const int before = calls;
  ASSERT_TRUE(pipelines_->start("one").ok());
  while (!put(1).ok()) std::this_thread::yield();
  EXPECT_EQ(calls, before);
}

TEST_F(PushedPipelineTest, ASnapshotIsTheNextFrame) {
  make({config("one")});
  EXPECT_EQ(pipelines_->snapshot("one", {.timeout_ms = 1}).status().code(),
            StatusCode::kDeadlineExceeded);
  EXPECT_THAT(pipelines_->snapshot("one", {.node = "x"}).status().message(),
              HasSubstr("there are: main:source, main"));
  std::atomic<bool> done{false};
  std::thread pusher([&] {
    while (!done) {
      static_cast<void>(put(200).ok());
      std::this_thread::yield();
    }
  });
  for (const char* node : {"", "main", "main:source"}) {
    const auto snapshot = pipelines_->snapshot("one", {.node = node, .timeout_ms = 60'000});
    EXPECT_TRUE(snapshot.ok()) << snapshot.status().to_string();
    if (!snapshot.ok()) continue;
    const auto image = media::decode_image(snapshot->jpeg);
    ASSERT_TRUE(image.ok());
    EXPECT_EQ(image->width, 4);
    EXPECT_NEAR(image->pixels[0], 200, 3);
    EXPECT_GT(snapshot->result.capture_ns, 0);
  }
  done = true;
  pusher.join();
  pipelines_->stop();
  EXPECT_EQ(pipelines_->snapshot("one", {}).status().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace inferd::pipeline

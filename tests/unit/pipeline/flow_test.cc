// SPDX-License-Identifier: Apache-2.0
//
// What frames wait in between nodes, and where they come from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "daemon/pipeline/feed.h"
#include "daemon/pipeline/inbox.h"
#include "daemon/pipeline/join.h"
#include "daemon/pipeline/rate_limit.h"
#include "tests/unit/pipeline/nodes.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kMs = 1'000'000;

TEST(Inbox, TheNewestTakesThePlaceOfTheOldest) {
  using Put = Inbox<int>::Put;
  Inbox<int> inbox(2, true);
  EXPECT_EQ(inbox.put(1), Put::kTaken);
  EXPECT_EQ(inbox.put(2), Put::kTaken);
  EXPECT_EQ(inbox.put(3), Put::kReplaced);
  inbox.close();
  EXPECT_EQ(inbox.put(4), Put::kClosed);
  int item = 0;
  EXPECT_TRUE(inbox.take(item));
  EXPECT_EQ(item, 2) << "what was inside can still be taken";
  EXPECT_TRUE(inbox.take(item));
  EXPECT_EQ(item, 3);
  EXPECT_FALSE(inbox.take(item));
}

TEST(Inbox, OrWhoeverBringsItWaits) {
  Inbox<int> inbox(2, false);
  std::thread producer([&] {
    for (int i = 1; i <= 1000; ++i) inbox.put(i);
    inbox.close();
  });
  int expected = 1;
  for (int item = 0; inbox.take(item);) EXPECT_EQ(item, expected++);
  producer.join();
  EXPECT_EQ(expected, 1001);
}

struct Counted {
  int recycled = 0;
  void recycle() { ++recycled; }
};

TEST(Pool, ItemsGoRoundAndOutliveIt) {
  auto pool = std::make_unique<Pool<Counted>>();
  std::set<const Counted*> seen;
  std::vector<Ref<Counted>> held(3);
  for (size_t i = 0; i < 30; ++i) {
    held[i % 3] = pool->get();
    seen.insert(&*held[i % 3]);
  }
  EXPECT_EQ(seen.size(), 4U) << "three that are held, and one that takes the place of one";
  const Ref<Counted> shared = held[0];
  EXPECT_FALSE(held[0].unique());
  EXPECT_TRUE(held[1].unique());
  pool.reset();
  EXPECT_GT(shared->recycled, 0);
}

TEST(Pool, IsSharedByThreads) {
  Pool<Counted> pool;
  Inbox<Ref<Counted>> inbox(4, false);
  std::thread consumer([&] {
    for (Ref<Counted> item; inbox.take(item);) item.reset();
  });
  std::set<const Counted*> seen;
  for (int i = 0; i < 10000; ++i) {
    Ref<Counted> item = pool.get();
    seen.insert(&*item);
    inbox.put(item);
  }
  inbox.close();
  consumer.join();
  EXPECT_LE(seen.size(), 7U)
      << "filled, four that wait, one that is handed on, one at the other end";
}

TEST(RateLimit, TakesOneOfSoMany) {
  RateLimit limit(3, 0);
  std::string passed;
  for (int i = 0; i < 9; ++i) passed += limit.passes(i) ? 'x' : '.';
  EXPECT_EQ(passed, "x..x..x..");
}

TEST(RateLimit, KeepsToTheRateThoughTimesTremble) {
  RateLimit limit(1, 10);
  int passed = 0;
  for (int64_t i = 0; i < 300; ++i) {
    const int64_t tremble = (i * 7919 % 11 - 5) * kMs / 2;
    passed += limit.passes(1'000'000 * kMs + i * 1000 * kMs / 30 + tremble) ? 1 : 0;
  }
  EXPECT_GE(passed, 99);
  EXPECT_LE(passed, 101);
}

class JoinTest : public ::testing::Test {
 protected:
  static JoinOptions options(bool latest_wins = true) { return {2, 20 * kMs, 0, 4, latest_wins}; }
  Ref<Packet> packet(int64_t capture_ms) {
    Ref<SharedFrame> frame = frames_.get();
    frame->capture_ns = capture_ms * kMs;
    Ref<Packet> packet = packets_.get();
    packet->show(frame);
    return packet;
  }
  // "100+105": what is joined, or "" when nothing is left.
  std::string take(Join& join) {
    Ref<Packet> packet;
    std::vector<Ref<Packet>> joined;
    if (!join.take(packet, joined, unmatched_)) return "";
    std::string text = std::to_string(packet->frame->capture_ns / kMs);
    for (const auto& other : joined) text += "+" + std::to_string(other->frame->capture_ns / kMs);
    return text;
  }

  Pool<SharedFrame> frames_;
  Pool<Packet> packets_;
  uint64_t unmatched_ = 0;
};

TEST_F(JoinTest, EachGetsTheNearestOfTheOthers) {
  JoinOptions o = options();
  o.wait_ns = 3'600'000 * kMs;
  Join join(o);
  for (const int64_t ms : {98, 108, 118, 128, 138}) join.put(1, packet(ms));
  join.put(0, packet(100));
  join.put(0, packet(104));
  join.put(0, packet(135));
  EXPECT_EQ(take(join), "100+98");
  EXPECT_EQ(take(join), "104+108");
  EXPECT_EQ(take(join), "135+138");
  EXPECT_EQ(unmatched_, 0U);
}

TEST_F(JoinTest, WaitsForALaterOneToBeSure) {
  JoinOptions o = options();
  o.wait_ns = 3'600'000 * kMs;
  Join join(o);
  join.put(1, packet(90));
  join.put(0, packet(100));
  std::thread late([&] { join.put(1, packet(101)); });
  EXPECT_EQ(take(join), "100+101");
  late.join();
}

TEST_F(JoinTest, WhatHasNoOtherInTimeIsDroppedAndCounted) {
  Join join(options());
  join.put(1, packet(50));
  join.put(0, packet(100));
  join.put(1, packet(205));
  join.put(0, packet(200));
  EXPECT_EQ(take(join), "200+205");
  EXPECT_EQ(unmatched_, 1U);
}

TEST_F(JoinTest, EndsWithItsFirstInput) {
  Join join(options());
  join.put(1, packet(100));
  join.put(0, packet(100));
  join.close(1);
  join.close(0);
  EXPECT_EQ(take(join), "100+100");
  EXPECT_EQ(take(join), "");
  EXPECT_EQ(join.put(0, packet(200)), Join::Put::kClosed);
}

TEST_F(JoinTest, KeepsABoundedNumber) {
  Join join(options());
  for (int64_t ms = 0; ms < 100'000; ms += 10) join.put(1, packet(ms));
  for (int64_t ms = 0; ms < 10; ++ms) {
    EXPECT_EQ(join.put(0, packet(99'980 + ms)), ms < 4 ? Join::Put::kTaken : Join::Put::kReplaced);
  }
  EXPECT_EQ(join.size(), 4U);
  EXPECT_EQ(take(join), "99986+99990");
}

// Does what a test says.
class Script final : public Source {
 public:
  bool live() const override { return live_; }
  int64_t patience_ns() const override { return patience_ns_; }
  Status open() override {
    ++opened;
    return open_says(opened);
  }
  Result<bool> next(Stopper& stopper, Frame& frame) override {
    frame.capture_ns = schedule::now_ns();
    return next_says(stopper, frame);
  }

  bool live_ = true;
  int64_t patience_ns_ = 0;
  std::atomic<int> opened{0};
  std::function<Status(int)> open_says = [](int) { return ok_status(); };
  std::function<Result<bool>(Stopper&, Frame&)> next_says;
};

class Eater final : public Feed::Consumer {
 public:
  void take(const Ref<SharedFrame>& frame) override {
    last = frame->sequence;
    ++frames;
  }
  void end(const Status& status) override {
    why = status.message();
    ended = true;
  }
  std::atomic<uint64_t> frames{0}, last{0};
  std::atomic<bool> ended{false};
  std::string why;
};

class FeedTest : public ::testing::Test {
 protected:
  FeedTest() : script_(new Script) {}
  void make() {
    feed_ =
        std::make_unique<Feed>("camera", std::unique_ptr<Source>(script_), Pauses(kMs / 10, kMs));
  }
  static void wait_until(const std::function<bool()>& condition) {
    while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  Script* const script_;  // of feed_
  Eater eater_;
  std::unique_ptr<Feed> feed_;
};

TEST_F(FeedTest, ALiveSourceThatFailsIsOpenedAgain) {
  int calls = 0;
  script_->open_says = [](int time) {
    return time % 3 == 2 ? not_found("no camera") : ok_status();
  };
  script_->next_says = [&](Stopper&, Frame&) -> Result<bool> {
    if (++calls % 5 == 0) return unavailable("unplugged");
    return true;
  };
  make();
  feed_->add(&eater_);
  wait_until([&] { return eater_.frames >= 200; });
  const FeedStatus status = feed_->status();
  EXPECT_GE(status.failures, 40U);
  EXPECT_TRUE(status.reason == "unplugged" || status.reason == "no camera") << status.reason;
  feed_->remove(&eater_);
  EXPECT_EQ(eater_.last, feed_->status().frames) << "numbers go on";
  EXPECT_EQ(feed_->status().state, FeedState::kIdle);
  EXPECT_FALSE(eater_.ended);
}

TEST_F(FeedTest, ASilentSourceIsOpenedAgain) {
  script_->patience_ns_ = 1;
  script_->next_says = [this](Stopper& stopper, Frame&) -> Result<bool> {
    if (script_->opened > 1) return true;
    while (stopper.wait_until(schedule::now_ns() + 1000 * kMs)) continue;
    return false;
  };
  make();
  feed_->add(&eater_);
  wait_until([&] {
    if (script_->opened < 2) feed_->look_after(schedule::now_ns() + 1);
    return eater_.frames > 0;
  });
  EXPECT_THAT(feed_->status().reason, HasSubstr("gave nothing for"));
  feed_->remove(&eater_);
}

TEST_F(FeedTest, AFileThatFailsHasFailed) {
  script_->live_ = false;
  script_->next_says = [](Stopper&, Frame&) -> Result<bool> { return data_loss("cut off"); };
  make();
  feed_->add(&eater_);
  wait_until([&] { return eater_.ended.load(); });
  EXPECT_EQ(eater_.why, "cut off");
  EXPECT_EQ(feed_->status().state, FeedState::kFailed);
  feed_->remove(&eater_);
  EXPECT_EQ(script_->opened, 1);
}

TEST_F(FeedTest, RunsWhileSomebodyWantsFrames) {
  script_->next_says = [](Stopper& stopper, Frame&) -> Result<bool> { return !stopper.stopped(); };
  make();
  Eater other;
  for (int round = 0; round < 20; ++round) {
    const uint64_t before = eater_.frames, others = other.frames;
    feed_->add(&eater_);
    feed_->add(&other);
    wait_until([&] { return eater_.frames > before && other.frames > others; });
    feed_->remove(&eater_);
    const uint64_t then = eater_.frames, more = other.frames;
    wait_until([&] { return other.frames > more; });
    EXPECT_EQ(eater_.frames, then);
    feed_->remove(&other);
    feed_->remove(&other);
  }
  EXPECT_EQ(script_->opened, 20);
}

TEST(Feeds, OpenALiveSourceOnce) {
  Feeds feeds;
  const auto pattern = [](const std::string& live, const std::string& width) {
    return node("test_pattern", {{"live", live}, {"width", width}});
  };
  const auto first = *feeds.find(pattern("true", "32"));
  EXPECT_EQ(*feeds.find(pattern("true", "32")), first);
  EXPECT_NE(*feeds.find(pattern("true", "64")), first);
  const auto file = *feeds.find(pattern("false", "32"));
  EXPECT_NE(*feeds.find(pattern("false", "32")), file) << "each wants it from the beginning";
}

}  // namespace
}  // namespace inferd::pipeline

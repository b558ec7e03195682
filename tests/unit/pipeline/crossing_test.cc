// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/track/crossing.h"

#include <gtest/gtest.h>

#include "daemon/pipeline/track/presence.h"

namespace inferd::pipeline {
namespace {

// A thing of class `class_id` whose lower edge has its middle there.
Detection standing(uint64_t track, float x, float y, int class_id = 0) {
  Detection d;
  d.box = {x - 0.02F, y - 0.1F, x + 0.02F, y};
  d.track_id = track;
  d.class_id = class_id;
  d.label = "class " + std::to_string(class_id);
  return d;
}

// A line from left to right through the middle of the frame: below it is its right.
CounterOptions line() {
  CounterOptions o;
  o.name = "door";
  o.shape = {{0.2F, 0.5F}, {0.8F, 0.5F}};
  return o;
}
CounterOptions zone() {
  CounterOptions o;
  o.name = "yard";
  o.shape = {{0.4F, 0.4F}, {0.6F, 0.4F}, {0.6F, 0.6F}, {0.4F, 0.6F}};
  return o;
}

// Takes one track along a way, a frame for each point.
void walk(Counter& counter, uint64_t& frame, uint64_t track, std::initializer_list<Point> way,
          int class_id = 0) {
  for (const Point& p : way) {
    const Detection d = standing(track, p.x, p.y, class_id);
    counter.update(++frame, {&d, 1});
  }
}

TEST(Geometry, SidesInsidesAndDistances) {
  EXPECT_GT(side_of({0.5F, 0.6F}, {0.2F, 0.5F}, {0.8F, 0.5F}), 0) << "below a way to the right";
  EXPECT_LT(side_of({0.5F, 0.4F}, {0.2F, 0.5F}, {0.8F, 0.5F}), 0);
  const std::vector<Point> arrow = {{0, 0}, {1, 0}, {1, 1}, {0.5F, 0.3F}, {0, 1}};
  EXPECT_TRUE(is_inside(arrow, {0.1F, 0.5F}));
  EXPECT_FALSE(is_inside(arrow, {0.5F, 0.5F})) << "between its points";
  EXPECT_FALSE(is_inside(arrow, {1.5F, 0.5F}));
  EXPECT_FLOAT_EQ(distance({0, 1}, {-1, 0}, {1, 0}), 1);
  EXPECT_FLOAT_EQ(distance({4, 4}, {-1, 0}, {1, 0}), 5) << "from the nearer end";
  EXPECT_FLOAT_EQ(distance({3, 4}, {0, 0}, {0, 0}), 5);
}

TEST(Line, CountsByDirectionAndClass) {
  Counter counter(line());
  uint64_t frame = 0;
  walk(counter, frame, 1, {{0.5F, 0.3F}, {0.5F, 0.45F}, {0.5F, 0.55F}, {0.5F, 0.7F}});
  walk(counter, frame, 2, {{0.3F, 0.7F}, {0.3F, 0.2F}}, 7);
  walk(counter, frame, 3, {{0.7F, 0.2F}, {0.7F, 0.7F}});
  walk(counter, frame, 1, {{0.5F, 0.2F}});
  ASSERT_EQ(counter.counts().size(), 2U);
  const Count& zero = counter.counts()[0];
  EXPECT_EQ(zero.name, "door");
  EXPECT_EQ(zero.class_id, 0);
  EXPECT_EQ(zero.in, 2U);
  EXPECT_EQ(zero.out, 1U);
  EXPECT_EQ(zero.inside, 0U);
  const Count& seven = counter.counts()[1];
  EXPECT_EQ(seven.class_id, 7);
  EXPECT_EQ(seven.label, "class 7");
  EXPECT_EQ(seven.in, 0U);
  EXPECT_EQ(seven.out, 1U);
}

TEST(Line, WhatGoesAroundItsEndsIsNotCounted) {
  Counter counter(line());
  uint64_t frame = 0;
  walk(counter, frame, 1, {{0.1F, 0.3F}, {0.1F, 0.7F}});
  EXPECT_EQ(counter.counts()[0].in, 0U);
  walk(counter, frame, 1, {{0.5F, 0.7F}, {0.5F, 0.3F}});
  EXPECT_EQ(counter.counts()[0].out, 1U) << "it is known to have been below";
}

TEST(Line, WhatTremblesOnItIsCountedOnce) {
  Counter counter(line());
  uint64_t frame = 0;
  walk(counter, frame, 1, {{0.5F, 0.4F}});
  for (int i = 0; i < 20; ++i) walk(counter, frame, 1, {{0.5F, 0.495F}, {0.5F, 0.505F}});
  EXPECT_EQ(counter.counts()[0].in + counter.counts()[0].out, 0U) << "nearer than the margin";
  walk(counter, frame, 1, {{0.5F, 0.52F}});
  for (int i = 0; i < 20; ++i) walk(counter, frame, 1, {{0.5F, 0.495F}, {0.5F, 0.505F}});
  EXPECT_EQ(counter.counts()[0].in, 1U);
  EXPECT_EQ(counter.counts()[0].out, 0U);
}

TEST(Line, GapsAreCrossedAndForgottenTracksBeginAnew) {
  CounterOptions options = line();
  options.forget = 10;
  Counter counter(options);
  uint64_t frame = 0;
  walk(counter, frame, 1, {{0.5F, 0.4F}});
  frame += 9;
  walk(counter, frame, 1, {{0.5F, 0.6F}});
  EXPECT_EQ(counter.counts()[0].in, 1U) << "seen ten frames later";
  frame += 10;
  walk(counter, frame, 1, {{0.5F, 0.4F}});
  EXPECT_EQ(counter.counts()[0].out, 0U) << "nobody knows where it has been";
}

TEST(Line, OnlyTracksAreCounted) {
  Counter counter(line());
  uint64_t frame = 0;
  walk(counter, frame, 0, {{0.5F, 0.3F}, {0.5F, 0.7F}});
  EXPECT_TRUE(counter.counts().empty());
}

TEST(Zone, CountsWhatGoesInAndOutAndIsInside) {
  Counter counter(zone());
  uint64_t number = 0;
  const auto frame = [&](std::vector<Detection> detections) {
    counter.update(++number, detections);
    return counter.counts()[0];
  };
  Count c = frame({standing(1, 0.3F, 0.5F), standing(2, 0.5F, 0.5F)});
  EXPECT_EQ(c.inside, 1U);
  EXPECT_EQ(c.in, 0U) << "who appears inside has not come in";
  c = frame({standing(1, 0.5F, 0.5F), standing(2, 0.5F, 0.45F)});
  EXPECT_EQ(c.inside, 2U);
  EXPECT_EQ(c.in, 1U);
  c = frame({standing(1, 0.5F, 0.5F)});
  EXPECT_EQ(c.inside, 1U);
  EXPECT_EQ(c.out, 0U) << "who is not seen has not gone out";
  c = frame({standing(1, 0.605F, 0.5F), standing(2, 0.5F, 0.7F)});
  EXPECT_EQ(c.inside, 1U) << "as long as it is within the margin";
  EXPECT_EQ(c.out, 1U);
  c = frame({standing(1, 0.7F, 0.5F), standing(2, 0.5F, 0.7F)});
  EXPECT_EQ(c.inside, 0U);
  EXPECT_EQ(c.out, 2U);
}

TEST(Zone, ByCentreWhereThatIsWanted) {
  CounterOptions options = zone();
  options.bottom = false;
  Counter counter(options);
  uint64_t frame = 0;
  walk(counter, frame, 1, {{0.5F, 0.63F}});
  EXPECT_EQ(counter.counts()[0].inside, 1U) << "its centre is at 0.58";
}

TEST(Presence, IsSoManyOfTheLastFrames) {
  Presence presence(3, 5);
  const auto frame = [&](std::initializer_list<uint64_t> keys) {
    presence.next_frame();
    for (const uint64_t key : keys) presence.see(key);
  };
  frame({1, 9});
  frame({1});
  EXPECT_FALSE(presence.is_present(1));
  frame({});
  frame({9, 1, 1});
  EXPECT_TRUE(presence.is_present(1)) << "three of four; twice in a frame is once";
  EXPECT_FALSE(presence.is_present(9));
  frame({9});
  EXPECT_TRUE(presence.is_present(1));
  EXPECT_TRUE(presence.is_present(9)) << "in the first, fourth and fifth";
  frame({9});
  EXPECT_FALSE(presence.is_present(1)) << "two of the last five";
  EXPECT_TRUE(presence.is_present(9));
  EXPECT_FALSE(presence.is_present(2));
}

TEST(Presence, OfAsManyFramesAsFitAndOfOne) {
  Presence most(Presence::kMaxFrames, Presence::kMaxFrames);
  for (int i = 0; i < Presence::kMaxFrames; ++i) {
    EXPECT_FALSE(most.is_present(5));
    most.next_frame();
    most.see(5);
  }
  EXPECT_TRUE(most.is_present(5));
  Presence now(1, 1);
  now.next_frame();
  now.see(5);
  EXPECT_TRUE(now.is_present(5));
  now.next_frame();
  EXPECT_FALSE(now.is_present(5));
}

}  // namespace
}  // namespace inferd::pipeline

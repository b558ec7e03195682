// SPDX-License-Identifier: Apache-2.0
#include "engine/plan/stripes.h"

#include <gtest/gtest.h>

namespace inferd::plan {
namespace {

TEST(LineWindow, ClipsToTheImage) {
  const LineWindow w{.stride = 2, .padding = 1, .reach = 2, .height = 10};
  EXPECT_EQ(w.under({0, 1}), (Lines{0, 2}));
  EXPECT_EQ(w.under({1, 3}), (Lines{1, 6}));
  EXPECT_EQ(w.under({4, 5}), (Lines{7, 10}));
  EXPECT_TRUE(w.under({2, 2}).empty());
}

TEST(LineWindow, BelowTheImageIsNothing) {
  const LineWindow w{.stride = 1, .padding = 0, .reach = 0, .height = 4};
  EXPECT_TRUE(w.under({4, 6}).empty());
}

constexpr LineWindow kSame{.height = 12};
constexpr LineWindow kWindow3{.stride = 1, .padding = 1, .reach = 2, .height = 12};

StripedStep step(int home, std::vector<StripedStep::Input> inputs) {
  StripedStep s;
  s.inputs = std::move(inputs);
  s.height = 12;
  s.home = home;
  return s;
}

// 0: a pointwise convolution; 1: an activation in its place; 2: a 3x3 window over that; 3: another.
StripedGroup chain() {
  StripedGroup group;
  group.steps = {step(1, {{-1, kSame}}), step(1, {{0, kSame}}), step(2, {{1, kWindow3}}),
                 step(3, {{2, kWindow3}})};
  return group;
}

TEST(StripeWalk, ComputesEachLineOnce) {
  const StripedGroup group = chain();
  StripeWalk walk(group);
  walk.next({0, 4});
  EXPECT_EQ(walk.needed(2), (Lines{0, 5}));
  EXPECT_EQ(walk.needed(1), (Lines{0, 6}));
  EXPECT_EQ(walk.fresh(1), (Lines{0, 6}));
  EXPECT_EQ(walk.fresh(0), (Lines{0, 6}));

  walk.next({4, 8});
  EXPECT_EQ(walk.needed(2), (Lines{3, 9}));
  EXPECT_EQ(walk.fresh(2), (Lines{5, 9}));
  EXPECT_EQ(walk.kept(2), (Lines{3, 5}));
  EXPECT_EQ(walk.buffer_begin(2), 0);
  EXPECT_EQ(walk.needed(1), (Lines{4, 10}));
  EXPECT_EQ(walk.fresh(1), (Lines{6, 10}));
  EXPECT_EQ(walk.kept(1), (Lines{4, 6}));
  EXPECT_EQ(walk.fresh(0), (Lines{6, 10}));  // worked on in place: never what was there before

  walk.next({8, 12});
  EXPECT_EQ(walk.fresh(2), (Lines{9, 12}));
  EXPECT_EQ(walk.fresh(1), (Lines{10, 12}));
  EXPECT_EQ(walk.buffer_begin(1), 4);
}

TEST(StripeWalk, BeginsAnywhere) {
  const StripedGroup group = chain();
  StripeWalk walk(group);
  walk.next({8, 10});
  EXPECT_EQ(walk.fresh(2), (Lines{7, 11}));
  EXPECT_EQ(walk.fresh(1), (Lines{6, 12}));
  walk.next({10, 12});
  walk.restart();
  walk.next({0, 2});
  EXPECT_EQ(walk.fresh(1), (Lines{0, 4}));
  EXPECT_TRUE(walk.kept(1).empty());
}

}  // namespace
}  // namespace inferd::plan

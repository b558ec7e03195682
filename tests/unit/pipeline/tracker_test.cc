// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/track/tracker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "tests/unit/pipeline/crowd.h"

namespace inferd::pipeline {
namespace {

// -- assignment

// The most that pairs can be worth, by trying all of them.
double best_of_all(std::span<const float> weights, size_t rows, size_t columns) {
  std::vector<size_t> order(std::max(rows, columns));
  std::iota(order.begin(), order.end(), size_t{0});
  double best = 0;
  do {
    double sum = 0;
    for (size_t r = 0; r < rows; ++r) {
      if (order[r] < columns) sum += std::max(double{weights[r * columns + order[r]]}, 0.0);
    }
    best = std::max(best, sum);
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

TEST(Assignment, IsWorthAsMuchAsTheBestOfAll) {
  std::mt19937 random(5);
  Assignment assignment;
  for (int round = 0; round < 300; ++round) {
    const size_t rows = random() % 7;
    const size_t columns = random() % 7;
    std::vector<float> weights(rows * columns);
    for (float& w : weights) w = static_cast<float>(random() % 1000) / 500.F - 1.F;
    const auto chosen = assignment.solve(weights, rows, columns);
    ASSERT_EQ(chosen.size(), rows);
    double sum = 0;
    std::set<int> used;
    for (size_t r = 0; r < rows; ++r) {
      if (chosen[r] == Assignment::kNone) continue;
      EXPECT_TRUE(used.insert(chosen[r]).second) << "a column is given away once";
      const float weight = weights[r * columns + static_cast<size_t>(chosen[r])];
      EXPECT_GT(weight, 0) << "what is worth nothing is no pair";
      sum += double{weight};
    }
    EXPECT_NEAR(sum, best_of_all(weights, rows, columns), 1e-5) << rows << "x" << columns;
  }
}

TEST(Assignment, NothingIsPairedWithNaN) {
  Assignment assignment;
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> weights = {kNan, 0.5F, kNan, kNan};
  const auto chosen = assignment.solve(weights, 2, 2);
  EXPECT_EQ(chosen[0], 1);
  EXPECT_EQ(chosen[1], Assignment::kNone);
}

// -- filter

// The filter of the papers with all of its eight dimensions and full matrices.
class FullFilter {
 public:
  explicit FullFilter(const std::array<double, 4>& m) {
    for (size_t i = 0; i < 4; ++i) x_[i] = m[i];
    const double h = m[3];
    const double deviations[8] = {h / 10, h / 10, 1e-2, h / 10, h / 16, h / 16, 1e-5, h / 16};
    for (size_t i = 0; i < 8; ++i) p_[i][i] = deviations[i] * deviations[i];
  }
  void predict() {
    const double h = x_[3];
    const double deviations[8] = {h / 20, h / 20, 1e-2, h / 20, h / 160, h / 160, 1e-5, h / 160};
    Matrix f = {};
    for (size_t i = 0; i < 8; ++i) f[i][i] = 1;
    for (size_t i = 0; i < 4; ++i) f[i][i + 4] = 1;
    for (size_t i = 0; i < 4; ++i) x_[i] += x_[i + 4];
    p_ = times(times(f, p_), transposed(f));
    for (size_t i = 0; i < 8; ++i) p_[i][i] += deviations[i] * deviations[i];
  }
  // With S = H P H' + R, solved by Gauss and Jordan.
  void correct(const std::array<double, 4>& m) {
    const double h = x_[3];
    const double deviations[4] = {h / 20, h / 20, 1e-1, h / 20};
    double s[4][8] = {};  // S, and the unit matrix that becomes its inverse
    for (size_t i = 0; i < 4; ++i) {
      for (size_t j = 0; j < 4; ++j) s[i][j] = p_[i][j];
      s[i][i] += deviations[i] * deviations[i];
      s[i][i + 4] = 1;
    }
    for (size_t i = 0; i < 4; ++i) {
      const double pivot = s[i][i];
      for (double& v : s[i]) v /= pivot;
      for (size_t r = 0; r < 4; ++r) {
        const double factor = s[r][i];
        for (size_t c = 0; r != i && c < 8; ++c) s[r][c] -= factor * s[i][c];
      }
    }
    Matrix gain = {};  // K = P H' S^-1, in the first four columns
    for (size_t i = 0; i < 8; ++i) {
      for (size_t j = 0; j < 4; ++j) {
        for (size_t k = 0; k < 4; ++k) gain[i][j] += p_[i][k] * s[k][j + 4];
      }
    }
    std::array<double, 4> surprise{};
    for (size_t i = 0; i < 4; ++i) surprise[i] = m[i] - x_[i];
    Matrix shrunk = p_;  // P - K H P
    for (size_t i = 0; i < 8; ++i) {
      for (size_t j = 0; j < 4; ++j) {
        x_[i] += gain[i][j] * surprise[j];
        for (size_t c = 0; c < 8; ++c) shrunk[i][c] -= gain[i][j] * p_[j][c];
      }
    }
    p_ = shrunk;
  }
  Box box() const {
    const double w = x_[2] * x_[3];
    const auto edge = [](double v) { return static_cast<float>(v); };
    return {edge(x_[0] - w / 2), edge(x_[1] - x_[3] / 2), edge(x_[0] + w / 2),
            edge(x_[1] + x_[3] / 2)};
  }

 private:
  using Matrix = std::array<std::array<double, 8>, 8>;
  static Matrix times(const Matrix& a, const Matrix& b) {
    Matrix c = {};
    for (size_t i = 0; i < 8; ++i) {
      for (size_t j = 0; j < 8; ++j) {
        for (size_t k = 0; k < 8; ++k) c[i][j] += a[i][k] * b[k][j];
      }
    }
    return c;
  }
  static Matrix transposed(const Matrix& a) {
    Matrix b = {};
    for (size_t i = 0; i < 8; ++i) {
      for (size_t j = 0; j < 8; ++j) b[j][i] = a[i][j];
    }
    return b;
  }
  std::array<double, 8> x_{};
  Matrix p_{};
};

std::array<double, 4> measured(const Box& b) {
  const double w = double{b.x_max} - double{b.x_min};
  const double h = double{b.y_max} - double{b.y_min};
  return {(double{b.x_min} + double{b.x_max}) / 2, (double{b.y_min} + double{b.y_max}) / 2, w / h,
          h};
}

void expect_near(const Box& a, const Box& b, float tolerance) {
  EXPECT_NEAR(a.x_min, b.x_min, tolerance);
  EXPECT_NEAR(a.y_min, b.y_min, tolerance);
  EXPECT_NEAR(a.x_max, b.x_max, tolerance);
  EXPECT_NEAR(a.y_max, b.y_max, tolerance);
}

TEST(BoxFilter, IsTheFilterOfThePapers) {
  Box seen{0.2F, 0.3F, 0.28F, 0.5F};
  BoxFilter filter(seen);
  FullFilter full(measured(seen));
  std::mt19937 random(3);
  for (int frame = 0; frame < 60; ++frame) {
    filter.predict();
    full.predict();
    expect_near(filter.box(), full.box(), 1e-6F);
    const auto move = [&](float& v) { v += 0.005F + static_cast<float>(random() % 100) * 1e-4F; };
    move(seen.x_min);
    move(seen.y_min);
    move(seen.x_max);
    move(seen.y_max);
    if (frame % 5 == 4) continue;  // not seen
    filter.correct(seen);
    full.correct(measured(seen));
    expect_near(filter.box(), full.box(), 1e-6F);
  }
}

TEST(BoxFilter, FollowsWhatMovesAndShrinksNothingBelowNothing) {
  const auto at = [](float t) { return Box{0.1F + 0.02F * t, 0.5F, 0.15F + 0.02F * t, 0.7F}; };
  BoxFilter steady(at(0));
  for (int t = 1; t <= 30; ++t) {
    steady.predict();
    steady.correct(at(static_cast<float>(t)));
  }
  for (int t = 31; t <= 35; ++t) steady.predict();
  expect_near(steady.box(), at(35), 0.01F);
  BoxFilter shrinking(Box{0, 0, 0.5F, 0.5F});
  for (int t = 1; t <= 8; ++t) {
    shrinking.predict();
    const float side = 0.5F - 0.06F * static_cast<float>(t);
    shrinking.correct({0, 0, side, side});
  }
  for (int t = 0; t < 200; ++t) shrinking.predict();
  EXPECT_GT(shrinking.box().y_max, shrinking.box().y_min);
  EXPECT_TRUE(std::isfinite(shrinking.box().x_max));
}

// -- tracker

Detection thing(float x, float y, float score = 0.9F, int class_id = 0) {
  Detection d;
  d.box = {x, y, x + 0.1F, y + 0.2F};
  d.score = score;
  d.class_id = class_id;
  return d;
}

// The tracks of some detections in one frame.
std::vector<uint64_t> ids(Tracker& tracker, std::vector<Detection> detections,
                          uint64_t frames = 1) {
  tracker.update(frames, 1, detections);
  std::vector<uint64_t> result;
  result.reserve(detections.size());
  for (const Detection& d : detections) result.push_back(d.track_id);
  return result;
}
using Ids = std::vector<uint64_t>;

TEST(Tracker, NumbersWhatIsSeenAgain) {
  Tracker tracker({});
  EXPECT_EQ(ids(tracker, {thing(0.1F, 0.1F)}), Ids{0}) << "not twice yet";
  EXPECT_EQ(ids(tracker, {thing(0.6F, 0.6F), thing(0.11F, 0.1F)}), (Ids{0, 1}));
  EXPECT_EQ(ids(tracker, {thing(0.12F, 0.1F), thing(0.6F, 0.61F)}), (Ids{1, 2}));
  EXPECT_EQ(ids(tracker, {}), Ids{});
  EXPECT_EQ(ids(tracker, {thing(0.6F, 0.62F), thing(0.14F, 0.1F)}), (Ids{2, 1}));
}

TEST(Tracker, ForgetsWhatIsAwayForTooLongAndGivesNoNumberTwice) {
  TrackerOptions options;
  options.max_age = 5;
  options.min_hits = 1;
  Tracker tracker(options);
  EXPECT_EQ(ids(tracker, {thing(0.1F, 0.1F)}), Ids{1});
  for (int i = 0; i < 5; ++i) ids(tracker, {});
  EXPECT_EQ(ids(tracker, {thing(0.1F, 0.1F)}), Ids{1}) << "five frames are not more than five";
  for (int i = 0; i < 6; ++i) ids(tracker, {});
  EXPECT_EQ(ids(tracker, {thing(0.1F, 0.1F)}), Ids{2});
  EXPECT_EQ(ids(tracker, {thing(0.1F, 0.1F)}, 6), Ids{2}) << "dropped frames count";
  EXPECT_EQ(ids(tracker, {thing(0.1F, 0.1F)}, 7), Ids{3});
}

TEST(Tracker, MayForgetWhatIsMissingOnce) {
  TrackerOptions options;
  options.max_age = 0;
  Tracker tracker(options);
  ids(tracker, {thing(0.1F, 0.1F)});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ids(tracker, {thing(0.1F, 0.1F)}), Ids{1});
  ids(tracker, {});
  EXPECT_EQ(ids(tracker, {thing(0.1F, 0.1F)}), Ids{0});
  EXPECT_EQ(ids(tracker, {thing(0.1F, 0.1F)}), Ids{2});
}

TEST(Tracker, FramesThatWereDroppedCountAsMovement) {
  Tracker tracker({});
  for (int t = 0; t < 12; ++t) ids(tracker, {thing(0.02F * static_cast<float>(t), 0.3F)});
  // Eight frames on, at a place that it did not overlap when it was seen last.
  EXPECT_EQ(ids(tracker, {thing(0.38F, 0.3F)}, 8), Ids{1});
}

TEST(Tracker, LowScoresContinueTracksButBeginNone) {
  Tracker tracker({});
  for (int i = 0; i < 3; ++i) ids(tracker, {thing(0.1F, 0.1F)});
  EXPECT_EQ(ids(tracker, {thing(0.1F, 0.1F, 0.2F), thing(0.6F, 0.6F, 0.2F)}), (Ids{1, 0}));
  EXPECT_EQ(ids(tracker, {thing(0.1F, 0.1F, 0.2F), thing(0.6F, 0.6F, 0.2F)}), (Ids{1, 0}));
  EXPECT_EQ(ids(tracker, {thing(0.1F, 0.1F, 0.05F)}), Ids{0}) << "below 'low' is nothing";
  EXPECT_EQ(ids(tracker, {thing(0.1F, 0.1F, 0.2F)}), Ids{0}) << "lost tracks need a high score";
  EXPECT_EQ(ids(tracker, {thing(0.1F, 0.1F, 0.55F)}), Ids{1});
}

TEST(Tracker, ATrackKeepsItsClassUnlessItNeedNot) {
  for (const bool per_class : {true, false}) {
    TrackerOptions options;
    options.per_class = per_class;
    options.min_hits = 1;
    Tracker tracker(options);
    EXPECT_EQ(ids(tracker, {thing(0.1F, 0.1F, 0.9F, 2)}), Ids{1});
    EXPECT_EQ(ids(tracker, {thing(0.1F, 0.1F, 0.9F, 7)}), per_class ? Ids{2} : Ids{1});
  }
}

TEST(Tracker, WhatIsNoBoxIsLeftOut) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinite = std::numeric_limits<float>::infinity();
  TrackerOptions options;
  options.min_hits = 1;
  Tracker tracker(options);
  Detection no_number = thing(0.1F, 0.1F);
  no_number.box.x_min = kNan;
  Detection endless = thing(0.1F, 0.1F);
  endless.box.y_max = kInfinite;
  Detection empty = thing(0.1F, 0.1F);
  empty.box.x_max = empty.box.x_min;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(ids(tracker, {no_number, endless, thing(0.1F, 0.1F, kNan), empty, thing(0.5F, 0.5F)}),
              (Ids{0, 0, 0, 0, 1}));
  }
}

TEST(Tracker, TooManyThingsAreNotFollowed) {
  TrackerOptions options;
  options.min_hits = 1;
  Tracker tracker(options);
  std::vector<Detection> detections;
  for (int i = 0; i < 1200; ++i) {
    Detection d;
    const float x = static_cast<float>(i % 40) / 40;
    const float y = std::floor(static_cast<float>(i) / 40) / 40;
    d.box = {x, y, x + 0.02F, y + 0.02F};
    d.score = i < 200 ? 0.65F : 0.9F;
    detections.push_back(d);
  }
  for (int frame = 0; frame < 2; ++frame) {
    const auto numbered = ids(tracker, detections);
    EXPECT_EQ(std::count(numbered.begin(), numbered.end(), 0), 200);
    EXPECT_EQ(numbered[0], 0U) << "the best ones are followed";
  }
}

// Whatever a detector says: a number stands for one thing of a frame, keeps its class, and is not
// given again once a thing has been away for too long.
TEST(Tracker, NumbersStandForOneThing) {
  std::mt19937 random(17);
  TrackerOptions options;
  options.max_age = 3;
  Tracker tracker(options);
  std::map<uint64_t, std::pair<int, int>> known;  // class, and the frame in which it was last seen
  for (int frame = 0; frame < 2000; ++frame) {
    std::vector<Detection> detections(random() % 12);
    for (Detection& d : detections) {
      const auto part = [&] { return static_cast<float>(random() % 1000) / 1000.F; };
      d.box.x_min = part() * 0.5F;
      d.box.y_min = part() * 0.5F;
      d.box.x_max = d.box.x_min + part() * 0.5F;
      d.box.y_max = d.box.y_min + part() * 0.5F;
      d.score = part();
      d.class_id = static_cast<int>(random() % 2);
    }
    tracker.update(1, 1.5F, detections);
    std::set<uint64_t> seen;
    for (const Detection& d : detections) {
      if (d.track_id == 0) continue;
      EXPECT_TRUE(seen.insert(d.track_id).second) << "twice in a frame";
      EXPECT_GE(d.score, options.low);
      const auto at = known.try_emplace(d.track_id, d.class_id, frame).first;
      EXPECT_EQ(at->second.first, d.class_id);
      EXPECT_LE(frame - at->second.second, options.max_age + 1);
      at->second.second = frame;
    }
    if (!known.empty()) {
      EXPECT_EQ(known.rbegin()->first, known.size()) << "none is left out";
    }
  }
  EXPECT_GT(known.size(), 100U);
}

// -- a crowd

struct Sum {
  double mota = 0;  // the mean
  int64_t objects = 0, misses = 0, false_positives = 0, switches = 0;
};

Sum follow(const TrackerOptions& options, uint64_t every_frame = 1) {
  constexpr uint32_t kSeeds = 5;
  Sum sum;
  for (uint32_t seed = 1; seed <= kSeeds; ++seed) {
    CrowdOptions crowd_options;
    crowd_options.seed = seed;
    Crowd crowd(crowd_options);
    Tracker tracker(options);
    ClearMot measures;
    for (int t = 0; t < crowd_options.frames; ++t) {
      CrowdFrame frame = crowd.next();
      if (static_cast<uint64_t>(t) % every_frame != 0) continue;
      tracker.update(every_frame, Crowd::kAspect, frame.found);
      std::vector<Labelled> tracked;
      for (const Detection& d : frame.found) {
        if (d.track_id != 0) tracked.push_back({d.track_id, d.box});
      }
      measures.frame(frame.people, tracked);
    }
    sum.mota += measures.mota() / kSeeds;
    sum.objects += measures.objects();
    sum.misses += measures.misses();
    sum.false_positives += measures.false_positives();
    sum.switches += measures.switches();
  }
  return sum;
}

void print(const char* name, const Sum& s) {
  std::printf("  %-22s MOTA %.3f, %lld switches, %lld misses, %lld false positives of %lld\n", name,
              s.mota, static_cast<long long>(s.switches), static_cast<long long>(s.misses),
              static_cast<long long>(s.false_positives), static_cast<long long>(s.objects));
}

TEST(Crowd, ClearMotCountsWhatItsDefinitionCounts) {
  const Box left{0, 0, 0.1F, 0.1F};
  const Box right{0.5F, 0, 0.6F, 0.1F};
  const auto frame = [](ClearMot& m, std::vector<Labelled> objects, std::vector<Labelled> found) {
    m.frame(objects, found);
  };
  ClearMot m;
  frame(m, {{1, left}, {2, right}}, {{10, left}, {20, right}});
  frame(m, {{1, left}, {2, right}}, {{10, left}});  // a miss
  frame(m, {{1, left}, {2, right}}, {{10, left}, {21, right}, {30, {0.8F, 0.8F, 1, 1}}});
  frame(m, {{1, right}, {2, left}}, {{10, left}, {21, right}});               // both change
  frame(m, {{1, right}, {2, left}}, {{21, right}, {99, right}, {10, left}});  // the pair stays
  EXPECT_EQ(m.objects(), 10);
  EXPECT_EQ(m.misses(), 1);
  EXPECT_EQ(m.false_positives(), 2);
  EXPECT_EQ(m.switches(), 3);
  EXPECT_NEAR(m.mota(), 1 - 6.0 / 10, 1e-9);
}

// What docs/pipelines.md says. Fourteen people on a narrow street with two pillars for 600 frames,
// five times; 8 % of what can be seen is missed, 0.3 things per frame are not there, edges are off
// by 3 % of a person's height. Boxes are about 0.05 wide and move by up to a third of that.
TEST(Crowd, MotionAndLowScoresKeepPeopleApart) {
  TrackerOptions still;
  still.motion = false;
  TrackerOptions high_only;
  high_only.low = high_only.high;
  TrackerOptions still_high_only = high_only;
  still_high_only.motion = false;
  const Sum all = follow({});
  const Sum without_motion = follow(still);
  const Sum without_low = follow(high_only);
  const Sum neither = follow(still_high_only);
  print("as it is", all);
  print("without motion", without_motion);
  print("without low scores", without_low);
  print("without both", neither);
  EXPECT_GT(all.objects, 30'000);
  EXPECT_GT(all.mota, 0.77);
  EXPECT_LT(all.switches, 520);
  EXPECT_GT(all.mota, without_motion.mota + 0.06);
  EXPECT_GT(without_motion.switches, 4 * all.switches);
  EXPECT_GT(all.mota, without_low.mota + 0.06);
  EXPECT_GT(without_low.mota, neither.mota + 0.06);
  const Sum half = follow({}, 2);
  const Sum half_still = follow(still, 2);
  print("every other frame", half);
  print("... without motion", half_still);
  EXPECT_GT(half.mota, half_still.mota + 0.15);
}

}  // namespace
}  // namespace inferd::pipeline

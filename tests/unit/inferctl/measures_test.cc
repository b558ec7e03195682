// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "clients/inferctl/measure/agreement.h"
#include "clients/inferctl/measure/average_precision.h"
#include "clients/inferctl/measure/closeness.h"
#include "clients/inferctl/measure/ranking.h"

namespace inferd::ctl {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(RankOf, EqualScoresRankByClassAsArgmaxDoes) {
  const float scores[] = {1, 3, 3, 2};
  EXPECT_EQ(rank_of(scores, 1), 0U);
  EXPECT_EQ(rank_of(scores, 2), 1U);
  EXPECT_EQ(rank_of(scores, 3), 2U);
  EXPECT_EQ(rank_of(scores, 0), 3U);
}

TEST(RankOf, WhatIsNoNumberOrNoClassComesLast) {
  const float scores[] = {kNaN, 0.5F};
  EXPECT_EQ(rank_of(scores, 0), 2U);
  EXPECT_EQ(rank_of(scores, 1), 0U);
  EXPECT_EQ(rank_of(scores, 7), 2U);
}

TEST(AreaUnderCurve, IsTheShareOfPairsInTheRightOrder) {
  // Pairs: .35 over .1 but under .4; .8 over both.
  EXPECT_DOUBLE_EQ(area_under_curve({.1, .4, .35, .8}, {false, false, true, true}), 0.75);
  EXPECT_DOUBLE_EQ(area_under_curve({1, 2, 3}, {true, false, false}), 0);
}

TEST(AreaUnderCurve, EqualScoresCountHalf) {
  EXPECT_DOUBLE_EQ(area_under_curve({7, 7}, {true, false}), 0.5);
  // 2 over 1, 2 against 2, 3 over both.
  EXPECT_DOUBLE_EQ(area_under_curve({1, 2, 2, 3}, {false, false, true, true}), 3.5 / 4);
}

TEST(AreaUnderCurve, NeedsBothKindsAndTakesNoNumberAsTheHighest) {
  EXPECT_TRUE(std::isnan(area_under_curve({1, 2}, {true, true})));
  EXPECT_DOUBLE_EQ(area_under_curve({double{kNaN}, 2}, {true, false}), 1);
}

const Rect kLeft{0, 0, 0.2F, 0.2F};
const Rect kMiddle{0.4F, 0.4F, 0.6F, 0.6F};
const Rect kRight{0.8F, 0.8F, 1, 1};

FoundBox found(float score, const Rect& rect, size_t class_id = 0) {
  return {0, class_id, score, rect};
}

TEST(AveragePrecision, OfTwoPicturesByHand) {
  AveragePrecision measure;
  const TrueBox first[] = {{0, kLeft}, {0, kMiddle}};
  const TrueBox second[] = {{0, kRight}};
  measure.add({found(.9F, kLeft), found(.8F, kRight)}, first);  // right, wrong
  measure.add({found(.7F, kRight)}, second);                    // right; kMiddle is never found
  // Recalls 1/3, 1/3, 2/3 at precisions 1, 1/2, 2/3: 34 recalls from 0 to 0.33 have precision 1, 33
  // from 0.34 to 0.66 have 2/3, and the rest 0.
  EXPECT_NEAR(measure.at_50(), (34 + 33 * 2. / 3) / 101, 1e-12);
  EXPECT_EQ(measure.pictures(), 2U);
  EXPECT_EQ(measure.true_boxes(), 3U);
}

TEST(AveragePrecision, ABoxIsFoundOnce) {
  AveragePrecision measure;
  const TrueBox truth[] = {{0, kLeft}, {0, kRight}};
  measure.add({found(.9F, kLeft), found(.8F, kLeft), found(.7F, kRight)}, truth);
  // Right, wrong, right: precision 1 up to recall 1/2 (51 recalls), then 2/3 (50).
  EXPECT_NEAR(measure.at_50(), (51 + 50 * 2. / 3) / 101, 1e-12);
}

TEST(AveragePrecision, TakesTheBoxThatOverlapsMost) {
  AveragePrecision measure;
  const TrueBox truth[] = {{0, {0, 0, 0.7F, 1}}, {0, {0, 0, 1, 1}}};
  // The first overlaps both by at least 0.5, and the second true box more; so both are right.
  measure.add({found(.9F, {0, 0, 0.95F, 1}), found(.8F, {0, 0, 0.6F, 1})}, truth);
  EXPECT_DOUBLE_EQ(measure.at_50(), 1);
}

TEST(AveragePrecision, GrowsStricterInSteps) {
  AveragePrecision measure;
  const TrueBox truth[] = {{0, {0, 0, 1, 1}}};
  measure.add({found(.9F, {0, 0, 0.62F, 1})}, truth);  // right at 0.5, 0.55 and 0.6
  EXPECT_DOUBLE_EQ(measure.at_50(), 1);
  EXPECT_DOUBLE_EQ(measure.at(0.65), 0);
  EXPECT_NEAR(measure.at_50_to_95(), 0.3, 1e-12);
}

TEST(AveragePrecision, IsTheMeanOfClassesThatOccur) {
  AveragePrecision measure;
  const TrueBox truth[] = {{3, kLeft}, {5, kRight}};
  // Class 5 is missed, class 8 does not occur.
  measure.add({found(.9F, kLeft, 3), found(.9F, kLeft, 8)}, truth);
  EXPECT_DOUBLE_EQ(measure.at_50(), 0.5);
  EXPECT_EQ(measure.classes(), 2U);
  EXPECT_TRUE(std::isnan(AveragePrecision().at_50()));
}

TEST(KeepBest, DropsWhatABetterBoxOfItsClassCovers) {
  const auto kept = keep_best({found(.5F, kLeft), found(.9F, kLeft), found(.6F, kLeft, 1),
                               found(.7F, kRight), found(.1F, kMiddle)},
                              0.5F, 3);
  ASSERT_EQ(kept.size(), 3U);
  EXPECT_EQ(kept[0].score, .9F);
  EXPECT_EQ(kept[1].score, .7F);
  EXPECT_EQ(kept[2].class_id, 1U);
}

// One detection for each object: of two boxes that cover each other the better one counts.
TEST(Agreement, ComparesWhatSuppressionLeaves) {
  const TensorInfo outputs[] = {{"boxes", DType::kFloat32, {1, 3, 4}, {}},
                                {"classes", DType::kFloat32, {1, 3}, {}},
                                {"scores", DType::kFloat32, {1, 3}, {}},
                                {"count", DType::kFloat32, {1}, {}}};
  const TensorInfo input{"x", DType::kFloat32, {1, 8, 8, 3}, {}};
  auto agreement = Agreement::create("detections", input, outputs);
  ASSERT_TRUE(agreement.ok()) << agreement.status().to_string();
  // y, x, y, x: two of one object, one of another.
  const std::vector<float> first = {0, 0, 1, .4F, 0, 0, .9F, .4F, 0, .5F, 1, 1};
  const std::vector<float> second = {0, 0, .95F, .4F, 0, 0, 1, .1F, 0, .5F, .2F, 1};
  const std::vector<float> classes(3, 1.F);
  const std::vector<float> scores = {.9F, .8F, .7F};
  const std::vector<float> count = {3};
  const auto views = [&](const std::vector<float>& boxes) {
    std::vector<TensorView> all;
    const std::vector<float>* numbers[] = {&boxes, &classes, &scores, &count};
    for (size_t i = 0; i < 4; ++i) {
      all.push_back({DType::kFloat32, outputs[i].shape, std::as_bytes(std::span(*numbers[i]))});
    }
    return all;
  };
  agreement->add(views(first), views(second));
  EXPECT_EQ(agreement->boxes(), 2U);
  EXPECT_EQ(agreement->found(), 1U) << "a fifth of the other object is not it";
  EXPECT_NEAR(agreement->mean_overlap(), 0.95, 1e-6);
  EXPECT_DOUBLE_EQ(agreement->share_of_overlaps(0.9F), 0.5);
}

TEST(Closeness, OfNumbersByHand) {
  Closeness closeness;
  const float expected[] = {3, 4};
  const float got[] = {3, 3};
  closeness.add(expected, got);
  EXPECT_NEAR(closeness.cosine(), 21 / (5 * std::sqrt(18.)), 1e-12);
  EXPECT_NEAR(closeness.sqnr_db(), 10 * std::log10(25.), 1e-12);
}

}  // namespace
}  // namespace inferd::ctl

// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/measure/truth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace inferd::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ClassLabels, OfTwoThreeAndFiveFields) {
  const auto labels =
      parse_class_labels("a.png,3\r\n\nb.bin, 12, 7\nc.bin,2,1,2560,512\n", "y_labels.csv");
  ASSERT_TRUE(labels.ok()) << labels.status().to_string();
  ASSERT_EQ(labels->size(), 3U);
  EXPECT_EQ((*labels)[0].file, "a.png");
  EXPECT_EQ((*labels)[0].class_id, 3U);
  EXPECT_EQ((*labels)[0].window, 0U);
  EXPECT_EQ((*labels)[1].class_id, 7U);
  EXPECT_EQ((*labels)[2].class_id, 1U);
  EXPECT_EQ((*labels)[2].window, 2560U);
  EXPECT_EQ((*labels)[2].stride, 512U);
}

std::string label_error(std::string_view text) {
  return parse_class_labels(text, "l.csv").status().message();
}

TEST(ClassLabels, MistakesAreToldWithTheirLine) {
  EXPECT_THAT(label_error("a,1\n\nb\n"), HasSubstr("l.csv:3: 'b' is neither"));
  EXPECT_THAT(label_error("a,-1"), HasSubstr("l.csv:1:"));
  EXPECT_THAT(label_error("a,1x"), HasSubstr("l.csv:1:"));
  EXPECT_THAT(label_error("a,99999999999999999999"), HasSubstr("l.csv:1:"));
  EXPECT_THAT(label_error("a,1,2,3"), HasSubstr("l.csv:1:"));
  EXPECT_THAT(label_error(",1"), HasSubstr("l.csv:1:"));
  EXPECT_THAT(label_error("a,10,10"), HasSubstr("class 10 of 10 classes"));
  EXPECT_THAT(label_error("a,2,1,0,512"), HasSubstr("at least 1 byte"));
  EXPECT_THAT(label_error("a,0\n../b,0"), HasSubstr("l.csv:2: '../b' is not inside"));
  EXPECT_THAT(label_error("/etc/passwd,0"), HasSubstr("not inside"));
  EXPECT_THAT(label_error("\n"), HasSubstr("no lines"));
}

TEST(Boxes, CornersFromCentreAndSize) {
  const auto boxes = parse_boxes("23 0.5 0.25  0.2\t0.1\n", "a.txt");
  ASSERT_TRUE(boxes.ok()) << boxes.status().to_string();
  ASSERT_EQ(boxes->size(), 1U);
  EXPECT_EQ((*boxes)[0].class_id, 23U);
  EXPECT_FLOAT_EQ((*boxes)[0].rect.x_min, 0.4F);
  EXPECT_FLOAT_EQ((*boxes)[0].rect.y_max, 0.3F);
  EXPECT_TRUE(parse_boxes("", "a.txt")->empty());
}

std::string box_error(std::string_view text) {
  return parse_boxes(text, "a.txt").status().message();
}

TEST(Boxes, MistakesAreToldWithTheirLine) {
  EXPECT_THAT(box_error("0 .1 .1 .1 .1\n0 .1 .1 .1\n"), HasSubstr("a.txt:2:"));
  EXPECT_THAT(box_error("0 1.5 0 0 0"), HasSubstr("numbers from 0 to 1"));
  EXPECT_THAT(box_error("0 nan 0 0 0"), HasSubstr("a.txt:1:"));
  EXPECT_THAT(box_error("x 0 0 0 0"), HasSubstr("a.txt:1:"));
}

TEST(Names, TheLineIsTheClass) {
  const auto names = parse_names("background\nperson\n\nhot dog\r\n\n", "names");
  ASSERT_TRUE(names.ok());
  EXPECT_THAT(*names, ElementsAre("background", "person", "", "hot dog"));
  EXPECT_THAT(parse_names("\n\n", "names").status().message(), HasSubstr("names: has no lines"));
}

}  // namespace
}  // namespace inferd::ctl

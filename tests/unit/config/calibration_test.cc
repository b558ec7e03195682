// SPDX-License-Identifier: Apache-2.0
#include "daemon/config/calibration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/temporary_folder.h"

namespace inferd::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CalibrationTest : public ::testing::Test {
 protected:
  Result<Calibration> load(const std::string& text) {
    std::ofstream(folder_.file("camera.yaml")) << text;
    return load_calibration(folder_.file("camera.yaml"));
  }
  std::string refusal(const std::string& text) { return load(text).status().message(); }

  const TemporaryFolder folder_;
};

TEST_F(CalibrationTest, ReadsWhatRosWrites) {
  const auto c = load(R"(image_width: 640
image_height: 480
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: [438.783367, 0.000000, 305.593336, 0.000000, 437.302876, 243.738352, 0.000000, 0.000000, 1.000000]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.361976, 0.110510, 0.001014, 0.000505, 0.000000]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
projection_matrix:
  rows: 3
  cols: 4
  data: [393.653800, 0, 322.797939, 0, 0, 393.653800, 241.090902, 0, 0, 0, 1, 0]
)");
  ASSERT_TRUE(c.ok()) << c.status().to_string();
  EXPECT_EQ(c->width, 640);
  EXPECT_EQ(c->height, 480);
  EXPECT_EQ(c->model, "pinhole");
  EXPECT_THAT(c->camera_matrix,
              ElementsAre(438.783367, 0, 305.593336, 0, 437.302876, 243.738352, 0, 0, 1));
  EXPECT_THAT(c->distortion, ElementsAre(-0.361976, 0.11051, 0.001014, 0.000505, 0));
}

TEST_F(CalibrationTest, ReadsWhatOpenCvWrites) {
  const auto c = load(R"(%YAML:1.0
---
calibration_time: "Sun 22 Nov 2026 02:20:30 PM"
nframes: 13
image_width: 640
image_height: 480
board_width: 9
square_size: 25.
flags: 0
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 6.5746697944293521e+002, 0., 3.1950000000000000e+002, 0.,
       6.5746697944293521e+002, 2.3950000000000000e+002, 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: 5
   cols: 1
   dt: d
   data: [ -4.1802327176423804e-001, 5.0715244063187526e-001, 0., 0.,
       -5.7843597214487474e-001 ]
avg_reprojection_error: 3.6e-001
fisheye_model: 1
)");
  ASSERT_TRUE(c.ok()) << c.status().to_string();
  EXPECT_EQ(c->width, 640);
  EXPECT_EQ(c->model, "fisheye");
  EXPECT_THAT(c->camera_matrix,
              ElementsAre(657.46697944293521, 0, 319.5, 0, 657.46697944293521, 239.5, 0, 0, 1));
  EXPECT_THAT(c->distortion,
              ElementsAre(-0.41802327176423804, 0.50715244063187526, 0, 0, -0.57843597214487474));
}

TEST_F(CalibrationTest, TheModelMayNotBeSaid) {
  const auto c = load("{camera_matrix: [1, 2, 3, 4], distortion_coefficients: []}");
  ASSERT_TRUE(c.ok()) << c.status().to_string();
  EXPECT_EQ(c->model, "");
  EXPECT_EQ(c->width, 0);
  EXPECT_TRUE(c->distortion.empty());
}

TEST_F(CalibrationTest, SaysAllThatIsWrong) {
  const std::string all = refusal(R"(image_width: -5
image_height: 1e99
distortion_model: thin_prism
camera_matrix: {data: [1, .nan, 2]}
)");
  for (const char* expected : {
           "camera.yaml:1:14: 'image_width' must be a whole number from 1 to 65536",
           "camera.yaml:2:15: 'image_height' must be",
           "camera.yaml:3:19: the distortion model 'thin_prism' is not known; known: plumb_bob",
           "camera.yaml:4:27: 'camera_matrix' must consist of finite numbers",
           "camera.yaml:1:1: a calibration has a 'distortion_coefficients'",
       }) {
    EXPECT_THAT(all, HasSubstr(expected));
  }
  const std::string head = "camera_matrix: [1, 2, 3, 4]\ndistortion_coefficients: ";
  EXPECT_THAT(refusal(head + "{rows: 1}"), HasSubstr("a list of numbers as its 'data'"));
  EXPECT_THAT(refusal(head + "five"), HasSubstr("a list of numbers as its 'data'"));
  EXPECT_THAT(refusal(head + "{data: [1, [2]]}"), HasSubstr("finite numbers"));
  EXPECT_THAT(refusal(head + "{data: [1, -.inf]}"), HasSubstr("finite numbers"));
  std::string many = "[0";
  for (int i = 0; i < 40; ++i) many += ", 0";
  EXPECT_THAT(refusal(head + many + "]"), HasSubstr("at most 32"));
  EXPECT_THAT(refusal("- a list"), HasSubstr("camera.yaml:1:1: expected a mapping"));
  EXPECT_THAT(refusal("{{{"), HasSubstr("camera.yaml:1:"));
  EXPECT_EQ(load_calibration(folder_.file("none")).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace inferd::config

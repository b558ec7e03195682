// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "daemon/pipeline/stages/stages.h"
#include "media/undistorter.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/pipeline/results.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

class Undistort : public ::testing::Test {
 protected:
  static config::NodeConfig keys(const std::map<std::string, std::string>& texts,
                                 const std::map<std::string, std::vector<std::string>>& lists) {
    config::NodeConfig n = node("undistort", texts);
    for (const auto& [key, items] : lists) n.entries[key] = {items, true, {"p.yaml", 4, 7}};
    return n;
  }
  std::string refusal(const config::NodeConfig& n) {
    return make_stage(n, context_).status().message();
  }
  // The picture that it shows instead of a made-up one.
  std::vector<uint8_t> shown(const config::NodeConfig& n) {
    auto stage = make_stage(n, context_);
    EXPECT_TRUE(stage.ok()) << stage.status().to_string();
    if (!stage.ok()) return {};
    work_.frame = &*frame_;
    const Status status = (*stage)->process(work_);
    EXPECT_TRUE(status.ok()) << status.to_string();
    EXPECT_NE(work_.frame, &*frame_) << "a frame of its own";
    return work_.hold->image.pixels;
  }
  std::string write(const std::string& text) {
    std::ofstream(folder_.file("camera.yaml")) << text;
    return folder_.file("camera.yaml");
  }
  void SetUp() override {
    for (size_t i = 0; i < frame_->image.pixels.size(); ++i)
      frame_->image.pixels[i] = static_cast<uint8_t>(i / 3 % 320 / 2 + i / 960 / 3);
    frame_->sequence = 7;
    frame_->capture_ns = 123;
    frame_->name = "a.png";
  }

  FakeRepository repository_;
  StageContext context_{repository_, "p", {}, nullptr};
  const std::unique_ptr<Frame> frame_ = grey_frame();
  Work work_;
  const TemporaryFolder folder_;
};

const std::vector<std::string> kMatrix = {"200", "210", "160", "120"};
const std::vector<std::string> kBent = {"-0.3", "0.1", "0.001", "-0.001", "0.02"};

TEST_F(Undistort, ShowsTheFrameThatWasBefore) {
  const auto straight = shown(keys({}, {{"camera_matrix", kMatrix}}));
  EXPECT_EQ(straight, frame_->image.pixels) << "nothing is bent";
  EXPECT_EQ(work_.frame->sequence, 7U);
  EXPECT_EQ(work_.frame->capture_ns, 123);
  EXPECT_EQ(work_.frame->name, "a.png");
  EXPECT_EQ(work_.frame->picture.width, 320);
  const auto bent = shown(keys({}, {{"camera_matrix", kMatrix}, {"distortion", kBent}}));
  media::Undistorter::Options options{
      {media::Lens::Model::kPinhole, 200, 210, 160, 120, {-0.3, 0.1, 0.001, -0.001, 0.02}},
      0,
      0,
      1};
  std::vector<uint8_t> expected;
  ASSERT_TRUE(media::Undistorter(options).undistort(frame_->picture, expected).ok());
  EXPECT_EQ(bent, expected);
  EXPECT_NE(bent, straight);
  options.lens.model = media::Lens::Model::kFisheye;
  options.lens.k = {0.1, 0.02, -0.01, 0.001};
  options.zoom = 0.75;
  ASSERT_TRUE(media::Undistorter(options).undistort(frame_->picture, expected).ok());
  EXPECT_EQ(
      shown(keys({{"model", "fisheye"}, {"zoom", "0.75"}},
                 {{"camera_matrix", kMatrix}, {"distortion", {"0.1", "0.02", "-0.01", "0.001"}}})),
      expected);
}

TEST_F(Undistort, TakesACalibrationsFile) {
  const auto bent =
      shown(keys({{"width", "640"}, {"height", "480"}},
                 {{"camera_matrix", {"400", "420", "320.5", "240.5"}}, {"distortion", kBent}}));
  const std::string rest =
      "image_width: 640\nimage_height: 480\n"
      "camera_matrix: {data: [400, 0, 320.5, 0, 420, 240.5, 0, 0, 1]}\n"
      "distortion_coefficients: {data: [-0.3, 0.1, 0.001, -0.001, 0.02]}\n";
  const std::string path = write(rest + "distortion_model: plumb_bob\n");
  EXPECT_EQ(shown(keys({{"calibration", path}}, {})), bent);
  EXPECT_THAT(refusal(keys({{"calibration", path}, {"model", "fisheye"}}, {})),
              HasSubstr("of a fisheye lens is k1, k2, k3, k4"));
  EXPECT_THAT(refusal(keys({{"calibration", write("image_width: 640\n")}}, {})),
              HasSubstr("camera.yaml:1:1: a calibration has a 'camera_matrix'"));
  EXPECT_THAT(refusal(keys({{"calibration", folder_.file("none")}}, {})),
              HasSubstr("p.yaml:3:5: 'undistort': cannot open"));
}

TEST_F(Undistort, SaysWhatIsWrong) {
  const auto with = [&](std::vector<std::string> matrix, std::vector<std::string> distortion = {},
                        std::map<std::string, std::string> texts = {}) {
    return refusal(
        keys(texts, {{"camera_matrix", std::move(matrix)}, {"distortion", std::move(distortion)}}));
  };
  EXPECT_THAT(refusal(node("undistort")),
              HasSubstr("p.yaml:3:5: 'undistort': it needs either a 'calibration' or a"));
  EXPECT_THAT(with({"0", "200", "160", "120"}), HasSubstr("fx is 0, and must be from 1 to 1e6"));
  EXPECT_THAT(with({"nan", "200", "160", "120"}),
              HasSubstr("p.yaml:4:7: 'camera_matrix' must be a number or a list of numbers"));
  EXPECT_THAT(with({"200", "200", "1e300", "120"}), HasSubstr("cx is 1e+300"));
  EXPECT_THAT(with({"200", "200", "160"}), HasSubstr("a camera's matrix is fx, fy, cx, cy, or"));
  EXPECT_THAT(with({"200", "5", "160", "0", "200", "120", "0", "0", "1"}), HasSubstr("or nine"))
      << "skewed";
  EXPECT_THAT(with(kMatrix, {"1", "2", "3"}), HasSubstr("the distortion is k1, k2, p1, p2, maybe"));
  EXPECT_THAT(with(kMatrix, {"0", "0", "0", "1e200"}), HasSubstr("a number of the distortion is"));
  EXPECT_THAT(with(kMatrix, {"0", "0", "0", "0", "0", "0", "0", "0", "0.1", "0", "0", "0"}),
              HasSubstr("prisms and tilted sensors"));
  EXPECT_EQ(with(kMatrix, {"0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0", "0"}), "");
  EXPECT_THAT(with(kMatrix, {}, {{"width", "640"}}), HasSubstr("the one needs the other"));
  EXPECT_THAT(with(kMatrix, {}, {{"calibration", "x"}}), HasSubstr("needs either"));
  EXPECT_THAT(refusal(keys({{"calibration", "x"}, {"width", "9"}, {"height", "9"}}, {})),
              HasSubstr("are what the 'calibration' says"));
}

TEST_F(Undistort, BelongsBeforeTheRest) {
  const auto n = keys({}, {{"camera_matrix", kMatrix}});
  context_.parts = true;
  EXPECT_THAT(refusal(n), HasSubstr("it belongs into the node before"));
  context_.parts = false;
  context_.signal.samples = true;
  EXPECT_THAT(refusal(n), HasSubstr("'undistort' is for pictures"));
  context_.signal.samples = false;
  repository_.add("m", std::make_shared<FakeModel>(std::vector<TensorInfo>{},
                                                   std::vector<TensorInfo>{}, FakeModel::Run{}));
  context_.model = *repository_.find("m", 0);
  EXPECT_THAT(refusal(n), HasSubstr("comes before 'infer'"));
}

TEST_F(Undistort, AFrameThatDoesNotFitFails) {
  auto stage = make_stage(
      keys({{"width", "1280"}, {"height", "720"}}, {{"camera_matrix", kMatrix}}), context_);
  ASSERT_TRUE(stage.ok()) << stage.status().to_string();
  work_.frame = &*frame_;
  EXPECT_THAT((*stage)->process(work_).message(), HasSubstr("has another aspect ratio"));
}

}  // namespace
}  // namespace inferd::pipeline

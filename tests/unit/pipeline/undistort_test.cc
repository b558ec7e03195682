// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "daemon/pipeline/pipeline.h"
#include "daemon/pipeline/stages/stages.h"
#include "media/preprocessor.h"
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
    Status status = (*stage)->process(work_);
    EXPECT_TRUE(status.ok()) << status.to_string();
    EXPECT_EQ(work_.frame, &*frame_) << "nobody looks yet";
    EXPECT_NE(work_.bent, nullptr);
    if (work_.bent == nullptr) return {};
    status = work_.bent->straighten(work_);
    EXPECT_TRUE(status.ok()) << status.to_string();
    EXPECT_EQ(work_.bent, nullptr);
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
  ASSERT_TRUE((*stage)->process(work_).ok());
  EXPECT_THAT(work_.bent->straighten(work_).message(), HasSubstr("has another aspect ratio"));
}

// A pipeline of a photo, and what its model is given of it.
class UndistortInAPipeline : public ::testing::Test {
 protected:
  static constexpr int kSide = 24;

  void SetUp() override {
    photo_ = {160, 120, {}};
    for (int i = 0; i < 160 * 120 * 3; ++i)
      photo_.pixels.push_back(static_cast<uint8_t>(i / 3 % 160 + i % 3 * 20 + i / 480 % 2 * 9));
    ASSERT_TRUE(media::write_image(folder_.file("photo.png"), photo_).ok());
    repository_.add("m", std::make_shared<FakeModel>(
                             std::vector<TensorInfo>{input_},
                             std::vector<TensorInfo>{{"y", DType::kFloat32, {1, 1}, {}}},
                             [this](std::span<const TensorView> in) {
                               given_.assign(in[0].data.begin(), in[0].data.end());
                               return Result<std::vector<FakeTensor>>(std::vector<FakeTensor>{
                                   {DType::kFloat32, {1, 1}, std::vector<std::byte>(4)}});
                             }));
    config_.name = "p";
    config_.source = node("images", {{"path", folder_.file("photo.png")}, {"live", "false"}});
    config::NodeConfig undistort =
        node("undistort", {}, "camera_matrix", {"100", "100", "80", "60"});
    undistort.entries["distortion"] = {{"-0.3", "0.1", "0", "0"}, true, {"p.yaml", 4, 7}};
    config_.stages = {undistort, node("letterbox"), node("infer", {{"model", "m"}}),
                      node("decode_values")};
  }
  // All frames, until the end.
  void run() {
    auto pipeline = Pipeline::create(config_, repository_);
    ASSERT_TRUE(pipeline.ok()) << pipeline.status().to_string();
    (*pipeline)->start();
    while (!(*pipeline)->ended()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ((*pipeline)->status().failed, 0U) << (*pipeline)->status().last_error;
    EXPECT_EQ((*pipeline)->status().processed, 1U);
  }
  std::vector<std::byte> tensor_of(Result<media::Preprocessor> made,
                                   const media::Picture& picture) {
    std::vector<std::byte> tensor(size_t{kSide} * kSide * 3);
    EXPECT_TRUE(made.ok() && made->fill(picture, tensor).ok());
    return tensor;
  }
  std::vector<std::byte> looked_through() {
    return tensor_of(media::Preprocessor::create(options(), input_, view_), media::view_of(photo_));
  }
  std::vector<std::byte> straight_first() {
    std::vector<uint8_t> storage;
    const auto straight = media::Undistorter(view_).undistort(media::view_of(photo_), storage);
    EXPECT_TRUE(straight.ok());
    return tensor_of(media::Preprocessor::create(options(), input_), *straight);
  }
  static media::Preprocess options() {
    media::Preprocess o;
    o.fit = media::Fit::kLetterbox;
    return o;
  }

  const TensorInfo input_{"x", DType::kUInt8, {1, kSide, kSide, 3}, {}};
  const media::LensView view_{
      {media::Lens::Model::kPinhole, 100, 100, 80, 60, {-0.3, 0.1}}, 0, 0, 1};
  media::Image photo_;
  FakeRepository repository_;
  config::PipelineConfig config_;
  std::vector<std::byte> given_;  // to the model
  const TemporaryFolder folder_;
};

TEST_F(UndistortInAPipeline, TheModelLooksThroughTheLensWhereNobodyElseLooks) {
  config_.sinks = {node("jsonl", {{"path", folder_.file("out.jsonl")}})};
  run();
  EXPECT_EQ(given_, looked_through());
  EXPECT_NE(given_, straight_first()) << "or this test cannot tell";
}

TEST_F(UndistortInAPipeline, ASinkThatLooksSeesTheStraightPicture) {
  config_.sinks = {node("annotated", {{"path", folder_.file("out.png")}})};
  run();
  EXPECT_EQ(given_, straight_first());
  std::vector<uint8_t> storage;
  ASSERT_TRUE(media::Undistorter(view_).undistort(media::view_of(photo_), storage).ok());
  const auto drawn = media::read_image(folder_.file("out.png"));
  ASSERT_TRUE(drawn.ok()) << drawn.status().to_string();
  // In the corner are the values.
  EXPECT_TRUE(std::equal(drawn->pixels.end() - 160 * 3 * 40, drawn->pixels.end(),
                         storage.end() - 160 * 3 * 40));
}

TEST_F(UndistortInAPipeline, AStageThatLooksSeesTheStraightPicture) {
  config_.stages.push_back(node("blur"));
  run();
  EXPECT_EQ(given_, straight_first());
}

TEST_F(UndistortInAPipeline, ANodeThatReadsIsGivenTheStraightPicture) {
  config::PipelineNode camera, first, second;
  camera.name = "camera";
  camera.source = config_.source;
  first.name = "first";
  first.from = {"camera"};
  first.stages = {config_.stages[0]};
  second.name = "second";
  second.from = {"first"};
  second.stages = {config_.stages[1], config_.stages[2], config_.stages[3]};
  config_.nodes = {camera, first, second};
  run();
  EXPECT_EQ(given_, straight_first());
}

TEST_F(UndistortInAPipeline, ASnapshotShowsTheStraightPicture) {
  config_.source.entries["loop"] = {{"true"}, false, {"p.yaml", 4, 7}};
  auto pipeline = Pipeline::create(config_, repository_);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status().to_string();
  (*pipeline)->start();
  const auto shot = (*pipeline)->shoot("", 60'000);
  ASSERT_TRUE(shot.ok()) << shot.status().to_string();
  (*pipeline)->stop();
  EXPECT_EQ(given_, looked_through()) << "the model's input is made without";
  std::vector<uint8_t> storage;
  ASSERT_TRUE(media::Undistorter(view_).undistort(media::view_of(photo_), storage).ok());
  EXPECT_EQ(shot->frame->image.pixels, storage);
}

}  // namespace
}  // namespace inferd::pipeline

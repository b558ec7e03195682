// SPDX-License-Identifier: Apache-2.0
//
// What pipelines decode of real models' outputs, beside what decode_reference.py decodes of the
// same outputs with NumPy; layouts of which no model is here, with outputs made up at random.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <random>

#include "daemon/pipeline/stage.h"
#include "media/npy.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

using Keys = std::map<std::string, std::string>;

struct Case {
  const char* name;
  fs::path model;                      // none: outputs are made up
  std::vector<const char*> photos;     // of INFERD_TEST_MODELS/images
  std::vector<config::NodeConfig> in;  // stages before infer
  config::NodeConfig decoder;
  const char* family;              // of decode_reference.py
  json options;                    // for it
  size_t least;                    // detections, classes or areas on each photo
  int shows = -1;                  // a class that is among them
  std::vector<Shape> shapes = {};  // of made-up outputs
  Shape input = {1, 3, 64, 96};    // of a made-up model

  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

const fs::path kModels = INFERD_TEST_MODELS;
const fs::path kFaces = fs::path(INFERD_TEST_CACHE) / "node_modules/@mediapipe/face_detection";

config::NodeConfig normalize(const char* mean, const char* std, const char* order) {
  return node("normalize", {{"mean", mean}, {"std", std}, {"order", order}});
}

// ImageNet's means and deviations, in the order of the tensor's channels.
config::NodeConfig normalize_as_imagenet(const char* order) {
  std::vector<std::string> mean = {"123.675", "116.28", "103.53"};
  std::vector<std::string> deviation = {"58.395", "57.12", "57.375"};
  if (std::string(order) == "bgr") {
    std::reverse(mean.begin(), mean.end());
    std::reverse(deviation.begin(), deviation.end());
  }
  config::NodeConfig n = node("normalize", {{"order", order}});
  n.entries["mean"] = {mean, true, {"p.yaml", 4, 7}};
  n.entries["std"] = {deviation, true, {"p.yaml", 4, 7}};
  return n;
}

// -- real models

std::vector<Case> real_cases() {
  const Keys half = {{"min_score", "0.5"}};
  const Keys quarter = {{"min_score", "0.25"}};
  const config::NodeConfig full_range =
      node("decode_ssd", {{"style", "blazeface"}, {"strides", "4"}, {"anchors_per_cell", "1"}});
  const auto strides = [](std::vector<int> s, int per_cell) {
    return json{{"strides", s}, {"anchors_per_cell", per_cell}};
  };
  return {
      {"yunet",
       kModels / "onnx/yunet_n_320_320.onnx",
       {"faces_1.jpg", "faces_17.jpg", "face.jpg"},
       {node("letterbox"), normalize("0", "1", "bgr")},
       node("decode_yunet", half),
       "yunet",
       {},
       1,
       0},
      {"blazeface_short_range",
       kFaces / "face_detection_short_range.tflite",
       {"face.jpg", "astronaut.png"},
       {node("letterbox"), normalize("127.5", "127.5", "rgb")},
       node("decode_ssd",
            {{"style", "blazeface"}, {"boxes", "regressors"}, {"scores", "classificators"}}),
       "blazeface",
       strides({8, 16, 16, 16}, 2),
       1,
       0},
      {"blazeface_full_range",
       kFaces / "face_detection_full_range.tflite",
       {"face.jpg", "astronaut.png"},
       {node("letterbox"), normalize("127.5", "127.5", "rgb")},
       full_range,
       "blazeface",
       strides({4}, 1),
       1,
       0},
      {"fastestdet",
       kModels / "onnx/FastestDet.onnx",
       {"street_0.jpg", "street_1.jpg"},
       {node("resize"), normalize("0", "255", "bgr")},
       node("decode_fastestdet", half),
       "fastestdet",
       {},
       1,
       5},
      {"nanodet",
       kModels / "onnx/nanodet_m.onnx",
       {"dog.jpg", "person.jpg"},
       {node("resize"), normalize_as_imagenet("bgr")},
       node("decode_nanodet", half),
       "nanodet",
       {},
       1,
       16},
      {"yolox",
       kModels / "onnx/yolox_nano.onnx",
       {"dog.jpg", "person.jpg"},
       {node("letterbox"), normalize("0", "1", "bgr")},
       node("decode_yolo", half),
       "yolox",
       {},
       1,
       16},
      {"movenet",
       kModels / "tflite/movenet_single_pose_lightning_ptq.tflite",
       {"squat.bmp"},
       {node("letterbox", {{"pad", "0"}})},
       node("decode_pose", quarter),
       "movenet",
       {{"min_score", 0.25}},
       1,
       0},
      {"mobilenet_v2_quant",
       kModels / "tflite/mobilenet_v2_1.0_224_quant.tflite",
       {"parrot.jpg", "cat_720p.jpg"},
       {node("crop")},
       node("decode_classes"),
       "classes",
       {},
       5,
       89},
      {"mobilenet_v2_int8",
       kModels / "tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite",
       {"parrot.jpg"},
       {node("crop")},
       node("decode_classes", {{"top", "3"}}),
       "classes",
       {{"top", 3}},
       3,
       89},
      {"logits",
       kModels / "onnx/mobilenet_v2_quant.onnx",
       {"parrot.jpg"},
       {node("crop"), normalize_as_imagenet("rgb")},
       node("decode_classes", {{"softmax", "true"}}),
       "classes",
       {{"softmax", true}},
       5,
       88},
      {"deeplab",
       kModels / "tflite/deeplabv3_mnv2_dm05_pascal_quant.tflite",
       {"bird.bmp", "cat_720p.jpg"},
       {node("letterbox", {{"pad", "0"}})},
       node("decode_segments", {{"mask", "true"}}),
       "segments",
       {{"layout", "labels"}},
       2,
       3},
      {"selfie",
       fs::path(INFERD_TEST_CACHE) /
           "node_modules/@mediapipe/selfie_segmentation/selfie_segmentation.tflite",
       {"grace_hopper.bmp"},
       {node("resize"), normalize("0", "255", "rgb")},
       node("decode_segments", {{"mask", "true"}, {"size", "100"}}),
       "segments",
       {{"layout", "chance"}, {"size", 100}},
       2,
       1},
  };
}

// -- layouts of which no model is here; the input is 96 pixels wide and 64 high

std::vector<Case> made_cases() {
  const auto made = [](const char* name, const config::NodeConfig& decoder, const char* family,
                       std::vector<Shape> shapes, json options = json::object()) {
    return Case{name,
                {},
                {"face.jpg"},
                {node("letterbox"), node("normalize")},
                decoder,
                family,
                std::move(options),
                1,
                -1,
                std::move(shapes),
                {1, 3, 64, 96}};
  };
  const Keys half = {{"min_score", "0.5"}};
  Case last_is_class = made("planes", node("decode_segments", {{"mask", "true"}}), "segments",
                            {{1, 5, 16, 24}}, {{"layout", "planes"}});
  Case rows = made("class_last", node("decode_segments", {{"mask", "true"}, {"size", "333"}}),
                   "segments", {{1, 16, 24, 5}}, {{"layout", "scores"}, {"size", 333}});
  rows.input = {1, 64, 96, 3};
  return {
      made("yolov5", node("decode_yolo", half), "yolo_v5", {{1, 378, 9}}),
      made("yolov5_parts", node("decode_yolo", {{"min_score", "0.5"}, {"units", "input"}}),
           "yolo_v5", {{1, 378, 9}}, {{"units", "input"}}),
      made("yolov6", node("decode_yolo", {{"min_score", "0.5"}, {"layout", "v5"}}), "yolo_v5",
           {{1, 126, 9}}),
      made("yolov8", node("decode_yolo", half), "yolo_v8", {{1, 9, 126}}),
      made("yolov10", node("decode_yolo", half), "yolo_v10", {{1, 300, 6}}),
      made("nanodet_plus", node("decode_nanodet", half), "nanodet_plus", {{1, 128, 37}}),
      made(
          "yolov3_heads",
          node("decode_yolo_heads", {{"min_score", "0.4"}}, "anchors",
               {"10", "14", "23", "27", "37", "58", "81", "82"}),
          "yolo_heads", {{1, 16, 4, 6}, {1, 16, 8, 12}},
          {{"layout", "first"}, {"min_score", 0.4}, {"anchors", {10, 14, 23, 27, 37, 58, 81, 82}}}),
      made("yolov4_heads",
           node("decode_yolo_heads", {{"min_score", "0.4"}, {"scale_xy", "1.2"}}, "anchors",
                {"10", "14", "23", "27", "37", "58", "81", "82"}),
           "yolo_heads", {{1, 8, 12, 16}, {1, 4, 6, 16}},
           {{"layout", "last"},
            {"min_score", 0.4},
            {"scale_xy", 1.2},
            {"anchors", {10, 14, 23, 27, 37, 58, 81, 82}}}),
      made("yolov5_heads",
           node("decode_yolo_heads", {{"min_score", "0.4"}, {"sizes", "squared"}}, "anchors",
                {"10", "14", "23", "27", "37", "58"}),
           "yolo_heads", {{1, 3, 4, 6, 9}},
           {{"layout", "apart"},
            {"min_score", 0.4},
            {"scale_xy", 2},
            {"squared", true},
            {"anchors", {10, 14, 23, 27, 37, 58}}}),
      made("centernet", node("decode_centernet", half), "centernet",
           {{1, 5, 16, 24}, {1, 2, 16, 24}, {1, 2, 16, 24}}),
      made("centernet_chances",
           node("decode_centernet", {{"min_score", "0.5"}, {"logits", "false"}}), "centernet",
           {{1, 8, 12, 3}, {1, 8, 12, 2}}, {{"logits", false}}),
      made("movenet_multi", node("decode_pose", half), "movenet_multi", {{1, 6, 56}}),
      made("posenet", node("decode_pose", {{"min_score", "0.25"}}), "posenet",
           {{1, 5, 7, 17}, {1, 5, 7, 34}}, {{"min_score", 0.25}}),
      last_is_class,
      rows,
  };
}

std::vector<Case> all_cases() {
  std::vector<Case> cases = real_cases();
  for (Case& c : made_cases()) cases.push_back(std::move(c));
  return cases;
}

// -0.25..1.25, in a way that every family has something over and something under its thresholds.
std::shared_ptr<const Model> made_model(const Case& c) {
  std::vector<TensorInfo> infos;
  for (const Shape& shape : c.shapes)
    infos.push_back({"o" + std::to_string(infos.size()), DType::kFloat32, shape, {}});
  return std::make_shared<FakeModel>(
      std::vector<TensorInfo>{{"picture", DType::kFloat32, c.input, {}}}, infos,
      [infos](std::span<const TensorView>) -> Result<std::vector<FakeTensor>> {
        std::mt19937 random(11);
        std::vector<FakeTensor> outputs;
        for (const TensorInfo& info : infos) {
          std::vector<float> values(static_cast<size_t>(info.shape.elements()));
          for (float& v : values) v = static_cast<float>(random() % 15000) / 10000.F - 0.25F;
          const auto bytes = std::as_bytes(std::span(values));
          outputs.push_back({info.dtype, info.shape, {bytes.begin(), bytes.end()}});
        }
        return outputs;
      });
}

class Decoders : public ::testing::TestWithParam<Case> {
 protected:
  // The stages of the case after the model is known; null for those that only describe.
  void make_stages(const Case& c) {
    std::vector<config::NodeConfig> nodes = c.in;
    nodes.push_back(node("infer", {{"model", "m"}}));
    nodes.push_back(c.decoder);
    for (const config::NodeConfig& n : nodes) {
      auto stage = make_stage(n, context_);
      ASSERT_TRUE(stage.ok()) << stage.status().to_string();
      if (*stage != nullptr) stages_.push_back(std::move(*stage));
    }
  }

  // What the script expects of the outputs of `work`, or nothing where it cannot run.
  static json reference(const Case& c, const Work& work) {
    const TemporaryFolder folder;
    TensorInfo input = work.model->model->inputs()[0];
    if (input.shape[0] == kDynamicDim) input.shape[0] = 1;
    const auto image = media::image_tensor_of(input);
    const media::Placement& p = work.placement;
    json meta = {{"input", {image->height, image->width}},
                 {"frame", {work.frame->image.height, work.frame->image.width}},
                 {"placement", {p.scale_x, p.scale_y, p.offset_x, p.offset_y}},
                 {"options", c.options.is_null() ? json::object() : c.options},
                 {"quantization", json::array()}};
    for (size_t i = 0; i < work.outputs.size(); ++i) {
      const Tensor& o = work.outputs[i];
      const bool plain = o.quantization.empty();
      meta["quantization"].push_back(
          {plain ? 1.F : o.quantization.scale(), plain ? 0 : o.quantization.zero_point()});
      const Status written = media::write_npy(folder.file("output_" + std::to_string(i) + ".npy"),
                                              {o.dtype, o.shape, o.data});
      EXPECT_TRUE(written.ok()) << written.to_string();
    }
    std::ofstream(folder.file("meta.json")) << meta.dump();
    const std::string command = "/usr/bin/python3 -B '" INFERD_SOURCE_DIR
                                "/tests/models/decode_reference.py' " +
                                std::string(c.family) + " '" + folder.path() + "'";
    const int status = std::system(command.c_str());
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) return nullptr;
    EXPECT_EQ(status, 0) << command;
    std::ifstream file(folder.file("expected.json"));
    return json::parse(file);
  }

  static void compare(const Work& work, const json& expected);

  FakeRepository repository_;
  StageContext context_{repository_, "p", {}, nullptr, false};
  std::vector<std::unique_ptr<Stage>> stages_;
};

constexpr double kPlace = 2e-5;  // parts of the frame
constexpr double kScore = 2e-5;

void expect_same(const Detection& got, const json& expected) {
  EXPECT_EQ(got.class_id, expected["class_id"]);
  EXPECT_NEAR(double{got.score}, expected["score"].get<double>(), kScore);
  const std::array<float, 4> box = {got.box.x_min, got.box.y_min, got.box.x_max, got.box.y_max};
  for (size_t i = 0; i < 4; ++i)
    EXPECT_NEAR(double{box[i]}, expected["box"][i].get<double>(), kPlace) << "edge " << i;
  ASSERT_EQ(got.keypoints.size(), expected["keypoints"].size());
  for (size_t k = 0; k < got.keypoints.size(); ++k) {
    const json& point = expected["keypoints"][k];
    EXPECT_NEAR(double{got.keypoints[k].x}, point[0].get<double>(), kPlace) << "point " << k;
    EXPECT_NEAR(double{got.keypoints[k].y}, point[1].get<double>(), kPlace) << "point " << k;
    EXPECT_NEAR(double{got.keypoints[k].score}, point[2].get<double>(), kScore) << "point " << k;
  }
}

void Decoders::compare(const Work& work, const json& expected) {
  ASSERT_EQ(work.detections.size(), expected["detections"].size());
  for (size_t i = 0; i < work.detections.size(); ++i) {
    SCOPED_TRACE("detection " + std::to_string(i));
    expect_same(work.detections[i], expected["detections"][i]);
  }
  ASSERT_EQ(work.classes.size(), expected["classes"].size());
  for (size_t i = 0; i < work.classes.size(); ++i) {
    EXPECT_EQ(work.classes[i].class_id, expected["classes"][i][0]);
    EXPECT_NEAR(double{work.classes[i].score}, expected["classes"][i][1].get<double>(), kScore);
  }
  ASSERT_EQ(work.areas.size(), expected["areas"].size());
  for (size_t i = 0; i < work.areas.size(); ++i) {
    EXPECT_EQ(work.areas[i].class_id, expected["areas"][i][0]);
    EXPECT_NEAR(double{work.areas[i].fraction}, expected["areas"][i][1].get<double>(), 1e-6);
  }
  if (expected["mask"].is_null()) return;
  EXPECT_EQ(work.mask.width, expected["mask"]["width"]);
  EXPECT_EQ(work.mask.height, expected["mask"]["height"]);
  EXPECT_EQ(json(work.mask.runs), expected["mask"]["runs"]);
}

TEST_P(Decoders, FindWhatTheReferenceFinds) {
  const Case& c = GetParam();
  if (!c.model.empty() && !fs::exists(c.model)) GTEST_SKIP() << "SKIPPED: there is no " << c.model;
  if (!fs::exists(kModels / "images")) GTEST_SKIP() << "SKIPPED: there is no " << kModels;
  if (c.model.empty()) {
    repository_.add("m", made_model(c));
  } else {
    const auto engine = Engine::create({});
    ASSERT_TRUE(engine.ok());
    const auto model = (*engine)->load(c.model);
    ASSERT_TRUE(model.ok()) << model.status().to_string();
    repository_.add("m", *model);
  }
  make_stages(c);
  if (HasFatalFailure()) return;
  bool shown = c.shows < 0;
  for (const char* photo : c.photos) {
    SCOPED_TRACE(photo);
    const auto image = media::read_image(kModels / "images" / photo);
    ASSERT_TRUE(image.ok()) << image.status().to_string();
    Frame frame;
    frame.image = *image;
    frame.picture = media::view_of(frame.image);
    Work work;
    work.frame = &frame;
    for (const auto& stage : stages_) {
      Status status = stage->start(work);
      if (status.ok()) status = stage->process(work);
      ASSERT_TRUE(status.ok()) << status.to_string();
    }
    const size_t count = work.detections.size() + work.classes.size() + work.areas.size();
    std::cout << "  " << photo << ": " << count << "\n";
    EXPECT_GE(count, c.least);
    const auto is_shown = [&](const auto& found) { return found.class_id == c.shows; };
    shown = shown || std::any_of(work.detections.begin(), work.detections.end(), is_shown) ||
            std::any_of(work.classes.begin(), work.classes.end(), is_shown) ||
            std::any_of(work.areas.begin(), work.areas.end(), is_shown);
    const json expected = reference(c, work);
    if (expected.is_null()) GTEST_SKIP() << "SKIPPED: no Python package numpy";
    compare(work, expected);
  }
  EXPECT_TRUE(shown) << "no photo shows class " << c.shows;
}

INSTANTIATE_TEST_SUITE_P(All, Decoders, ::testing::ValuesIn(all_cases()),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace inferd::pipeline

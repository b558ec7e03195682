// SPDX-License-Identifier: Apache-2.0
//
// Decoders on outputs that fit in a test: what they refuse, and that no number of a model comes out
// as one of a result unchecked. Whether they decode rightly is seen in tests/models/decoders_test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "daemon/pipeline/decode/classes.h"
#include "daemon/pipeline/decode/segmentation.h"
#include "daemon/pipeline/stages/stages.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinite = std::numeric_limits<float>::infinity();

Tensor floats(const Shape& shape, const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {DType::kFloat32, shape, {bytes.begin(), bytes.end()}};
}

// A decoder for a model with a picture of 96 by 64 pixels and these outputs.
struct Decoder {
  Decoder(const config::NodeConfig& config, const std::vector<Shape>& shapes,
          DType dtype = DType::kFloat32, Shape input = {1, 3, 64, 96}) {
    std::vector<TensorInfo> outputs;
    outputs.reserve(shapes.size());
    for (const Shape& shape : shapes)
      outputs.push_back({std::to_string(outputs.size()), dtype, shape, {}});
    repository.add("net", std::make_shared<FakeModel>(
                              std::vector<TensorInfo>{{"x", DType::kFloat32, input, {}}},
                              std::move(outputs), nullptr));
    context.model = *repository.find("net", 0);
    stage = make_stage(config, context);
    frame.picture.width = 192;
    frame.picture.height = 128;
    work.frame = &frame;
  }
  std::string message() const { return stage.status().message(); }
  size_t run(std::vector<Tensor> outputs) {
    work.outputs = std::move(outputs);
    EXPECT_TRUE(stage.ok()) << message();
    status = (*stage)->process(work);
    return work.detections.size();
  }

  FakeRepository repository;
  StageContext context{repository, "p", {}, nullptr, false};
  Result<std::unique_ptr<Stage>> stage = invalid_argument("not made");
  Frame frame;
  Work work;
  Status status;
};

const std::vector<Shape> kYunet = {{1, 96, 1}, {1, 24, 1},  {1, 6, 1},   {1, 96, 1},
                                   {1, 24, 1}, {1, 6, 1},   {1, 96, 4},  {1, 24, 4},
                                   {1, 6, 4},  {1, 96, 10}, {1, 24, 10}, {1, 6, 10}};
const std::vector<Shape> kNanodet = {{1, 96, 3},  {1, 24, 3},  {1, 6, 3},
                                     {1, 96, 32}, {1, 24, 32}, {1, 6, 32}};

// Every family and layout.
using Keys = std::map<std::string, std::string>;

struct Family {
  const char* type;
  std::vector<Shape> shapes;
  std::vector<std::string> anchors = {};
  config::NodeConfig config(const Keys& keys) const {
    return anchors.empty() ? node(type, keys) : node(type, keys, "anchors", anchors);
  }
};
const Family kFamilies[] = {
    {"decode_yunet", kYunet},
    {"decode_nanodet", kNanodet},
    {"decode_nanodet", {{1, 128, 35}}},
    {"decode_yolo_heads",
     {{1, 16, 4, 6}, {1, 16, 8, 12}},
     {"9", "8", "7", "6", "5", "4", "3", "2"}},
    {"decode_centernet", {{1, 3, 16, 24}, {1, 2, 16, 24}, {1, 2, 16, 24}}},
    {"decode_centernet", {{1, 16, 24, 3}, {1, 16, 24, 2}}},
    {"decode_yolo", {{1, 126, 8}}},
    {"decode_yolo", {{1, 378, 8}}},
    {"decode_yolo", {{1, 7, 126}}},
    {"decode_yolo", {{1, 20, 6}}},
    {"decode_pose", {{1, 1, 17, 3}}},
    {"decode_pose", {{1, 6, 56}}},
    {"decode_pose", {{1, 4, 6, 17}, {1, 4, 6, 34}}},
    {"decode_fastestdet", {{1, 8, 4, 6}}},
    {"decode_ssd", {{1, 1917, 4}, {1, 1917, 3}}},
};

bool sane(const Detection& d) {
  const auto part = [](float v) { return v >= 0 && v <= 1; };
  bool good = part(d.box.x_min) && part(d.box.y_min) && part(d.box.x_max) && part(d.box.y_max) &&
              std::isfinite(d.score);
  for (const Keypoint& k : d.keypoints)
    good = good && std::isfinite(k.x) && std::isfinite(k.y) && std::isfinite(k.score);
  return good;
}

TEST(BoxDecoders, LetNoNumberThroughThatIsNone) {
  const std::vector<std::vector<float>> palettes = {
      {kNan},
      {kInfinite},
      {-kInfinite},
      {1e38F},
      {-1e38F},
      {0.9F, kNan, 0.5F, kInfinite, 0.99F, -kInfinite, 0.7F, 1e38F, 0.8F, 0.95F, 0.6F}};
  for (const Family& family : kFamilies) {
    SCOPED_TRACE(family.type + family.shapes[0].to_string());
    Decoder decoder(family.config({{"min_score", "0.1"}}), family.shapes);
    std::mt19937 random(1);
    for (const std::vector<float>& palette : palettes) {
      for (int round = 0; round < 5; ++round) {
        std::vector<Tensor> outputs;
        for (const Shape& shape : family.shapes) {
          std::vector<float> values(static_cast<size_t>(shape.elements()));
          for (float& v : values) v = palette[random() % palette.size()];
          outputs.push_back(floats(shape, values));
        }
        decoder.run(std::move(outputs));
        EXPECT_TRUE(decoder.status.ok()) << decoder.status.to_string();
        for (const Detection& d : decoder.work.detections) EXPECT_TRUE(sane(d));
      }
    }
  }
}

TEST(BoxDecoders, AnOutputOfAnotherSizeIsNotRead) {
  for (const Family& family : kFamilies) {
    SCOPED_TRACE(family.type + family.shapes[0].to_string());
    Decoder decoder(family.config({}), family.shapes);
    std::vector<Tensor> outputs;
    for (const Shape& shape : family.shapes) outputs.push_back(floats({0, shape[1]}, {}));
    decoder.run(std::move(outputs));
    EXPECT_FALSE(decoder.status.ok());
  }
}

TEST(BoxDecoders, SayWhatTheyExpectAndWhatIsThere) {
  const auto message = [](const char* type, const std::vector<Shape>& shapes,
                          const std::map<std::string, std::string>& keys = {}) {
    return Decoder(node(type, keys), shapes).message();
  };
  const std::vector<Shape> other = {{1, 100, 6, 2}};
  EXPECT_EQ(message("decode_yolo", other),
            "p.yaml:3:5: 'decode_yolo' needs one output: [1,126,5+classes] (yolox), "
            "[1,378,5+classes] (v5; with 'layout: v5' any number of boxes), [1,4+classes,126] (v8) "
            "or [1,boxes,6] (v10); the model gives FP32[1,100,6,2] (model 'net')");
  EXPECT_THAT(message("decode_yunet", other), HasSubstr("[1,96,1], [1,24,1], [1,6,1], [1,96,1]"));
  EXPECT_THAT(message("decode_yunet", other), HasSubstr("the model gives FP32[1,100,6,2]"));
  EXPECT_THAT(message("decode_nanodet", other),
              HasSubstr("[1,96,classes], [1,24,classes], [1,6,classes], [1,96,4*steps]"));
  EXPECT_THAT(message("decode_pose", other), HasSubstr("MoveNet's [1,1,points,3]"));
  EXPECT_THAT(message("decode_yolo_heads", other), HasSubstr("needs 'anchors': width and height"));
  EXPECT_THAT(message("decode_yolo_heads", other, {{"anchors", "0"}}), HasSubstr("more than 0"));
  EXPECT_THAT(Decoder(node("decode_yolo_heads", {}, "anchors", {"1", "2", "3", "4"}),
                      {{1, 18, 4, 6}, {1, 18, 4, 6}})
                  .message(),
              HasSubstr("each of another size, with 1 anchors"));
  EXPECT_THAT(message("decode_centernet", other), HasSubstr("[1,2,rows,columns] (sizes)"));
  EXPECT_THAT(message("decode_centernet", {{1, 3, 16, 12}, {1, 2, 16, 12}}),
              HasSubstr("square cells"));
  EXPECT_THAT(message("decode_yolo", {{1, 126, 8}}, {{"layout", "v10"}}),
              HasSubstr("the model gives FP32[1,126,8]"));
  EXPECT_THAT(message("decode_yolo", {{1, 126, 8}}, {{"strides", "0.5"}}),
              HasSubstr("'strides' are integers from 1 to 1024"));
  EXPECT_THAT(message("decode_ssd", {{1, 8, 4}, {1, 8, 3}}, {{"layers", "1e99"}}),
              HasSubstr("'layers' say that there are more than 100000 cells"));
  std::vector<Shape> swapped = kYunet;
  std::swap(swapped[0], swapped[11]);
  EXPECT_THAT(message("decode_yunet", swapped), HasSubstr("needs YuNet's twelve outputs"));
  EXPECT_THAT(Decoder(node("decode_yolo"), {{1, 126, 8}}, DType::kInt64).message(),
              HasSubstr("the model gives INT64[1,126,8]"));
}

TEST(BoxDecoders, ABatchThatMayBeAnythingIsOne) {
  EXPECT_TRUE(Decoder(node("decode_yolo"), {{kDynamicDim, 126, 8}}).stage.ok());
  EXPECT_FALSE(Decoder(node("decode_yolo"), {{1, kDynamicDim, 8}}).stage.ok());
  EXPECT_FALSE(Decoder(node("decode_yolo"), {{2, 126, 8}}).stage.ok());
}

TEST(BoxDecoders, BytesMeanWhatTheirScaleSays) {
  Decoder decoder(node("decode_yolo"), {{1, 20, 6}}, DType::kUInt8);
  Tensor output{DType::kUInt8, {1, 20, 6}, std::vector<std::byte>(120, std::byte{3}), {}};
  output.quantization = {{0.5F}, {3}, 0};
  // 12, 8, 48, 32 of 96 by 64 pixels, score 1, class 2.
  const int row[] = {27, 19, 99, 67, 5, 7};
  for (size_t i = 0; i < 6; ++i) output.data[i] = static_cast<std::byte>(row[i]);
  ASSERT_EQ(decoder.run({output}), 1U);
  const Detection& d = decoder.work.detections[0];
  EXPECT_EQ(d.class_id, 2);
  EXPECT_FLOAT_EQ(d.score, 1);
  EXPECT_FLOAT_EQ(d.box.x_min, 0.125F);
  EXPECT_FLOAT_EQ(d.box.y_max, 0.5F);
}

TEST(Pose, GoesAroundThePointsThatAreSure) {
  Decoder decoder(node("decode_pose", {{"min_score", "0.4"}}), {{1, 1, 3, 3}});
  ASSERT_EQ(decoder.run({floats({1, 1, 3, 3}, {0.2F, 0.3F, 0.9F, 0.6F, 0.5F, 0.8F,  //
                                               0.9F, 0.9F, 0.1F})}),
            1U);
  const Detection& d = decoder.work.detections[0];
  EXPECT_FLOAT_EQ(d.score, 0.6F);
  EXPECT_FLOAT_EQ(d.box.x_min, 0.3F);
  EXPECT_FLOAT_EQ(d.box.y_max, 0.6F);
  EXPECT_FLOAT_EQ(d.keypoints[2].x, 0.9F);
  EXPECT_FLOAT_EQ(d.keypoints[2].score, 0.1F);
  EXPECT_EQ(decoder.run({floats({1, 1, 3, 3}, {0, 0, 0.1F, 0, 0, 0.1F, 0, 0, 0.1F})}), 0U);
}

// -- classes

std::vector<std::pair<int, float>> best(const std::vector<float>& scores,
                                        const ClassesOptions& options) {
  std::vector<ClassScore> found;
  best_classes(scores, options, found);
  std::vector<std::pair<int, float>> pairs;
  pairs.reserve(found.size());
  for (const ClassScore& c : found) pairs.emplace_back(c.class_id, c.score);
  return pairs;
}
using Pairs = std::vector<std::pair<int, float>>;

TEST(Classes, AreTheBestOnesInOrder) {
  ClassesOptions options;
  options.top = 3;
  EXPECT_EQ(best({0.1F, 0.5F, 0.2F, 0.5F, 0.3F}, options),
            (Pairs{{1, 0.5F}, {3, 0.5F}, {4, 0.3F}}));
  options.min_score = 0.4F;
  EXPECT_EQ(best({0.1F, 0.5F, 0.2F, 0.5F, 0.3F}, options), (Pairs{{1, 0.5F}, {3, 0.5F}}));
  EXPECT_EQ(best({kNan, 0.5F, kInfinite, -kInfinite}, options), (Pairs{{1, 0.5F}}));
  EXPECT_TRUE(best({kNan, kNan}, options).empty());
}

TEST(Classes, SoftmaxOfLargeLogits) {
  ClassesOptions options;
  options.softmax = true;
  options.top = 2;
  const auto found = best({1000, 1000 + std::log(3.F), kNan}, options);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].first, 1);
  EXPECT_NEAR(found[0].second, 0.75F, 1e-4);
  EXPECT_NEAR(found[1].second, 0.25F, 1e-4);
}

TEST(Classes, NeedAScoreForEach) {
  EXPECT_THAT(Decoder(node("decode_classes"), {{1, 10, 10}}).message(),
              HasSubstr("'decode_classes', model 'net': needs a score for each class"));
  Decoder decoder(node("decode_classes"), {{1, 1, 1, 4}});
  decoder.run({floats({1, 1, 1, 4}, {0, 1, 0, 0})});
  EXPECT_EQ(decoder.work.classes[0].class_id, 1);
  decoder.run({floats({1, 3}, {0, 1, 0})});
  EXPECT_FALSE(decoder.status.ok());
}

// -- segmentation

TEST(Segmentation, LiesOverTheFrame) {
  // The frame is twice as wide as high and lies in the middle rows of a square map.
  const std::vector<uint16_t> map = {9, 9, 9, 9,  //
                                     1, 1, 2, 2,  //
                                     1, 0, 2, 2,  //
                                     9, 9, 9, 9};
  const ClassMapLayout layout{4, 4, 0, false};
  Mask mask;
  mask.width = 4;
  mask.height = 2;
  std::vector<ClassArea> areas;
  cover_frame(map, layout, {1.F, 0.5F, 0.F, 0.25F}, mask, areas);
  EXPECT_EQ(mask.runs, (std::vector<uint32_t>{1, 2, 2, 2, 1, 1, 0, 1, 2, 2}));
  ASSERT_EQ(areas.size(), 3U);
  EXPECT_EQ(areas[0].class_id, 2);
  EXPECT_FLOAT_EQ(areas[0].fraction, 0.5F);
  EXPECT_EQ(areas[1].class_id, 1);
  EXPECT_FLOAT_EQ(areas[1].fraction, 0.375F);
  EXPECT_EQ(areas[2].class_id, 0);
}

TEST(Segmentation, WhatTheModelHasNotSeenIsNoClass) {
  const std::vector<uint16_t> map(16, 5);
  Mask mask;
  mask.width = 8;
  mask.height = 4;
  std::vector<ClassArea> areas;
  // The middle half of a wide frame.
  cover_frame(map, {4, 4, 0, false}, {2.F, 1.F, -0.5F, 0.F}, mask, areas);
  ASSERT_EQ(areas.size(), 2U);
  EXPECT_EQ(areas[0].class_id, 0);
  EXPECT_FLOAT_EQ(areas[0].fraction, 0.5F);
  EXPECT_FLOAT_EQ(areas[1].fraction, 0.5F);
  cover_frame(map, {4, 4, 0, false}, {kNan, kNan, kNan, kNan}, mask, areas);
  EXPECT_EQ(areas.size(), 1U);
}

TEST(Segmentation, LiesOverTheFrameThatWasTurned) {
  // What the model has seen upright, of a frame that was turned by a quarter, and in a mirror.
  const std::vector<uint16_t> map = {1, 2, 3,  //
                                     4, 5, 6};
  const auto runs = [&](int rotate, bool mirror, int width, int height) {
    media::Placement placement;
    placement.rotate = rotate;
    placement.mirror = mirror;
    Mask mask;
    mask.width = width;
    mask.height = height;
    std::vector<ClassArea> areas;
    cover_frame(map, {2, 3, 0, false}, placement, mask, areas);
    std::vector<uint32_t> classes;
    for (size_t i = 0; i < mask.runs.size(); i += 2) classes.push_back(mask.runs[i]);
    return classes;
  };
  EXPECT_EQ(runs(90, false, 2, 3), (std::vector<uint32_t>{3, 6, 2, 5, 1, 4}));
  EXPECT_EQ(runs(270, false, 2, 3), (std::vector<uint32_t>{4, 1, 5, 2, 6, 3}));
  EXPECT_EQ(runs(180, false, 3, 2), (std::vector<uint32_t>{6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(runs(0, true, 3, 2), (std::vector<uint32_t>{3, 2, 1, 6, 5, 4}));
  EXPECT_EQ(runs(90, true, 2, 3), (std::vector<uint32_t>{1, 4, 2, 5, 3, 6}));
}

TEST(Segmentation, WhatIsPaddingIsNoPartOfTheFrame) {
  // The frame's left half, letterboxed into the middle rows: beyond it the model saw padding.
  const std::vector<uint16_t> map(16, 5);
  media::Placement placement{1.F, 1.F, 0.25F, 0.F};
  placement.shown = {0.25F, 0.F, 0.5F, 1.F};
  Mask mask;
  mask.width = 4;
  mask.height = 1;
  std::vector<ClassArea> areas;
  cover_frame(map, {4, 4, 0, false}, placement, mask, areas);
  EXPECT_EQ(mask.runs, (std::vector<uint32_t>{5, 2, 0, 2}));
}

TEST(Segmentation, LabelsThatAreNoneAreBackground) {
  const std::vector<int64_t> labels = {3, -1, int64_t{1} << 40, kMaxMapClass};
  std::vector<uint16_t> map;
  map_labels({DType::kInt64, {1, 2, 2}, std::as_bytes(std::span(labels))}, map);
  EXPECT_EQ(map, (std::vector<uint16_t>{3, 0, 0, 65535}));
}

TEST(Segmentation, NaNNeverWins) {
  std::vector<uint16_t> map;
  map_scores(std::vector<float>{kNan, 1, 2, 3, kNan, 1}, {1, 2, 3, false}, 0.5F, map);
  EXPECT_EQ(map, (std::vector<uint16_t>{2, 0}));
  map_scores(std::vector<float>{kNan, 0.6F, 0.4F}, {1, 3, 1, true}, 0.5F, map);
  EXPECT_EQ(map, (std::vector<uint16_t>{0, 1, 0}));
}

TEST(Segmentation, GivesAMaskOnlyWhenAskedAndNoFinerThanTheFrame) {
  const Tensor output = floats({1, 2, 4, 6}, std::vector<float>(48, 0.5F));
  Decoder areas(node("decode_segments"), {{1, 2, 4, 6}});
  areas.run({output});
  EXPECT_EQ(areas.work.areas.size(), 1U);
  EXPECT_EQ(areas.work.mask.width, 0);
  EXPECT_TRUE(areas.work.mask.runs.empty());
  Decoder coarse(node("decode_segments", {{"mask", "true"}}), {{1, 2, 4, 6}});
  coarse.run({output});
  EXPECT_EQ(coarse.work.mask.width, 6);
  EXPECT_EQ(coarse.work.mask.height, 4);
  Decoder fine(node("decode_segments", {{"mask", "true"}, {"size", "4000"}}), {{1, 2, 4, 6}});
  fine.run({output});
  EXPECT_EQ(fine.work.mask.width, 192);
  EXPECT_EQ(fine.work.mask.height, 128);
  EXPECT_EQ(fine.work.mask.runs, (std::vector<uint32_t>{0, 192 * 128}));
  EXPECT_THAT(Decoder(node("decode_segments"), {{1, 2, 4}}).message(),
              HasSubstr("or scores (FP32, or quantized to 8 bits) [1,classes,H,W]; the model gives "
                        "FP32[1,2,4]"));
}

// -- what follows them

TEST(Stages, OfTracksNeedTracks) {
  FakeRepository repository;
  StageContext context{repository, "p", {}, nullptr, false};
  config::NodeConfig count = node("count", {{"name", "door"}});
  EXPECT_THAT(make_stage(count, context).status().message(), HasSubstr("needs a 'track' stage"));
  ASSERT_TRUE(make_stage(node("track"), context).ok());
  EXPECT_THAT(make_stage(count, context).status().message(), HasSubstr("needs either 'line:"));
  const config::Mark mark = {"p.yaml", 4, 7};
  count.entries["line"] = {{"0.1", "0.5", "0.1", "0.5"}, true, mark};
  EXPECT_THAT(make_stage(count, context).status().message(), HasSubstr("begins where it ends"));
  count.entries["line"] = {{"0.1", "0.5", "0.9", "50"}, true, mark};
  EXPECT_THAT(make_stage(count, context).status().message(), HasSubstr("from 0 to 1"));
  count.entries["line"] = {{"0.1", "0.5", "0.9", "0.5"}, true, mark};
  EXPECT_TRUE(make_stage(count, context).ok());
  count.entries["zone"] = count.entries["line"];
  EXPECT_FALSE(make_stage(count, context).ok()) << "a line and a zone";
  EXPECT_THAT(make_stage(node("track", {{"low", "0.6"}}), context).status().message(),
              HasSubstr("'low' must not be above 'high'"));
  EXPECT_THAT(make_stage(node("confirm", {{"frames", "6"}}), context).status().message(),
              HasSubstr("'frames' must not be above 'of'"));
}

TEST(Stages, ConfirmByClassWhereNothingIsTracked) {
  FakeRepository repository;
  StageContext context{repository, "p", {}, nullptr, false};
  auto confirm = make_stage(node("confirm", {{"frames", "2"}, {"of", "3"}}), context);
  ASSERT_TRUE(confirm.ok()) << confirm.status().to_string();
  Work work;
  const auto left = [&](const std::vector<int>& classes) {
    work.detections.clear();
    work.classes.clear();
    for (const int c : classes) {
      work.detections.push_back({{0, 0, 1, 1}, 0.5F, c, "", {}});
      work.classes.push_back({c, 0.5F, ""});
    }
    EXPECT_TRUE((*confirm)->process(work).ok());
    EXPECT_EQ(work.classes.size(), work.detections.size());
    return work.detections.size();
  };
  EXPECT_EQ(left({1, 2}), 0U);
  EXPECT_EQ(left({1}), 1U);
  EXPECT_EQ(left({2}), 1U) << "twice in the last three";
  EXPECT_EQ(left({1, 3}), 1U);
}

}  // namespace
}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/measure/box_reader.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string_view>

namespace inferd::ctl {
namespace {

const BoxStyle& style(std::string_view name) {
  for (const BoxStyle& s : box_styles()) {
    if (s.name == name) return s;
  }
  std::abort();
}

TensorInfo info(const Shape& shape) { return {"x", DType::kFloat32, shape, {}}; }

TensorView view(const std::vector<float>& numbers, const Shape& shape) {
  return {DType::kFloat32, shape, std::as_bytes(std::span(numbers))};
}

TEST(BoxReader, SsdBoxesAreMeasuredFromTheirAnchors) {
  const TensorInfo outputs[] = {info({1, 1917, 4}), info({1, 1917, 3})};
  const auto reader = BoxReader::create(style("ssd"), info({1, 300, 300, 3}), outputs);
  ASSERT_TRUE(reader.ok()) << reader.status().to_string();
  ASSERT_TRUE(reader->known_places());
  std::vector<float> boxes(size_t{1917} * 4);
  std::vector<float> logits(size_t{1917} * 3, -10.F);
  logits[2] = 10.F;  // the first anchor: cell (0, 0) of 19, side 0.1
  boxes[1] = 10.F;   // one anchor's width to the right
  const TensorView views[] = {view(boxes, outputs[0].shape), view(logits, outputs[1].shape)};
  const auto found = reader->read(views, 0.5F);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].class_id, 2U);
  EXPECT_NEAR(found[0].rect.x_min, 0.5F / 19 + 0.1F - 0.05F, 1e-6F);
  EXPECT_NEAR(found[0].rect.y_max, 0.5F / 19 + 0.05F, 1e-6F);
}

TEST(BoxReader, AnchorsThatAreNotKnownStillCompare) {
  const TensorInfo outputs[] = {info({1, 10, 4}), info({1, 10, 3})};
  const auto reader = BoxReader::create(style("ssd"), info({1, 300, 300, 3}), outputs);
  ASSERT_TRUE(reader.ok());
  EXPECT_FALSE(reader->known_places());
  const std::vector<float> boxes(size_t{10} * 4);
  const std::vector<float> logits(size_t{10} * 3, 1.F);
  const TensorView views[] = {view(boxes, outputs[0].shape), view(logits, outputs[1].shape)};
  EXPECT_EQ(reader->read(views, 0.5F).size(), 20U);  // classes 1 and 2 of each
}

TEST(BoxReader, YoloxCellsOfThreeGrids) {
  const TensorInfo outputs[] = {info({1, 64 + 16 + 4, 7})};
  const auto reader = BoxReader::create(style("yolox"), info({1, 3, 64, 64}), outputs);
  ASSERT_TRUE(reader.ok());
  ASSERT_TRUE(reader->known_places());
  std::vector<float> values(size_t{84} * 7);
  float* cell = values.data() + size_t{64 + 5} * 7;  // column 1, row 1 of the cells of 16 pixels
  const float written[] = {0.5F, 0.25F, 0, 0, 0.8F, 0.1F, 0.9F};
  std::memcpy(cell, written, sizeof written);
  const TensorView views[] = {view(values, outputs[0].shape)};
  const auto found = reader->read(views, 0.5F);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].class_id, 1U);
  EXPECT_FLOAT_EQ(found[0].score, 0.72F);
  EXPECT_FLOAT_EQ(found[0].rect.x_min, (24.F - 8) / 64);
  EXPECT_FLOAT_EQ(found[0].rect.y_min, (20.F - 8) / 64);
}

TEST(BoxReader, DetectionsUpToTheirCountWithSaneClasses) {
  const TensorInfo outputs[] = {info({1, 3, 4}), info({1, 3}), info({1, 3}), info({1})};
  const auto reader = BoxReader::create(style("detections"), info({1, 300, 300, 3}), outputs);
  ASSERT_TRUE(reader.ok());
  const std::vector<float> boxes = {.1F, .2F, .3F, .4F, 0, 0, 1, 1, 0, 0, 1, 1};
  const std::vector<float> classes = {16, -1, 1};
  const std::vector<float> scores = {.9F, .8F, .7F};
  const std::vector<float> count = {2};
  const TensorView views[] = {view(boxes, outputs[0].shape), view(classes, outputs[1].shape),
                              view(scores, outputs[2].shape), view(count, outputs[3].shape)};
  const auto found = reader->read(views, 0.5F);
  ASSERT_EQ(found.size(), 1U);  // the second has no class, the third does not count
  EXPECT_EQ(found[0].class_id, 16U);
  EXPECT_FLOAT_EQ(found[0].rect.x_min, .2F);
  EXPECT_FLOAT_EQ(found[0].rect.y_max, .3F);
}

TEST(BoxReader, SizesThatWereOpenAreCheckedBeforeReading) {
  const TensorInfo outputs[] = {info({1, kDynamicDim, 4}), info({1, kDynamicDim}),
                                info({1, kDynamicDim}), info({kDynamicDim})};
  const auto reader = BoxReader::create(style("detections"), info({1, 300, 300, 3}), outputs);
  ASSERT_TRUE(reader.ok()) << reader.status().to_string();
  const std::vector<float> numbers = {1, 1, 1, 1, 1, 1, 1, 1};
  const auto views = [&](int64_t boxes, int64_t scores, int64_t counts) {
    const auto part = [&](const Shape& shape) {
      return TensorView{
          DType::kFloat32, shape,
          std::as_bytes(std::span(numbers).first(static_cast<size_t>(shape.elements())))};
    };
    return std::array{part({1, boxes, 4}), part({1, scores}), part({1, scores}), part({counts})};
  };
  EXPECT_EQ(reader->read(views(2, 2, 1), 0.5F).size(), 1U);
  EXPECT_FALSE(reader->takes(views(1, 2, 1)));
  EXPECT_TRUE(reader->read(views(1, 2, 1), 0.5F).empty());
  EXPECT_FALSE(reader->takes(views(2, 2, 0)));
}

TEST(BoxReader, OtherOutputsAreRefused) {
  const TensorInfo outputs[] = {info({1, 10})};
  for (const BoxStyle& s : box_styles()) {
    EXPECT_FALSE(BoxReader::create(s, info({1, 300, 300, 3}), outputs).ok()) << s.name;
  }
}

TEST(BoxReader, NanodetEdgesAreMeansOfDistributions) {
  std::vector<TensorInfo> outputs;
  for (const int64_t width : {2, 32}) {
    for (const int64_t cells : {64, 16, 4}) outputs.push_back(info({1, cells, width}));
  }
  const auto reader = BoxReader::create(style("nanodet"), info({1, 3, 64, 64}), outputs);
  ASSERT_TRUE(reader.ok()) << reader.status().to_string();
  ASSERT_TRUE(reader->known_places());
  std::vector<std::vector<float>> values;
  for (const TensorInfo& output : outputs) {
    values.emplace_back(static_cast<size_t>(output.shape.elements()), 0.F);
  }
  values[1][5 * 2 + 1] = 0.75F;  // class 1 in column 1, row 1 of the cells of 16 pixels
  float* edges = &values[4][5 * 32];
  edges[1] = 50.F;       // left: one cell
  edges[8 + 0] = 50.F;   // upper: none
  edges[16 + 2] = 50.F;  // right: one or two cells, 1.5 on average
  edges[16 + 1] = 50.F;
  edges[24 + 1] = 50.F;  // lower: one
  std::vector<TensorView> views;
  for (size_t i = 0; i < outputs.size(); ++i) views.push_back(view(values[i], outputs[i].shape));
  const auto found = reader->read(views, 0.5F);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].class_id, 1U);
  EXPECT_NEAR(found[0].rect.x_min, (24.F - 16.F) / 64, 1e-6F);
  EXPECT_NEAR(found[0].rect.y_min, 24.F / 64, 1e-6F);
  EXPECT_NEAR(found[0].rect.x_max, (24.F + 24.F) / 64, 1e-6F);
  EXPECT_NEAR(found[0].rect.y_max, (24.F + 16.F) / 64, 1e-6F);
}

}  // namespace
}  // namespace inferd::ctl

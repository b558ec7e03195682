// SPDX-License-Identifier: Apache-2.0
//
// Tiles of large pictures: where they lie, whose things are the same, and pipelines of them.
#include "daemon/pipeline/tiles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <thread>

#include "daemon/pipeline/pipeline.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Numbers = std::vector<int>;

std::vector<Numbers> tiles_of(int width, int height, const config::TileConfig& config) {
  std::vector<Region> tiles;
  const Status laid = lay_tiles(width, height, config, tiles);
  EXPECT_TRUE(laid.ok()) << laid.to_string();
  std::vector<Numbers> all;
  for (const Region& r : tiles) all.push_back({r.x, r.y, r.width, r.height});
  return all;
}

TEST(Tiles, TheLastOnesAreMovedInward) {
  EXPECT_THAT(tiles_of(100, 70, {40, 40, 0.25, false}),
              ElementsAre(Numbers{0, 0, 40, 40}, Numbers{30, 0, 40, 40}, Numbers{60, 0, 40, 40},
                          Numbers{0, 30, 40, 40}, Numbers{30, 30, 40, 40}, Numbers{60, 30, 40, 40}))
      << "that fit exactly";
  EXPECT_THAT(tiles_of(90, 40, {40, 40, 0.25, false}),
              ElementsAre(Numbers{0, 0, 40, 40}, Numbers{30, 0, 40, 40}, Numbers{50, 0, 40, 40}));
  EXPECT_THAT(tiles_of(90, 40, {40, 40, 0.25, true}).front(), (Numbers{0, 0, 90, 40}));
}

TEST(Tiles, APictureOfOneTileIsNoTwo) {
  EXPECT_THAT(tiles_of(40, 30, {64, 64, 0.2, true}), ElementsAre(Numbers{0, 0, 40, 30}));
  EXPECT_THAT(tiles_of(64, 64, {64, 64, 0.2, true}), ElementsAre(Numbers{0, 0, 64, 64}));
}

TEST(Tiles, CoverEveryPixelOfUnevenPictures) {
  for (const int width : {33, 64, 197, 201, 640, 641, 999}) {
    for (const int height : {31, 50, 77}) {
      for (const double overlap : {0.0, 0.2, 0.35, 0.5}) {
        const config::TileConfig config{151, 34, overlap, false};
        SCOPED_TRACE(std::to_string(width) + "x" + std::to_string(height));
        std::vector<bool> seen(static_cast<size_t>(width * height));
        std::set<int> columns;
        for (const Numbers& r : tiles_of(width, height, config)) {
          EXPECT_EQ(r[2], std::min(152, width)) << "made even";
          EXPECT_EQ(r[3], std::min(34, height));
          EXPECT_TRUE(r[0] % 2 == 0 || r[0] == width - r[2]);
          ASSERT_LE(r[0] + r[2], width);
          ASSERT_LE(r[1] + r[3], height);
          columns.insert(r[0]);
          for (int y = r[1]; y < r[1] + r[3]; ++y) {
            for (int x = r[0]; x < r[0] + r[2]; ++x)
              seen[static_cast<size_t>(y * width + x)] = true;
          }
        }
        EXPECT_EQ(std::count(seen.begin(), seen.end(), false), 0);
        ASSERT_FALSE(columns.empty());
        for (auto x = columns.begin(); std::next(x) != columns.end(); ++x)
          EXPECT_LE(*std::next(x) - *x, 152 * (1 - overlap)) << "they overlap by that or more";
      }
    }
  }
}

TEST(Tiles, AreNotTooMany) {
  std::vector<Region> tiles = {{1, 2, 3, 4}};
  const Status status = lay_tiles(7680, 4320, {640, 480, 0.2, true}, tiles);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(),
            "a picture of 7680x4320 pixels takes 165 tiles of 640x480 and the whole, and 64 are "
            "the most; make 'width' and 'height' of 'tile' larger, or its 'overlap' smaller");
  EXPECT_EQ(tiles.size(), 1U);
  EXPECT_FALSE(lay_tiles(65536, 1024, {32, 32, 0.9, true}, tiles).ok());
  EXPECT_EQ(tiles_of(1024, 1024, {128, 128, 0, false}).size(), 64U);
  EXPECT_FALSE(lay_tiles(1024, 1024, {128, 128, 0, true}, tiles).ok()) << "with the whole, 65";
}

// -- merging; the picture has 200 by 100 pixels, two tiles lie beside each other

class Merging : public ::testing::Test {
 protected:
  Merging() { picture_.width = 200, picture_.height = 100; }

  // A box in pixels of the picture that a tile shows.
  void find(size_t tile, float x0, float y0, float x1, float y1, float score, int class_id = 0) {
    const Region& r = tiles_[tile];
    const auto x = [&](float v) {
      return (v - static_cast<float>(r.x)) / static_cast<float>(r.width);
    };
    const auto y = [&](float v) {
      return (v - static_cast<float>(r.y)) / static_cast<float>(r.height);
    };
    Detection d;
    d.box = {x(x0), y(y0), x(x1), y(y1)};
    d.score = score;
    d.class_id = class_id;
    d.keypoints = {{d.box.x_min, d.box.y_max, 1}};
    found_[tile].push_back(d);
  }
  // Left and right edges of what is left, in pixels, and the scores.
  std::vector<Numbers> merged(float iou = 0.5F) {
    merger_.begin();
    for (auto& [tile, detections] : found_) merger_.add(tiles_, tile, picture_, detections);
    all_.clear();
    merger_.merge(iou, all_);
    std::vector<Numbers> numbers;
    for (const Detection& d : all_) {
      numbers.push_back({static_cast<int>(std::lround(d.box.x_min * 200)),
                         static_cast<int>(std::lround(d.box.x_max * 200)),
                         static_cast<int>(std::lround(d.score * 100))});
    }
    return numbers;
  }

  static constexpr size_t kWhole = 0, kLeft = 1, kRight = 2;
  const std::vector<Region> tiles_ = {{0, 0, 200, 100}, {0, 0, 120, 100}, {80, 0, 120, 100}};
  media::Picture picture_;
  std::map<size_t, std::vector<Detection>> found_;
  std::vector<Detection> all_;
  TileMerger merger_;
};

TEST_F(Merging, PlacesAreOfThePicture) {
  find(kRight, 100, 25, 150, 75, 0.5F, 3);
  EXPECT_THAT(merged(), ElementsAre(Numbers{100, 150, 50}));
  EXPECT_FLOAT_EQ(all_[0].box.y_min, 0.25F);
  EXPECT_FLOAT_EQ(all_[0].box.y_max, 0.75F);
  EXPECT_FLOAT_EQ(all_[0].keypoints[0].x, 0.5F);
  EXPECT_FLOAT_EQ(all_[0].keypoints[0].y, 0.75F);
  EXPECT_EQ(all_[0].class_id, 3);
}

TEST_F(Merging, OfTheSameThingInTwoTilesTheBetterStays) {
  find(kLeft, 90, 20, 110, 40, 0.6F);
  find(kRight, 91, 20, 111, 40, 0.7F);
  find(kLeft, 90, 60, 110, 80, 0.8F, 1);
  find(kRight, 90, 60, 110, 80, 0.5F, 2);
  EXPECT_THAT(merged(),
              ElementsAre(Numbers{90, 110, 80}, Numbers{91, 111, 70}, Numbers{90, 110, 50}))
      << "each class for itself, best first";
}

TEST_F(Merging, APartThatATileCutsOffGivesWayToTheWhole) {
  find(kLeft, 90, 20, 119.5F, 80, 0.9F);  // goes on to the right
  find(kRight, 90, 20, 160, 80, 0.5F);    // a third of it is in the other tile, and less certain
  EXPECT_THAT(merged(), ElementsAre(Numbers{90, 160, 50}));
}

TEST_F(Merging, ASmallWholeThingDoesNotHideThePartOfALargeOne) {
  find(kLeft, 90, 0, 120, 100, 0.9F);
  find(kRight, 100, 40, 118, 60, 0.95F);
  EXPECT_THAT(merged(), ElementsAre(Numbers{100, 118, 95}, Numbers{90, 120, 90}));
}

TEST_F(Merging, WhatNoTileHasAsAWholeIsThereOnceByTheWholePicture) {
  find(kLeft, 20, 20, 120, 80, 0.9F);
  find(kRight, 80, 20, 180, 80, 0.8F);
  EXPECT_THAT(merged(), ElementsAre(Numbers{20, 120, 90}, Numbers{80, 180, 80}))
      << "without it, both parts are said";
  find(kLeft, 20, 20, 120, 80, 0.9F);
  find(kRight, 80, 20, 180, 80, 0.8F);
  find(kWhole, 20, 20, 180, 80, 0.4F);
  EXPECT_THAT(merged(), ElementsAre(Numbers{20, 180, 40}));
}

TEST_F(Merging, OfPartsTheLargestStays) {
  find(kLeft, 70, 20, 120, 80, 0.6F);
  find(kRight, 80, 20, 121, 80, 0.9F);
  EXPECT_THAT(merged(), ElementsAre(Numbers{70, 120, 60}));
}

TEST_F(Merging, TheEdgeOfThePictureCutsNothingThatATileHas) {
  find(kLeft, 0, 0, 60, 100, 0.5F);
  find(kWhole, 0, 0, 58, 100, 0.4F);
  EXPECT_THAT(merged(), ElementsAre(Numbers{0, 60, 50})) << "by score, as both are whole";
}

TEST_F(Merging, WithinATileItsStagesHaveDecided) {
  find(kLeft, 20, 20, 40, 80, 0.9F);
  find(kLeft, 22, 20, 42, 80, 0.8F);
  EXPECT_THAT(merged(), ElementsAre(Numbers{20, 40, 90}, Numbers{22, 42, 80}));
}

TEST_F(Merging, BoxesWithoutMeaningDoNoHarm) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (int i = 0; i < 50; ++i) {
    find(kLeft, nan, nan, nan, nan, 0.5F);
    find(kRight, 80, nan, nan, 50, 0.5F);
    find(kRight, 150, 50, 130, 20, 0.5F);
  }
  (void)merged();
  EXPECT_EQ(all_.size(), 150U);
}

// -- pipelines; the model finds what is white in its input of 40 by 40 pixels

FakeTensor floats(const Shape& shape, const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {DType::kFloat32, shape, {bytes.begin(), bytes.end()}};
}

class TilesPipeline : public ::testing::Test {
 protected:
  static constexpr int kSide = 40;

  void add_model(const schedule::QueueOptions& options) {
    const int64_t any = kDynamicDim;
    auto model = std::make_shared<FakeModel>(
        std::vector<TensorInfo>{{"picture", DType::kUInt8, {any, kSide, kSide, 3}, {}}},
        std::vector<TensorInfo>{{"boxes", DType::kFloat32, {any, 1, 4}, {}},
                                {"classes", DType::kFloat32, {any, 1}, {}},
                                {"scores", DType::kFloat32, {any, 1}, {}},
                                {"count", DType::kFloat32, {1}, {}}},
        [this](std::span<const TensorView> inputs) { return find_white(inputs[0]); });
    model->set_batchable(true);
    repository_.add("white", model, options);
  }

  Result<std::vector<FakeTensor>> find_white(const TensorView& input) {
    const int64_t batch = input.shape[0];
    gate_.pass();
    batches_.fetch_add(1);
    largest_ = std::max<int64_t>(largest_, batch);
    if (fails_) return internal_error("it fails");
    std::vector<float> boxes, counts;
    for (int64_t n = 0; n < batch; ++n) {
      int x0 = kSide, y0 = kSide, x1 = 0, y1 = 0;
      for (int y = 0; y < kSide; ++y) {
        for (int x = 0; x < kSide; ++x) {
          const auto at = static_cast<size_t>((n * kSide + y) * kSide + x) * 3;
          if (input.data[at] < std::byte{128}) continue;
          x0 = std::min(x0, x), x1 = std::max(x1, x + 1);
          y0 = std::min(y0, y), y1 = std::max(y1, y + 1);
        }
      }
      for (const int edge : {y0, x0, y1, x1}) boxes.push_back(static_cast<float>(edge) / kSide);
      counts.push_back(x1 > 0 ? 1 : 0);
    }
    const std::vector<float> zeros(static_cast<size_t>(batch), 0.F);
    const std::vector<float> scores(static_cast<size_t>(batch), 0.75F);
    return std::vector<FakeTensor>{floats({batch, 1, 4}, boxes), floats({batch, 1}, zeros),
                                   floats({batch, 1}, scores), floats({batch}, counts)};
  }

  // A black picture with white rectangles {x, y, width, height}.
  void write_picture(int width, int height, const std::vector<Numbers>& white) {
    media::Image image{width, height,
                       std::vector<uint8_t>(static_cast<size_t>(width * height) * 3)};
    for (const Numbers& r : white) {
      for (int y = r[1]; y < r[1] + r[3]; ++y)
        std::fill_n(image.row(y) + r[0] * 3, r[2] * 3, uint8_t{255});
    }
    ASSERT_TRUE(media::write_image(folder_.file("a.png"), image).ok());
  }

  config::PipelineConfig tiled(const config::TileConfig& tile) {
    config::PipelineConfig c;
    c.name = "p";
    config::PipelineNode camera;
    camera.name = "cam";
    camera.source = node("images", {{"path", folder_.file("a.png")}, {"live", "false"}});
    config::PipelineNode small;
    small.name = "small";
    small.from = {"cam"};
    small.stages = {node("resize"), node("infer", {{"model", "white"}}), node("decode_detections")};
    small.each.emplace();
    small.each->tile = tile;
    c.nodes = {camera, small};
    return c;
  }

  PipelineStatus run(const config::PipelineConfig& c) {
    auto made = Pipeline::create(c, repository_);
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    if (!made.ok()) return {};
    (*made)->start();
    const auto mailbox = (*made)->subscribe(100);
    gate_.open();  // no result was before it
    while (!mailbox->ended()) {
      if (auto result = mailbox->take(1000)) results_.push_back(std::move(result));
    }
    while ((*made)->status().state == PipelineState::kRunning)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return (*made)->status();
  }
  std::vector<Numbers> boxes() const {
    std::vector<Numbers> all;
    if (results_.empty()) return all;
    for (const Detection& d : results_.back()->detections) {
      const auto pixels = [](float part, int size) {
        return static_cast<int>(std::lround(part * static_cast<float>(size)));
      };
      const int w = results_.back()->width, h = results_.back()->height;
      all.push_back({pixels(d.box.x_min, w), pixels(d.box.y_min, h), pixels(d.box.x_max, w),
                     pixels(d.box.y_max, h)});
    }
    return all;
  }

  Gate gate_;
  std::atomic<int> batches_{0};
  std::atomic<int64_t> largest_{0};
  bool fails_ = false;
  FakeRepository repository_;
  const TemporaryFolder folder_;
  std::vector<std::shared_ptr<const FrameResult>> results_;
};

TEST_F(TilesPipeline, SmallThingsOfALargePictureHaveTheirPlaces) {
  add_model({});
  write_picture(100, 70, {{10, 50, 3, 5}, {73, 6, 2, 2}, {64, 52, 4, 3}});
  const PipelineStatus status = run(tiled({40, 40, 0.25, false}));
  EXPECT_EQ(status.failed, 0U) << status.last_error;
  ASSERT_EQ(results_.size(), 1U);
  EXPECT_THAT(boxes(), ::testing::UnorderedElementsAre(
                           Numbers{10, 50, 13, 55}, Numbers{73, 6, 75, 8}, Numbers{64, 52, 68, 55}))
      << "the last lies in two tiles, and is there once";
  EXPECT_EQ(batches_, 6);
}

TEST_F(TilesPipeline, ALargeThingIsFoundInTheWhole) {
  add_model({});
  write_picture(120, 80, {{9, 10, 99, 60}});
  run(tiled({40, 40, 0.25, true}));
  EXPECT_THAT(boxes(), ElementsAre(Numbers{9, 10, 108, 70}));
}

TEST_F(TilesPipeline, TilesOfAFrameAreOneBatch) {
  schedule::QueueOptions options;
  options.max_batch = 5;
  options.adaptive = false;
  options.max_delay_us = 600'000'000;  // a batch that is not full would wait for ever
  add_model(options);
  write_picture(70, 70, {{1, 1, 2, 2}});
  const PipelineStatus status = run(tiled({40, 40, 0.25, true}));
  EXPECT_EQ(status.failed, 0U) << status.last_error;
  EXPECT_EQ(batches_, 1);
  EXPECT_EQ(largest_, 5) << "four, and the whole";
}

TEST_F(TilesPipeline, AFrameFailsOnceWithItsTiles) {
  add_model({});
  fails_ = true;
  write_picture(100, 70, {});
  const PipelineStatus status = run(tiled({40, 40, 0.25, false}));
  EXPECT_TRUE(results_.empty());
  EXPECT_EQ(status.failed, 1U);
  EXPECT_THAT(status.last_error, HasSubstr("it fails"));
  EXPECT_EQ(batches_, 6) << "none is left on its way";
}

TEST_F(TilesPipeline, APictureOfTooManyTilesSaysWhatToDo) {
  add_model({});
  write_picture(1000, 700, {});
  const PipelineStatus status = run(tiled({40, 40, 0.25, false}));
  EXPECT_EQ(status.failed, 1U);
  EXPECT_THAT(status.last_error,
              HasSubstr("a picture of 1000x700 pixels takes 759 tiles of 40x40"));
  EXPECT_EQ(batches_, 0);
}

TEST_F(TilesPipeline, TracksBelongIntoANodeThatReadsIt) {
  add_model({});
  config::PipelineConfig c = tiled({40, 40, 0.25, false});
  c.nodes[1].stages.push_back(node("track"));
  EXPECT_THAT(
      Pipeline::create(c, repository_).status().message(),
      HasSubstr("p.yaml:3:5: 'track' follows things from frame to frame, and its node works"));
}

}  // namespace
}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
//
// A real detector on a large picture in which things are small: in tiles it finds what it misses
// in the whole, where it is.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "daemon/pipeline/pipeline.h"
#include "daemon/pipeline/track/overlap.h"
#include "media/preprocess.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = INFERD_TEST_MODELS;
const fs::path kDetector = kModels / "onnx/FastestDet.onnx";
constexpr int kSide = 352;                              // of the detector's input
constexpr int kWidth = 4 * kSide, kHeight = 3 * kSide;  // of the large picture

class Tiled : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kDetector) || !fs::exists(kModels / "images"))
      GTEST_SKIP() << "SKIPPED: there is no " << kDetector << " or no images beside it";
    const auto engine = Engine::create({});
    ASSERT_TRUE(engine.ok());
    const auto model = (*engine)->load(kDetector);
    ASSERT_TRUE(model.ok()) << model.status().to_string();
    repository_.add("detector", *model);
  }

  // The photo, as small as the detector's input.
  static media::Image small(const char* photo) {
    const auto image = media::read_image(kModels / "images" / photo);
    EXPECT_TRUE(image.ok()) << image.status().to_string();
    media::Image made{kSide, kSide, std::vector<uint8_t>(size_t{kSide} * kSide * 3)};
    const TensorInfo pixels{"pixels", DType::kUInt8, {1, kSide, kSide, 3}, {}};
    const auto filled =
        media::fill_tensor(*image, {}, pixels, std::as_writable_bytes(std::span(made.pixels)));
    EXPECT_TRUE(filled.ok()) << filled.status().to_string();
    return made;
  }
  static media::Image placed(const media::Image& photo, int x, int y) {
    media::Image large{kWidth, kHeight,
                       std::vector<uint8_t>(size_t{kWidth} * kHeight * 3, uint8_t{114})};
    for (int row = 0; row < kSide; ++row)
      std::memcpy(large.row(y + row) + x * 3, photo.row(row), size_t{kSide} * 3);
    return large;
  }

  std::vector<Detection> find(const media::Image& image,
                              const std::optional<config::TileConfig>& tile = {}) {
    EXPECT_TRUE(media::write_image(folder_.file("a.png"), image).ok());
    config::PipelineNode camera, found;
    camera.name = "camera";
    camera.source =
        node("images", {{"path", folder_.file("a.png")}, {"live", "false"}, {"loop", "true"}});
    found.name = "found";
    found.from = {"camera"};
    found.stages = {node("resize"),
                    node("normalize", {{"mean", "0"}, {"std", "255"}, {"order", "bgr"}}),
                    node("infer", {{"model", "detector"}}),
                    node("decode_fastestdet", {{"min_score", "0.5"}}), node("nms")};
    if (tile) {
      found.each.emplace();
      found.each->tile = tile;
    }
    config::PipelineConfig config;
    config.name = "p";
    config.nodes = {camera, found};
    auto made = Pipeline::create(config, repository_);
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    if (!made.ok()) return {};
    (*made)->start();
    const auto mailbox = (*made)->subscribe(1);
    std::shared_ptr<const FrameResult> result;
    while (result == nullptr && (*made)->status().failed == 0) result = mailbox->take(1000);
    (*made)->stop();
    EXPECT_EQ((*made)->status().failed, 0U) << (*made)->status().last_error;
    return result == nullptr ? std::vector<Detection>() : result->detections;
  }

  // Where something of the photo is, when that lies at x, y of the large picture.
  static Box in_large(const Box& box, int x, int y) {
    const auto at = [](float part, int begin, int size) {
      return (static_cast<float>(begin) + part * kSide) / static_cast<float>(size);
    };
    return {at(box.x_min, x, kWidth), at(box.y_min, y, kHeight), at(box.x_max, x, kWidth),
            at(box.y_max, y, kHeight)};
  }

  FakeRepository repository_;
  const TemporaryFolder folder_;
};

TEST_F(Tiled, FindsExactlyWhatATileShows) {
  size_t by_itself = 0, in_whole = 0;
  for (const char* name : {"street_0.jpg", "street_1.jpg", "street_2.jpg"}) {
    SCOPED_TRACE(name);
    const media::Image photo = small(name);
    const std::vector<Detection> expected = find(photo);
    ASSERT_GE(expected.size(), 1U);
    const media::Image large = placed(photo, 2 * kSide, kSide);
    const auto plain = find(large);
    const auto tiled = find(large, config::TileConfig{kSide, kSide, 0, false});
    std::cout << "  " << name << ": " << expected.size() << " by itself, " << plain.size()
              << " in the whole, " << tiled.size() << " in tiles\n";
    by_itself += expected.size();
    in_whole += plain.size();
    ASSERT_EQ(tiled.size(), expected.size());
    for (size_t i = 0; i < tiled.size(); ++i) {
      const Box box = in_large(expected[i].box, 2 * kSide, kSide);
      EXPECT_EQ(tiled[i].class_id, expected[i].class_id);
      EXPECT_EQ(tiled[i].score, expected[i].score) << "the model saw the same pixels";
      EXPECT_FLOAT_EQ(tiled[i].box.x_min, box.x_min);
      EXPECT_FLOAT_EQ(tiled[i].box.y_min, box.y_min);
      EXPECT_FLOAT_EQ(tiled[i].box.x_max, box.x_max);
      EXPECT_FLOAT_EQ(tiled[i].box.y_max, box.y_max);
    }
  }
  EXPECT_LT(in_whole, by_itself);
}

TEST_F(Tiled, FindsThingsOnceWhereverTilesCutThem) {
  size_t things = 0, in_whole = 0, in_tiles = 0;
  for (const char* name : {"street_0.jpg", "street_1.jpg", "street_2.jpg"}) {
    const media::Image photo = small(name);
    std::vector<Detection> expected = find(photo);
    // Those that the model is sure of, which it finds again beside other things, and that fit into
    // the overlap.
    std::erase_if(expected, [](const Detection& d) {
      const float larger = std::max(d.box.x_max - d.box.x_min, d.box.y_max - d.box.y_min);
      return d.score < 0.6F || larger > 0.5F;
    });
    for (const auto& [x, y] : {std::pair(100, 50), std::pair(530, 260), std::pair(871, 614)}) {
      const media::Image large = placed(photo, x, y);
      const auto plain = find(large);
      const auto tiled = find(large, config::TileConfig{kSide, kSide, 0.5, true});
      for (const Detection& thing : expected) {
        const Box box = in_large(thing.box, x, y);
        const auto same = [&](const Detection& d) {
          return d.class_id == thing.class_id && overlap(d.box, box) > 0.6F;
        };
        ++things;
        in_whole += std::count_if(plain.begin(), plain.end(), same) > 0 ? 1 : 0;
        in_tiles += std::count_if(tiled.begin(), tiled.end(), same) > 0 ? 1 : 0;
      }
      for (size_t i = 0; i < tiled.size(); ++i) {
        for (size_t j = 0; j < i; ++j) {
          EXPECT_FALSE(tiled[i].class_id == tiled[j].class_id &&
                       overlap(tiled[i].box, tiled[j].box) > 0.7F)
              << name << " at " << x << ": the same thing twice";
        }
      }
    }
  }
  std::cout << "  of " << things << " things: " << in_whole << " in the whole, " << in_tiles
            << " in tiles\n";
  EXPECT_GT(things, 0U);
  EXPECT_GE(in_tiles * 4, things * 3)
      << "of the rest, it is less sure with nothing around the photo";
  EXPECT_LE(in_whole * 3, in_tiles * 2);
}

}  // namespace
}  // namespace inferd::pipeline

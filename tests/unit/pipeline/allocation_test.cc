// SPDX-License-Identifier: Apache-2.0
//
// A pipeline that runs allocates nothing: every operator new of the process is counted.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>

#include "daemon/pipeline/pipeline.h"
#include "tests/unit/counting_new.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"

namespace inferd::pipeline {
namespace {

// Finds one thing in every picture, and allocates nothing.
class Detector final : public Model {
 public:
  Detector() {
    info_.inputs = {{"picture", DType::kFloat32, {1, 3, 8, 8}, {}}};
    info_.outputs = {{"boxes", DType::kFloat32, {1, 1, 4}, {}},
                     {"classes", DType::kFloat32, {1, 1}, {}},
                     {"scores", DType::kFloat32, {1, 1}, {}},
                     {"count", DType::kFloat32, {1}, {}}};
  }
  const ModelInfo& info() const override { return info_; }
  Result<std::unique_ptr<Context>> create_context(const ContextOptions&) const override {
    return std::unique_ptr<Context>(std::make_unique<Fixed>(info_));
  }

 private:
  class Fixed final : public Context {
   public:
    explicit Fixed(const ModelInfo& info) {
      const auto values = std::as_bytes(std::span(kValues));
      const std::array<std::span<const std::byte>, 4> data = {
          values.subspan(0, 16), values.subspan(16, 4), values.subspan(20, 4),
          values.subspan(24, 4)};
      for (size_t i = 0; i < 4; ++i)
        views_.push_back({DType::kFloat32, info.outputs[i].shape, data[i]});
    }
    Result<std::span<const TensorView>> run(std::span<const TensorView>,
                                            std::span<State* const>) override {
      return std::span<const TensorView>(views_);
    }
    Status prepare(std::span<const Shape>) override { return ok_status(); }
    std::span<const LayerProfile> profile() const override { return {}; }
    MemoryUse memory() const override { return {}; }

   private:
    static constexpr std::array<float, 7> kValues = {0,          0,           1,
                                                     1,          /*class*/ 0, /*score*/ 0.75F,
                                                     /*count*/ 1};
    std::vector<TensorView> views_;
  };
  ModelInfo info_;
};

// Runs it until a thousand frames were processed without an allocation.
void expect_quiet(const config::PipelineConfig& config) {
  FakeRepository repository;
  repository.add("detector", std::make_shared<Detector>());
  auto pipeline = Pipeline::create(config, repository);
  ASSERT_TRUE(pipeline.ok()) << pipeline.status().to_string();
  (*pipeline)->start();
  const auto wait_for_frames = [&](uint64_t count) {
    while ((*pipeline)->status().processed < count)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  // How many packets go round depends on how threads meet: the last of them may be made late, and
  // allocates its buffers then. It is a handful, so that soon a thousand frames need nothing.
  int quiet = 0;
  for (int round = 0; round < 30 && quiet < 5; ++round) {
    const uint64_t before = g_allocations.load();
    wait_for_frames((*pipeline)->status().processed + 200);
    quiet = g_allocations.load() == before ? quiet + 1 : 0;
  }
  EXPECT_EQ(quiet, 5);
  (*pipeline)->stop();
  EXPECT_EQ((*pipeline)->status().failed, 0U);
}

TEST(FramePath, AllocatesNothingOnceItRuns) {
  t_counted = false;
  for (const std::string live : {"false", "true"}) {
    SCOPED_TRACE("live: " + live);
    config::PipelineConfig config;
    config.name = "a name that does not fit into a small string";
    config.source =
        node("test_pattern", {{"live", live}, {"fps", "1000"}, {"width", "40"}, {"height", "30"}});
    config.stages = {node("letterbox"),
                     node("normalize", {{"mean", "127.5"}}),
                     node("infer", {{"model", "detector"}}),
                     node("decode_detections"),
                     node("nms"),
                     node("filter", {{"min_score", "0.5"}}),
                     node("track"),
                     node("confirm"),
                     node("count", {{"name", "all"}})};
    config.stages.back().entries["zone"] = {
        {"0", "0", "1", "0", "0.5", "1"}, true, {"p.yaml", 4, 7}};
    expect_quiet(config);
  }
  t_counted = true;
}

TEST(FramePath, AllocatesNothingThroughALens) {
  t_counted = false;
  config::PipelineConfig config;
  config.name = "p";
  config.source = node("test_pattern", {{"live", "false"}, {"width", "40"}, {"height", "30"}});
  config.stages = {node("undistort", {}, "camera_matrix", {"30", "30", "20", "15"}),
                   node("normalize", {{"mean", "127.5"}}), node("infer", {{"model", "detector"}}),
                   node("decode_detections")};
  config.stages[0].entries["distortion"] = {{"-0.3", "0.1", "0", "0"}, true, {"p.yaml", 4, 7}};
  expect_quiet(config);
  t_counted = true;
}

TEST(FramePath, AllocatesNothingInTiles) {
  t_counted = false;
  config::PipelineConfig config;
  config.name = "p";
  config::PipelineNode camera, tiles;
  camera.name = "camera";
  camera.source = node("test_pattern", {{"live", "false"}, {"width", "40"}, {"height", "30"}});
  tiles.name = "tiles";
  tiles.from = {"camera"};
  tiles.stages = {node("letterbox"), node("normalize", {{"mean", "127.5"}}),
                  node("infer", {{"model", "detector"}}), node("decode_detections"), node("nms")};
  tiles.each.emplace();
  tiles.each->tile = config::TileConfig{32, 32, 0.2, true};
  config.nodes = {camera, tiles};
  expect_quiet(config);
  t_counted = true;
}

}  // namespace
}  // namespace inferd::pipeline

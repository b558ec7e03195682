// SPDX-License-Identifier: Apache-2.0
//
// Pipelines that are no straight line: their shape, and frames that go through them.
#include "daemon/pipeline/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <thread>

#include "daemon/pipeline/pipeline.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

void wait_until(const std::function<bool()>& condition) {
  while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

config::PipelineNode source(const std::string& name, std::map<std::string, std::string> keys = {
                                                         {"frames", "20"}, {"live", "false"}}) {
  config::PipelineNode n;
  n.name = name;
  keys.emplace("width", "32");
  keys.emplace("height", "16");
  n.source = node("test_pattern", keys);
  n.mark = {"p.yaml", 7, 3};
  return n;
}

config::PipelineNode reader(const std::string& name, std::vector<std::string> from,
                            std::vector<config::NodeConfig> stages = {}) {
  config::PipelineNode n;
  n.name = name;
  n.from = std::move(from);
  n.stages = std::move(stages);
  n.mark = {"p.yaml", 9, 3};
  return n;
}

config::PipelineConfig graph_of(std::vector<config::PipelineNode> nodes) {
  config::PipelineConfig c;
  c.name = "p";
  c.nodes = std::move(nodes);
  return c;
}

std::string errors_of(std::vector<config::PipelineNode> nodes) {
  return make_graph(graph_of(std::move(nodes))).status().message();
}

TEST(Graph, ANodeIsThereOnceForEachWayToIt) {
  auto graph =
      make_graph(graph_of({reader("track", {"detect"}), reader("detect", {"front", "rear"}),
                           source("front"), source("rear")}));
  ASSERT_TRUE(graph.ok()) << graph.status().to_string();
  EXPECT_EQ(draw_text(*graph),
            "front: test_pattern\n"
            "  detect@front: passes on\n"
            "    track@front: passes on\n"
            "rear: test_pattern\n"
            "  detect@rear: passes on\n"
            "    track@rear: passes on\n");
  EXPECT_THAT(draw_dot("a \"p\"", *graph), HasSubstr("digraph \"a \\\"p\\\"\" {"));
}

TEST(Graph, BranchesAreToldApartByTheirNodes) {
  auto graph = make_graph(graph_of(
      {source("cam"), reader("a", {"cam"}), reader("b", {"cam"}), reader("c", {"a", "b"})}));
  ASSERT_TRUE(graph.ok()) << graph.status().to_string();
  EXPECT_EQ(draw_text(*graph),
            "cam: test_pattern\n"
            "  a: passes on\n"
            "    c@a: passes on\n"
            "  b: passes on\n"
            "    c@b: passes on\n");
}

TEST(Graph, SaysWhatIsWrongAllAtOnce) {
  config::PipelineNode both = source("both");
  both.from = {"x"};
  config::PipelineNode lonely = reader("lonely", {"x"});
  lonely.join = config::JoinConfig{1, 1};
  const std::string errors =
      errors_of({source("x"), both, reader("x", {"x"}), lonely, reader("none", {}),
                 reader("lost", {"nowhere"}), source("unread"), reader("ring", {"gnir"}),
                 reader("gnir", {"ring"})});
  EXPECT_THAT(errors, HasSubstr("p.yaml:7:3: node 'both' needs either a 'source' or 'from'"));
  EXPECT_THAT(errors, HasSubstr("p.yaml:9:3: node 'x' is there twice"));
  EXPECT_THAT(errors, HasSubstr("node 'lonely' joins, and needs at least two nodes"));
  EXPECT_THAT(errors, HasSubstr("node 'none' needs either"));
  EXPECT_THAT(errors, HasSubstr("node 'lost' reads 'nowhere', which is no node; there are: x, "));
  EXPECT_THAT(errors, HasSubstr("nobody takes the frames of node 'unread'"));
  EXPECT_THAT(errors, HasSubstr("node 'gnir' reads 'ring', which reads it: a circle"));
}

TEST(Graph, StaysSmall) {
  std::vector<config::PipelineNode> nodes = {source("s0"), source("s1")};
  std::vector<std::string> before = {"s0", "s1"};
  for (int i = 0; i < 60; ++i) {
    const std::string name = "n" + std::to_string(i);
    nodes.push_back(reader(name + "a", before));
    nodes.push_back(reader(name + "b", before));
    before = {name + "a", name + "b"};
  }
  EXPECT_THAT(errors_of(nodes), HasSubstr("more than 256 nodes"));
}

// A model whose one output says how bright the middle of its input is, and how many it has seen.
class GraphTest : public ::testing::Test {
 protected:
  GraphTest() {
    const TensorInfo picture{"picture", DType::kUInt8, {1, 8, 8, 3}, {}};
    repository_.add("classifier",
                    std::make_shared<FakeModel>(
                        std::vector<TensorInfo>{picture},
                        std::vector<TensorInfo>{{"scores", DType::kFloat32, {1, 2}, {}}},
                        [this](std::span<const TensorView>) -> Result<std::vector<FakeTensor>> {
                          gate_.pass();
                          ++runs_;
                          return std::vector<FakeTensor>{floats({1, 2}, {0.25F, 0.75F})};
                        }));
    repository_.add("detector",
                    std::make_shared<FakeModel>(
                        std::vector<TensorInfo>{picture},
                        std::vector<TensorInfo>{{"boxes", DType::kFloat32, {1, 2, 4}, {}},
                                                {"classes", DType::kFloat32, {1, 2}, {}},
                                                {"scores", DType::kFloat32, {1, 2}, {}},
                                                {"count", DType::kFloat32, {1}, {}}},
                        [this](std::span<const TensorView>) -> Result<std::vector<FakeTensor>> {
                          gate_.pass();
                          return std::vector<FakeTensor>{
                              floats({1, 2, 4}, {0, 0.5F, 0.5F, 1, 0, 0, 0.5F, 0.5F}),
                              floats({1, 2}, {1, 0}), floats({1, 2}, {0.875F, 0.5F}),
                              floats({1}, {2})};
                        }));
  }
  static FakeTensor floats(const Shape& shape, const std::vector<float>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return {DType::kFloat32, shape, {bytes.begin(), bytes.end()}};
  }
  static std::vector<config::NodeConfig> classify() {
    return {node("resize"), node("infer", {{"model", "classifier"}}),
            node("decode_classes", {{"top", "1"}})};
  }
  static std::vector<config::NodeConfig> detect() {
    return {node("resize"), node("infer", {{"model", "detector"}}),
            node("decode_detections", {{"min_score", "0.1"}})};
  }
  // Runs it to its end and keeps all results.
  PipelineStatus run(const config::PipelineConfig& c) {
    auto made = Pipeline::create(c, repository_);
    EXPECT_TRUE(made.ok()) << made.status().to_string();
    if (!made.ok()) return {};
    const auto pipeline = std::move(*made);
    pipeline->start();
    const auto mailbox = pipeline->subscribe(10'000);
    gate_.open();  // no result was before it
    while (!mailbox->ended()) {
      if (auto result = mailbox->take(1000)) results_.push_back(std::move(result));
    }
    wait_until([&] { return pipeline->status().state != PipelineState::kRunning; });
    return pipeline->status();
  }
  const NodeStatus& of(const PipelineStatus& status, const std::string& name) {
    for (const NodeStatus& n : status.graph) {
      if (n.name == name) return n;
    }
    ADD_FAILURE() << "no node " << name;
    return status.graph.front();
  }
  static uint64_t drops(const NodeStatus& node, DropReason reason) {
    return node.drops[static_cast<size_t>(reason)];
  }

  Gate gate_;
  std::atomic<int> runs_{0};
  FakeRepository repository_;
  const TemporaryFolder folder_;
  std::vector<std::shared_ptr<const FrameResult>> results_;
};

TEST_F(GraphTest, TwoCamerasShareADetector) {
  config::PipelineNode detector = reader("detect", {"front", "rear"}, detect());
  detector.sinks = {node("jsonl", {{"path", folder_.file("out.jsonl")}})};
  const PipelineStatus status = run(graph_of({source("front"), source("rear"), detector}));
  EXPECT_EQ(status.state, PipelineState::kFinished);
  EXPECT_EQ(status.captured, 40U);
  EXPECT_EQ(status.processed, 40U);
  EXPECT_EQ(status.failed + status.dropped, 0U);
  std::map<std::string, uint64_t> last;
  for (const auto& result : results_) {
    EXPECT_EQ(result->node, "detect@" + result->source);
    EXPECT_EQ(result->detections.size(), 2U);
    EXPECT_GT(result->sequence, last[result->source]) << "each in its order";
    last[result->source] = result->sequence;
  }
  EXPECT_EQ(last.size(), 2U);
  uint64_t lines = 0;
  std::ifstream file(folder_.file("out.jsonl"));
  for (std::string line; std::getline(file, line);) {
    EXPECT_TRUE(line.starts_with("{") && line.ends_with("}")) << "the sink is shared: " << line;
    ++lines;
  }
  EXPECT_EQ(lines, 40U);
}

TEST_F(GraphTest, BranchesSeeTheSameFramesAndDisturbNobody) {
  config::PipelineNode often = reader("often", {"cam"}, detect());
  config::PipelineNode seldom = reader("seldom", {"cam"}, classify());
  seldom.every = 3;
  const PipelineStatus status = run(graph_of({source("cam"), often, seldom}));
  EXPECT_EQ(of(status, "often").given, 20U);
  EXPECT_EQ(of(status, "seldom").given, 7U);
  EXPECT_EQ(drops(of(status, "seldom"), DropReason::kSkipped), 13U);
  EXPECT_EQ(runs_, 7);
  for (const auto& result : results_) {
    EXPECT_EQ(result->detections.size(), result->node == "often" ? 2U : 0U);
    EXPECT_EQ(result->classes.size(), result->node == "often" ? 0U : 1U);
  }
}

TEST_F(GraphTest, LaterNodesGoOnFromWhatWasFound) {
  config::PipelineNode found =
      reader("found", {"cam"}, {node("resize"), node("infer", {{"model", "detector"}})});
  config::PipelineNode all =
      reader("all", {"found"}, {node("decode_detections", {{"min_score", "0.1"}})});
  config::PipelineNode good = reader("good", {"all"}, {node("filter", {{"min_score", "0.6"}})});
  config::PipelineNode few =
      reader("few", {"found"}, {node("decode_detections", {{"min_score", "0.6"}})});
  run(graph_of({source("cam"), found, all, good, few}));
  EXPECT_EQ(results_.size(), 40U);
  for (const auto& result : results_) EXPECT_EQ(result->detections.size(), 1U) << result->node;
}

TEST_F(GraphTest, WhatIsInABoxIsClassified) {
  config::PipelineNode boxes = reader("boxes", {"cam"}, detect());
  config::PipelineNode kinds = reader("kinds", {"boxes"}, classify());
  kinds.each = config::EachConfig{{}, 0.2, 0.1, 16};
  const PipelineStatus status = run(graph_of({source("cam"), boxes, kinds}));
  EXPECT_EQ(status.failed, 0U) << status.last_error;
  EXPECT_EQ(runs_, 40) << "twice a frame";
  ASSERT_EQ(results_.size(), 20U);
  for (const auto& result : results_) {
    ASSERT_EQ(result->detections.size(), 2U);
    for (const Detection& d : result->detections) {
      ASSERT_EQ(d.classes.size(), 1U);
      EXPECT_EQ(d.classes[0].class_id, 1);
    }
    EXPECT_TRUE(result->classes.empty()) << "of the boxes, not of the frame";
  }
}

TEST_F(GraphTest, ThingsInABoxHavePlacesInTheFrame) {
  config::PipelineNode boxes = reader("boxes", {"cam"}, detect());
  config::PipelineNode inner = reader("inner", {"boxes"}, detect());
  inner.each = config::EachConfig{{}, 0.8, 0, 16};
  run(graph_of({source("cam", {{"frames", "1"}, {"live", "false"}}), boxes, inner}));
  ASSERT_EQ(results_.size(), 1U);
  const auto& detections = results_[0]->detections;
  ASSERT_EQ(detections.size(), 4U) << "two, and two in the better one of them";
  // The better box is x 0.5 to 1 and y 0 to 0.5; in its right upper quarter is the next.
  EXPECT_FLOAT_EQ(detections[2].box.x_min, 0.75F);
  EXPECT_FLOAT_EQ(detections[2].box.y_min, 0);
  EXPECT_FLOAT_EQ(detections[2].box.x_max, 1);
  EXPECT_FLOAT_EQ(detections[2].box.y_max, 0.25F);
}

TEST_F(GraphTest, AJoinBringsResultsTogether) {
  config::PipelineNode joined = reader("joined", {"boxes", "kinds"});
  joined.join = config::JoinConfig{0, 60'000};
  joined.queue = 100;
  const PipelineStatus status = run(graph_of({source("cam"), reader("boxes", {"cam"}, detect()),
                                              reader("kinds", {"cam"}, classify()), joined}));
  EXPECT_EQ(results_.size(), 20U);
  EXPECT_EQ(drops(of(status, "joined"), DropReason::kUnmatched), 0U);
  for (const auto& result : results_) {
    EXPECT_EQ(result->detections.size(), 2U);
    EXPECT_EQ(result->classes.size(), 1U);
  }
}

TEST_F(GraphTest, WhatIsTooOldIsNotWorkedOn) {
  config::PipelineConfig c = graph_of({source("cam"), reader("kinds", {"cam"}, classify())});
  c.deadline_ms = 1e-6;
  const PipelineStatus status = run(c);
  EXPECT_EQ(drops(of(status, "kinds"), DropReason::kStale), 20U);
  EXPECT_EQ(status.dropped, 20U);
  EXPECT_EQ(runs_, 0) << "before compute";
}

TEST_F(GraphTest, ErrorsOfAllNodesAreToldAtOnceAndOnce) {
  config::PipelineNode broken =
      reader("broken", {"front", "rear"}, {node("infer", {{"model", "x"}})});
  const auto made =
      Pipeline::create(graph_of({source("front"), source("rear", {{"fps", "fast"}}), broken,
                                 reader("after", {"broken"}, {node("decode_classes")}),
                                 reader("other", {"front"}, {node("nms", {{"iou", "2"}})})}),
                       repository_);
  ASSERT_FALSE(made.ok());
  const std::string errors = made.status().message();
  EXPECT_THAT(errors, HasSubstr("'fps' must be a number"));
  EXPECT_THAT(errors, HasSubstr("there is no model 'x'"));
  EXPECT_THAT(errors, HasSubstr("'iou' must be a number"));
  EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 2) << errors;
}

TEST_F(GraphTest, SinksOfANodeDoNotShareNamesOfFiles) {
  const std::string folder = folder_.path();
  config::PipelineNode both = reader("both", {"cam"});
  both.sinks = {node("capture", {{"path", folder}}), node("record", {{"path", folder + "/./"}})};
  EXPECT_EQ(Pipeline::create(graph_of({source("cam"), both}), repository_).status().message(),
            "p.yaml:3:5: 'record' would give its files in '" + folder +
                "/./' the same names as the sink at p.yaml:3:5: it needs a folder of its own");
  both.sinks.pop_back();
  config::PipelineNode other = reader("other", {"cam"});
  other.sinks = {node("record", {{"path", folder}})};
  const auto made = Pipeline::create(graph_of({source("cam"), both, other}), repository_);
  EXPECT_TRUE(made.ok()) << "their names begin with the node's: " << made.status().to_string();
}

TEST_F(GraphTest, ACameraThatIsAwayComesBack) {
  const std::string folder = folder_.file("pictures");
  config::PipelineNode camera;
  camera.name = "cam";
  camera.source = node("images", {{"path", folder}, {"fps", "1000"}, {"loop", "true"}});
  auto made = Pipeline::create(graph_of({camera, reader("pass", {"cam"})}), repository_);
  ASSERT_TRUE(made.ok()) << made.status().to_string();
  (*made)->start();
  wait_until([&] { return of((*made)->status(), "cam").state == "waiting"; });
  EXPECT_THAT(of((*made)->status(), "cam").reason, HasSubstr(folder));
  EXPECT_EQ((*made)->status().state, PipelineState::kRunning);
  std::filesystem::create_directory(folder);
  media::Image image{8, 8, std::vector<uint8_t>(8 * 8 * 3, 100)};
  ASSERT_TRUE(media::write_image(folder + "/a.png", image).ok());
  wait_until([&] { return (*made)->status().processed > 3; });
  (*made)->stop();
}

}  // namespace
}  // namespace inferd::pipeline

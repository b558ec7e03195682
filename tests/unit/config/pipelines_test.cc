// SPDX-License-Identifier: Apache-2.0
//
// Pipelines as they are written: graphs, parameters, includes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "daemon/config/config.h"
#include "daemon/config/pipeline_file.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PipelineFileTest : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.file(name)) << text;
    return folder_.file(name);
  }
  static Result<std::string> read(const std::string& path) {
    std::ifstream file(path);
    if (!file) return not_found("cannot open '" + path + "'");
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  Result<PipelineConfig> load_text(const std::string& text,
                                   const std::map<std::string, std::string>& with = {}) const {
    return load_pipeline(write("p.yaml", text), with, read);
  }
  std::string errors(const std::string& text,
                     const std::map<std::string, std::string>& with = {}) const {
    const auto loaded = load_text(text, with);
    return loaded.ok() ? "" : loaded.status().message();
  }

  const TemporaryFolder folder_;
};

TEST_F(PipelineFileTest, AGraph) {
  const auto p = load_text(R"(
name: yard
deadline_ms: 250
stall_s: 5
nodes:
  front: {source: {test_pattern: {fps: 30}}}
  imu:
    source: test_pattern
    stages: [normalize]
  people:
    from: front
    every: 3
    max_fps: 5
    queue: 4
    stages: [resize, infer: {model: detector}]
  faces:
    from: [people]
    each: {classes: [person], min_score: 0.5, margin: 0.2, max: 4}
    stages: [infer: {model: faces}]
  small:
    from: [front]
    each: {tile: {height: 480, overlap: 0.1, whole: false, iou: 0.4}}
    stages: [infer: {model: faces}]
  all:
    from: [faces, imu]
    join: {tolerance_ms: 20}
    sinks: [jsonl]
)");
  ASSERT_TRUE(p.ok()) << p.status().to_string();
  EXPECT_EQ(p->deadline_ms, 250);
  EXPECT_EQ(p->stall_s, 5);
  ASSERT_EQ(p->nodes.size(), 6U);
  EXPECT_EQ(p->nodes[0].source->entries.at("fps").items[0], "30");
  EXPECT_EQ(p->nodes[1].source->type, "test_pattern");
  EXPECT_THAT(p->nodes[2].from, ElementsAre("front"));
  EXPECT_EQ(p->nodes[2].every, 3);
  EXPECT_EQ(p->nodes[2].max_fps, 5);
  EXPECT_EQ(p->nodes[2].queue, 4);
  EXPECT_EQ(p->nodes[2].mark.line, 10);
  EXPECT_THAT(p->nodes[3].each->classes, ElementsAre("person"));
  EXPECT_EQ(p->nodes[3].each->max, 4);
  EXPECT_FALSE(p->nodes[3].each->tile);
  EXPECT_EQ(p->nodes[4].each->tile, (TileConfig{480, 480, 0.1, false, 0.4})) << "a square";
  EXPECT_EQ(p->nodes[5].join->tolerance_ms, 20);
  EXPECT_EQ(p->nodes[5].join->wait_ms, 200);
}

TEST_F(PipelineFileTest, ParametersStandForTextsAndLists) {
  const std::string text = R"(
name: ${camera}
parameters: {camera: , score: 0.5, classes: [cat, dog], path: out}
source: {images: {path: "/data/${camera}/x"}}
stages:
  - filter: {min_score: "${score}", classes: "${classes}"}
  - labels: {path: "$${score}"}
sinks: [jsonl: {path: "${path}/${camera}.jsonl"}]
)";
  const auto p = load_text(text, {{"camera", "front"}});
  ASSERT_TRUE(p.ok()) << p.status().to_string();
  EXPECT_EQ(p->name, "front");
  EXPECT_EQ(p->source.entries.at("path").items[0], "/data/front/x");
  EXPECT_EQ(p->stages[0].entries.at("min_score").items[0], "0.5");
  EXPECT_FALSE(p->stages[0].entries.at("min_score").is_list);
  EXPECT_THAT(p->stages[0].entries.at("classes").items, ElementsAre("cat", "dog"));
  EXPECT_TRUE(p->stages[0].entries.at("classes").is_list);
  EXPECT_EQ(p->stages[1].entries.at("path").items[0], folder_.file("${score}"));
  EXPECT_EQ(p->sinks[0].entries.at("path").items[0], folder_.file("out/front.jsonl"));
  EXPECT_THAT(errors(text), HasSubstr("parameter 'camera' needs a value"));
  EXPECT_THAT(errors(text, {{"camera", "a"}, {"scor", "1"}}),
              HasSubstr("the pipeline has no parameter 'scor'; did you mean 'score'?"));
  EXPECT_THAT(errors("name: p\nsource: '${x}'\n"),
              HasSubstr("p.yaml:2:9: '${x}' is no parameter of the pipeline"));
  EXPECT_EQ(errors("name: p\nparameters: {m: {a: 1}}\nsource: {images: {path: '${m}'}}\n"),
            folder_.file("p.yaml") + ":2:17: must be a text, a number or a list of them");
  EXPECT_THAT(errors("name: p\nparameters: {l: [a]}\nsource: 'a${l}'\n"),
              HasSubstr("p.yaml:3:9: '${l}' is a list"));
}

TEST_F(PipelineFileTest, OneFileMakesSeveralPipelines) {
  write("door.yaml", "name: door\nparameters: {at: 1}\nsource: {images: {path: '${at}'}}\n");
  const auto config = load(write("c.yaml", R"(
pipelines:
  - {file: door.yaml}
  - {file: door.yaml, name: rear, autostart: false, with: {at: 2}}
)"));
  ASSERT_TRUE(config.ok()) << config.status().to_string();
  ASSERT_EQ(config->pipelines.size(), 2U);
  EXPECT_EQ(config->pipelines[0].name, "door");
  EXPECT_EQ(config->pipelines[1].name, "rear");
  EXPECT_FALSE(config->pipelines[1].autostart);
  EXPECT_EQ(config->pipelines[1].source.entries.at("path").items[0], folder_.file("2"));
  const auto twice = load(write("c.yaml", "pipelines: [{file: door.yaml}, {file: door.yaml}]\n"));
  EXPECT_THAT(twice.status().message(), HasSubstr("c.yaml:1:32: pipeline 'door' is defined twice"));
}

TEST_F(PipelineFileTest, AFolderStandsForItsFiles) {
  std::filesystem::create_directory(folder_.file("on"));
  write("on/b.yaml", "name: second\nsource: test_pattern\n");
  write("on/a.yaml", "name: first\nsource: test_pattern\n");
  write("on/notes.txt", "no pipeline");
  write("on/.c.yaml", "what an editor leaves");
  const std::string config = R"(
server: {grpc: [{address: 127.0.0.1:0}]}
pipelines:
  - {name: own, source: test_pattern}
  - folder: )";
  const auto loaded = load(write("inferd.yaml", config + "on\n"));
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  ASSERT_EQ(loaded->pipelines.size(), 3U);
  EXPECT_EQ(loaded->pipelines[1].name, "first");
  EXPECT_EQ(loaded->pipelines[2].name, "second");
  EXPECT_EQ(loaded->pipelines[1].mark.file, folder_.file("on/a.yaml"));

  EXPECT_THAT(load(write("inferd.yaml", config + "off\n")).status().message(),
              HasSubstr("inferd.yaml:5:5: cannot read the folder " + folder_.file("off")));
  write("on/d.yaml", "name: own\nsource: test_pattern\n");
  EXPECT_THAT(load(write("inferd.yaml", config + "on\n")).status().message(),
              HasSubstr("pipeline 'own' is defined twice"));
  write("on/d.yaml", "source: [\n");
  EXPECT_THAT(load(write("inferd.yaml", config + "on\n")).status().message(),
              HasSubstr("on/d.yaml:"));
}

TEST_F(PipelineFileTest, IncludesStandForWhatTheyList) {
  write("people.yaml", "- resize\n- infer: {model: '${model}'}\n- include: after.yaml\n");
  write("after.yaml", "- nms\n- track\n");
  const auto p = load_text(
      "name: p\nparameters: {model: m}\nsource: test_pattern\n"
      "stages: [normalize, include: people.yaml, count]\n");
  ASSERT_TRUE(p.ok()) << p.status().to_string();
  std::vector<std::string> types;
  for (const NodeConfig& stage : p->stages) types.push_back(stage.type);
  EXPECT_THAT(types, ElementsAre("normalize", "resize", "infer", "nms", "track", "count"));
  EXPECT_EQ(p->stages[2].entries.at("model").items[0], "m");
  EXPECT_EQ(p->stages[2].mark.to_string(), folder_.file("people.yaml") + ":2:3");
  write("again.yaml", "- include: again.yaml\n- include: again.yaml\n");
  EXPECT_THAT(errors("name: p\nsource: a\nstages: [include: again.yaml]\n"),
              HasSubstr("more than 8 deep"));
  EXPECT_THAT(errors("name: p\nsource: a\nstages: [include: none.yaml]\n"),
              HasSubstr("p.yaml:3:19: cannot open"));
}

TEST_F(PipelineFileTest, AllMistakesAreReportedAtOnce) {
  const std::string all = errors(R"(
name: p/q
nodes:
  a b: {source: x}
  c:
    from: {}
    evry: 2
    each: boxes
    join: {}
    stages: {}
    max_fps: fast
  d: {from: c, each: {tile: {overlap: 1}, max: 3}}
  e: {from: c, each: {tile: 640}}
sinks: [jsonl]
)");
  for (const char* expected : {
           "p.yaml:4:3: a node's name has letters",
           "p.yaml:6:11: 'from' must be a list of texts",
           "p.yaml:7:5: unknown key 'evry'; did you mean 'every'?",
           "p.yaml:8:11: 'each' must be box",
           "p.yaml:9:11: 'join' needs 'tolerance_ms'",
           "p.yaml:10:13: must be a list of stages",
           "p.yaml:11:14: 'max_fps' must be a number",
           "p.yaml:12:29: 'tile' needs a 'width', in pixels of the frame",
           "p.yaml:12:39: 'overlap' must be a number from 0 to 0.9",
           "p.yaml:12:43: unknown key 'max'",
           "p.yaml:13:29: expected a mapping",
           "p.yaml:2:1: with 'nodes', stages and sinks belong to one of them",
           "p.yaml:2:1: a pipeline needs a name of letters",
       }) {
    EXPECT_THAT(all, HasSubstr(expected));
  }
  EXPECT_THAT(errors("name: p\nsource: x\nnodes: {}\n"), HasSubstr("either a 'source' or 'nodes'"));
}

}  // namespace
}  // namespace inferd::config

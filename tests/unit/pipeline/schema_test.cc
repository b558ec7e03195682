// SPDX-License-Identifier: Apache-2.0
//
// config/schema/pipeline.schema.json says what the readers do. What it says of sources, stages and
// sinks is made here, of the keys that they ask for; after a change of those:
//
//   INFERD_UPDATE_SCHEMA=1 build/release/tests/unit/unit-pipeline-test --gtest_filter='Schema.*'
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "daemon/config/asked_keys.h"
#include "daemon/config/pipeline_file.h"
#include "daemon/pipeline/sink.h"
#include "daemon/pipeline/source.h"
#include "daemon/pipeline/stage.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"

namespace inferd::pipeline {
namespace {

using Json = nlohmann::ordered_json;
using config::AskedKey;
using config::AskedKeys;
using Keys = std::map<std::string, std::string>;

const std::string kFile = INFERD_SOURCE_DIR "/config/schema/pipeline.schema.json";
const std::string kNoKey = "?";  // who asks for it takes any key

std::string read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Makes one of each kind; what becomes of it does not matter, but what it asks for.
class Elements {
 public:
  Elements() {
    const TensorInfo image{"image", DType::kFloat32, Shape{1, 8, 8, 3}, {}};
    const TensorInfo scores{"scores", DType::kFloat32, Shape{1, 4}, {}};
    repository_.add("net", std::make_shared<FakeModel>(std::vector{image},
                                                       std::vector{scores, scores, scores, scores},
                                                       FakeModel::Run{}));
  }

  Status make(const std::string& kind, const config::NodeConfig& node) {
    if (kind == "source") return make_source(node).status();
    if (kind == "sink") return make_sink(node).status();
    StageContext context{repository_, "p", {}, *repository_.find("net", 0)};
    context.tracked = true;
    context.trusted = false;
    return make_stage(node, context).status();
  }

  // The types that there are, as whoever writes a wrong one is told.
  std::vector<std::string> types(const std::string& kind) {
    const std::string message = make(kind, node(kNoKey)).message();
    std::istringstream list(message.substr(message.find("known: ") + 7));
    std::vector<std::string> types;
    for (std::string type; std::getline(list >> std::ws, type, ',');) types.push_back(type);
    return types;
  }

  bool is_built(const std::string& kind, const std::string& type) {
    return make(kind, node(type)).message().find("was built without") == std::string::npos;
  }

 private:
  FakeRepository repository_;
};

// Keys with which an element asks for others than without.
const std::map<std::string, std::vector<Keys>> kVariants = {
    {"crop", {{}, {{"x", "0"}}}},
    {"libcamera", {{{"control.ExposureTime", "1"}}}},
    {"v4l2", {{{"control.gain", "1"}}}},
    {"infer", {{{"constant.rate", "1"}}}},
};

// A number as people write it; nothing for those at the ends of what there is.
Json as_number(double value) {
  if (std::abs(value) > 1e15) return {};
  if (value == std::floor(value)) return static_cast<int64_t>(value);
  return value;
}

Json reference(const std::string& name) { return {{"$ref", "#/definitions/" + name}}; }

Json or_parameter(Json schema) {
  return {{"anyOf", Json::array({std::move(schema), reference("parameter")})}};
}

Json number_schema(const AskedKey& key, const char* type) {
  Json schema = {{"type", type}};
  const Json min = as_number(key.min), max = as_number(key.max);
  if (!min.is_null()) schema["minimum"] = min;
  if (!max.is_null()) schema["maximum"] = max;
  schema = or_parameter(std::move(schema));
  const double fallback = std::strtod(key.fallback.c_str(), nullptr);
  if (fallback >= key.min && fallback <= key.max) schema["default"] = as_number(fallback);
  return schema;
}

Json schema_of(const AskedKey& key) {
  Json schema;
  switch (key.kind) {
    case AskedKey::Kind::kNumber:
      return number_schema(key, "number");
    case AskedKey::Kind::kInteger:
      return number_schema(key, "integer");
    case AskedKey::Kind::kBoolean:
      schema = reference("boolean");
      schema["default"] = key.fallback == "true";
      return schema;
    case AskedKey::Kind::kTexts:
      return reference("texts");
    case AskedKey::Kind::kNumbers:
      return reference("numbers");
    case AskedKey::Kind::kChoice:
      schema = or_parameter({{"enum", key.choices}});
      break;
    case AskedKey::Kind::kText:
    case AskedKey::Kind::kAny:
      schema = reference("text");
      break;
  }
  if (!key.fallback.empty()) schema["default"] = key.fallback;
  return schema;
}

Json schema_of_element(Elements& elements, const std::string& kind, const std::string& type) {
  std::vector<Keys> variants = {{}};
  if (const auto known = kVariants.find(type); known != kVariants.end()) variants = known->second;
  Json properties = Json::object();
  Json patterns = Json::object();
  std::set<std::string> required;
  bool open = false;
  for (Keys keys : variants) {
    keys.emplace(kNoKey, "1");
    const AskedKeys asked;
    (void)elements.make(kind, node(type, keys)).ok();
    for (const AskedKey& key : asked.all()) {
      if (key.name == kNoKey) {
        open = true;
      } else if (key.name.starts_with("control.") || key.name.starts_with("constant.")) {
        patterns["^" + key.name.substr(0, key.name.find('.')) + "\\."] = schema_of(key);
      } else if (!properties.contains(key.name)) {
        properties[key.name] = schema_of(key);
      }
      if (key.required) required.insert(key.name);
    }
  }
  Json schema = {{"type", required.empty() ? Json::array({"object", "null"}) : Json("object")},
                 {"additionalProperties", open ? reference("texts") : Json(false)}};
  if (!required.empty()) schema["required"] = required;
  schema["properties"] = properties;
  if (!patterns.empty()) schema["patternProperties"] = patterns;
  return schema;
}

// `before`: what the file has, which is kept of what this build lacks.
Json schema_of_kind(Elements& elements, const std::string& kind, const Json& before) {
  Json types = Json::object();
  std::vector<std::string> alone;
  for (const std::string& type : elements.types(kind)) {
    if (elements.is_built(kind, type)) {
      types[type] = schema_of_element(elements, kind, type);
    } else if (before.contains("anyOf")) {
      types[type] = before["anyOf"][1]["properties"].value(type, Json::object());
    }
    if (!types[type].contains("required")) alone.push_back(type);
  }
  return {{"anyOf", Json::array({or_parameter({{"enum", alone}})["anyOf"][0],
                                 {{"type", "object"},
                                  {"additionalProperties", false},
                                  {"minProperties", 1},
                                  {"maxProperties", 1},
                                  {"properties", types}}})}};
}

TEST(Schema, SaysWhatTheReadersDo) {
  const Json written = Json::parse(read(kFile));
  Json made = written;
  Elements elements;
  for (const std::string kind : {"source", "stage", "sink"}) {
    Json& definition = made["definitions"][kind];
    definition = schema_of_kind(elements, kind, Json(definition));
  }
  if (std::getenv("INFERD_UPDATE_SCHEMA") != nullptr) {
    std::ofstream(kFile) << made.dump(1) << "\n";
    return;
  }
  for (const std::string kind : {"source", "stage", "sink"}) {
    EXPECT_TRUE(written["definitions"].value(kind, Json()).dump() ==
                made["definitions"][kind].dump())
        << kind << "s are others; the head of schema_test.cc says how to write it anew";
  }
}

// Names of all properties but those of sources, stages and sinks, which are not looked into.
void collect_names(const Json& schema, std::set<std::string>& names) {
  if (schema.is_array()) {
    for (const Json& part : schema) collect_names(part, names);
  } else if (schema.is_object()) {
    for (const auto& [key, part] : schema.items()) {
      if (key == "source" || key == "stage" || key == "sink" || key == "include") continue;
      if (key == "properties") {
        for (const auto& [name, unused] : part.items()) names.insert(name);
      }
      collect_names(part, names);
    }
  }
}

TEST(Schema, HasTheKeysOfPipelinesAndNodes) {
  const std::string text =
      "name: p\nnodes:\n"
      "  a: {source: test_pattern}\n"
      "  b: {from: a, each: {}, join: {}, stages: [nms], sinks: [jsonl]}\n"
      "  c: {from: a, each: {tile: {}}, stages: [nms]}\n";
  std::set<std::string> asked;
  {
    const AskedKeys keys;
    (void)config::load_pipeline("p.yaml", {}, [&](const std::string&) {
      return Result<std::string>(text);
    }).ok();
    for (const AskedKey& key : keys.all()) asked.insert(key.name);
  }
  std::set<std::string> named;
  const Json schema = Json::parse(read(kFile));
  collect_names(schema["properties"], named);
  for (const auto& [name, unused] : schema["properties"].items()) named.insert(name);
  collect_names(schema["definitions"], named);
  EXPECT_EQ(named, asked);
}

// Its row in a table and other lines that name it; all where the row says that keys are elsewhere,
// or a paragraph of its own begins with it. Empty: it is nowhere.
std::string lines_about(const std::string& type, const std::string& chapter) {
  std::istringstream lines(chapter);
  std::string about;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("`" + type + "`") == std::string::npos) continue;
    if (line.starts_with("`" + type + "` ")) return chapter;
    const bool elsewhere =
        line.find("below") != std::string::npos || line.find("above") != std::string::npos;
    if (line.starts_with("| `" + type + "` |") && elsewhere) return chapter;
    about += line + "\n";
  }
  return about;
}

TEST(Schema, EveryKeyIsDescribed) {
  const std::string docs = read(INFERD_SOURCE_DIR "/docs/pipelines.md");
  const Json schema = Json::parse(read(kFile));
  const std::map<std::string, std::pair<std::string, std::string>> chapters = {
      {"source", {"\n## Sources\n", "\n## Stages\n"}},
      {"stage", {"\n## Stages\n", "\n## Sinks\n"}},
      {"sink", {"\n## Sinks\n", ""}}};
  for (const auto& [kind, ends] : chapters) {
    const size_t begin = docs.find(ends.first);
    ASSERT_NE(begin, std::string::npos);
    const size_t end = ends.second.empty() ? docs.size() : docs.find(ends.second);
    const std::string chapter = docs.substr(begin, end - begin);
    for (const auto& [type, element] :
         schema["definitions"][kind]["anyOf"][1]["properties"].items()) {
      const std::string text = lines_about(type, chapter);
      EXPECT_NE(text, "") << kind << " " << type;
      for (const auto& [key, unused] : element["properties"].items()) {
        const bool named = text.find("`" + key + "`") != std::string::npos ||
                           text.find("`" + key + ":") != std::string::npos ||
                           text.find(" " + key + ":") != std::string::npos;
        EXPECT_TRUE(named) << kind << " " << type << ": " << key;
      }
    }
  }
}

}  // namespace
}  // namespace inferd::pipeline

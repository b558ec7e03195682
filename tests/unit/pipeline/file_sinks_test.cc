// SPDX-License-Identifier: Apache-2.0
//
// Results as JSON, and the sinks that append lines to files: their rotation, and what they do while
// the disk is full or not there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "daemon/pipeline/result_json.h"
#include "daemon/pipeline/sink.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/pipeline/other_side.h"
#include "tests/unit/pipeline/results.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string text_of(const FrameResult& result) {
  std::string text;
  append_json(result, text);
  return text;
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

TEST(ResultJson, SaysWhatThereIsAndNothingElse) {
  EXPECT_EQ(text_of(result_with(3, {"cat"})),
            R"({"pipeline":"yard","node":"people","sequence":3,"capture_ns":3000000,)"
            R"("latency_ms":2.5,"frame":"","width":320,"height":240,"detections":[)"
            R"({"label":"cat","class_id":0,"score":0.9,"box":[0.25,0.25,0.75,0.75]}]})");
  FrameResult r = result_with(4, {"car", "car"});
  r.source = "gate";
  r.text = "one\ntwo \"three\"";
  r.detections[0].track_id = 7;
  r.detections[0].keypoints = {{-0.5F, 0.5F, 1}};
  r.detections[0].classes = {{2, 0.5F, "van"}, {1, 0.25F, ""}};
  r.detections[0].text = "B-XY 123";
  r.classes = {{5, 0.125F, "day"}};
  r.areas = {{1, 0.5F, "sky"}};
  r.mask = {2, 2, {1, 3, 0, 1}};
  r.counts = {{"gate", 1, "car", 2, 1, 1}};
  r.values = {{"anomaly", 0.1}, {"level", -3}};
  const json j = json::parse(text_of(r));
  EXPECT_EQ(j["source"], "gate");
  EXPECT_EQ(j["text"], r.text);
  EXPECT_EQ(j["detections"][0]["track_id"], 7);
  EXPECT_EQ(j["detections"][0]["keypoints"], json::parse("[[-0.5, 0.5, 1]]"));
  EXPECT_EQ(j["detections"][0]["classes"][0],
            json::parse(R"({"label": "van", "class_id": 2, "score": 0.5})"));
  EXPECT_EQ(j["detections"][0]["text"], "B-XY 123");
  EXPECT_FALSE(j["detections"][1].contains("track_id"));
  EXPECT_EQ(j["classes"][0]["label"], "day");
  EXPECT_EQ(j["areas"][0]["fraction"], 0.5);
  EXPECT_EQ(j["mask"]["runs"], json::parse("[1, 3, 0, 1]"));
  EXPECT_EQ(
      j["counts"][0],
      json::parse(
          R"({"name": "gate", "label": "car", "class_id": 1, "in": 2, "out": 1, "inside": 1})"));
  EXPECT_EQ(j["values"][0], json::parse(R"({"name": "anomaly", "value": 0.1})"));
}

TEST(ResultJson, IsJsonWhateverLabelsAndNumbersAre) {
  FrameResult r = result_with(1, {"caf\xE9", std::string("nul\0l", 5)});
  r.detections[0].score = std::numeric_limits<float>::quiet_NaN();
  r.values = {{"level", std::numeric_limits<double>::infinity()}};
  const json j = json::parse(text_of(r));
  EXPECT_EQ(j["detections"][0]["label"], "caf\xEF\xBF\xBD");
  EXPECT_EQ(j["detections"][1]["label"], std::string("nul\0l", 5));
  EXPECT_TRUE(j["detections"][0]["score"].is_null());
  EXPECT_TRUE(j["values"][0]["value"].is_null());
}

class FileSinks : public ::testing::Test {
 protected:
  std::unique_ptr<Sink> make(const std::string& type, std::map<std::string, std::string> keys) {
    if (!keys.contains("path")) keys["path"] = path_;
    auto sink = make_sink(node(type, keys));
    EXPECT_TRUE(sink.ok()) << sink.status().to_string();
    return std::move(*sink);
  }
  Status write(Sink& sink, uint64_t sequence) {
    return sink.write(*frame_, result_with(sequence, {"cat", "dog"}));
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.file("out");
  const std::unique_ptr<Frame> frame_ = grey_frame(8, 8);
};

TEST_F(FileSinks, AFileIsRotatedAndTheOldestGoes) {
  const auto sink = make("jsonl", {{"max_bytes", "1000"}, {"keep", "2"}});
  for (uint64_t i = 1; i <= 20; ++i) ASSERT_TRUE(write(*sink, i).ok());
  std::vector<uint64_t> sequences;
  for (const std::string name : {".2", ".1", ""}) {
    EXPECT_LE(std::filesystem::file_size(path_ + name), 1000U);
    for (const std::string& line : lines_of(path_ + name))
      sequences.push_back(json::parse(line)["sequence"]);
  }
  ASSERT_GE(sequences.size(), 7U);
  for (size_t i = 0; i < sequences.size(); ++i)
    EXPECT_EQ(sequences[i], 20 - (sequences.size() - 1 - i)) << "in order, without a gap";
  EXPECT_FALSE(std::filesystem::exists(path_ + ".3"));
  EXPECT_EQ(sink->status().dropped, 0U);
}

TEST_F(FileSinks, AFolderThatIsNotThereOrComesBackIsNoReasonToEnd) {
  const std::string folder = folder_.file("disk");
  const auto sink = make("jsonl", {{"path", folder + "/out"}});
  const size_t files = open_files();
  const Status failed = write(*sink, 1);
  EXPECT_EQ(failed.message(), "cannot write '" + folder + "/out': No such file or directory");
  EXPECT_EQ(sink->status().state, "waiting for the disk");
  for (uint64_t i = 1; i <= 20; ++i) {
    std::filesystem::create_directory(folder);
    ASSERT_TRUE(write(*sink, i).ok());
    EXPECT_EQ(lines_of(folder + "/out").size(), 1U);
    std::filesystem::remove_all(folder);
    EXPECT_FALSE(write(*sink, 100 + i).ok()) << "the file that is still open is nobody's";
  }
  EXPECT_EQ(sink->status().dropped, 21U);
  EXPECT_EQ(open_files(), files);
}

// RLIMIT_FSIZE takes the place of the disk's end.
TEST_F(FileSinks, AFullDiskLeavesWholeLinesAndIsWrittenToAgainWhenThereIsRoom) {
  std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  for (const std::string type : {"jsonl", "csv"}) {
    const auto sink = make(type, {{"path", folder_.file(type)}});
    ASSERT_TRUE(write(*sink, 1).ok());
    const auto size = std::filesystem::file_size(folder_.file(type));
    const struct rlimit full { size + 20, before.rlim_max };
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
    for (uint64_t i = 2; i <= 50; ++i) EXPECT_THAT(write(*sink, i).message(), HasSubstr(type));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_EQ(std::filesystem::file_size(folder_.file(type)), size) << "no half lines";
    EXPECT_TRUE(write(*sink, 51).ok());
    EXPECT_THAT(lines_of(folder_.file(type)).back(), HasSubstr("51"));
    EXPECT_EQ(sink->status().dropped, type == "csv" ? 98U : 49U);
    EXPECT_EQ(sink->status().state, "writing");
    EXPECT_THAT(sink->status().last_error, HasSubstr("File too large"));
  }
}

TEST_F(FileSinks, CsvHasARowPerDetection) {
  const auto sink = make("csv", {});
  FrameResult r = result_with(2, {"cat", "a \"big\", dog"});
  r.detections[1].track_id = 12;
  r.detections[1].text = "x";
  ASSERT_TRUE(sink->write(*frame_, r).ok());
  ASSERT_TRUE(sink->write(*frame_, result_with(3, {})).ok());
  EXPECT_THAT(lines_of(path_),
              ::testing::ElementsAre(
                  "pipeline,node,sequence,capture_ns,frame,label,class_id,score,x_min,y_min,x_max,"
                  "y_max,track_id,text",
                  "yard,people,2,2000000,,cat,0,0.9,0.25,0.25,0.75,0.75,,",
                  "yard,people,2,2000000,,\"a \"\"big\"\", dog\",1,0.9,0.25,0.25,0.75,0.75,12,x"));
}

TEST_F(FileSinks, CsvHasARowPerValueAndItsHeaderInEachFile) {
  const auto sink = make("csv", {{"rows", "values"}, {"max_bytes", "100"}});
  FrameResult r = result_with(2, {"cat"});
  r.values = {{"level", 0.25}, {"", std::numeric_limits<double>::quiet_NaN()}};
  ASSERT_TRUE(sink->write(*frame_, r).ok());
  ASSERT_TRUE(sink->write(*frame_, r).ok());
  for (const std::string& name : {path_, path_ + ".1"}) {
    EXPECT_THAT(
        lines_of(name),
        ::testing::ElementsAre("pipeline,node,sequence,capture_ns,frame,name,value",
                               "yard,people,2,2000000,,level,0.25", "yard,people,2,2000000,,,"));
  }
}

TEST_F(FileSinks, UnknownKeysAreRefused) {
  EXPECT_THAT(make_sink(node("jsonl", {{"max_byte", "1"}})).status().message(),
              HasSubstr("p.yaml:4:7: 'jsonl' has no key 'max_byte'"));
  EXPECT_THAT(make_sink(node("jsonl", {{"keep", "0"}})).status().message(),
              HasSubstr("'keep' must be a whole number from 1 to 1000"));
}

}  // namespace
}  // namespace inferd::pipeline

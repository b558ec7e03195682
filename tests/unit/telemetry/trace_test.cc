// SPDX-License-Identifier: Apache-2.0
#include "daemon/telemetry/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/unit/temporary_folder.h"

namespace inferd::telemetry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class TracerTest : public ::testing::Test {
 protected:
  config::TraceConfig config() const {
    config::TraceConfig config;
    config.folder = folder_.file("");
    config.file = "t.json";
    config.timestamps = true;
    config.rate = 1;
    return config;
  }
  Json read(const std::string& name) const {
    return Json::parse(std::ifstream(folder_.file(name)));
  }
  // How many of `requests` requests of the model are traced.
  int trace(const std::string& model, int requests) {
    int traced = 0;
    for (int i = 0; i < requests; ++i) {
      auto file = tracer_.sample(model);
      if (!file) continue;
      ++traced;
      RequestTrace trace;
      trace.file = *file;
      trace.model = model;
      trace.version = 3;
      trace.request = "r\"\xff";
      trace.batch_size = 2;
      trace.thread = 7;
      trace.arrived = 1'000'001;
      trace.closed = trace.arrived + 1'500;
      trace.gathered = trace.closed + 10;
      trace.computed = trace.gathered + 2'000'000;
      trace.answering = trace.computed + 5;
      trace.answered = trace.answering + 100;
      tracer_.add(std::move(trace));
    }
    return traced;
  }
  static int count(const Json& events, const std::string& name) {
    return static_cast<int>(std::count_if(events.begin(), events.end(), [&](const Json& event) {
      return event["name"] == name && event["ph"] == "X";
    }));
  }

  const TemporaryFolder folder_;
  Tracer tracer_;
};

TEST_F(TracerTest, WritesEventsThatViewersOpen) {
  ASSERT_TRUE(tracer_.open(config()).ok());
  EXPECT_TRUE(tracer_.may_trace());
  EXPECT_EQ(trace("m", 1), 1);
  tracer_.close();
  EXPECT_FALSE(tracer_.may_trace());
  const Json events = read("t.json");
  ASSERT_EQ(events.size(), 6U);
  std::vector<std::string> names;
  for (const Json& event : events)
    names.push_back(event["ph"].get<std::string>() + " " + event["name"].get<std::string>());
  EXPECT_THAT(names, ElementsAre("X queue", "s request", "X batch assembly", "X compute",
                                 "f request", "X answer"));
  EXPECT_EQ(events[0]["ts"], 1000.001);
  EXPECT_EQ(events[0]["dur"], 1.5);
  EXPECT_EQ(events[3]["dur"], 2000);
  EXPECT_EQ(events[3]["tid"], 7);
  EXPECT_EQ(events[1]["id"], events[4]["id"]);
  EXPECT_EQ(events[1]["tid"], events[0]["tid"]) << "the arrow begins where the request waits";
  const Json& arguments = events[3]["args"];
  EXPECT_EQ(arguments["model"], "m");
  EXPECT_EQ(arguments["version"], 3);
  EXPECT_EQ(arguments["batch_size"], 2);
  EXPECT_THAT(arguments["request_id"].get<std::string>(), HasSubstr("r\""));
}

TEST_F(TracerTest, TracesTheRateUpToTheCount) {
  config::TraceConfig config = TracerTest::config();
  config.rate = 3;
  config.count = 4;
  ASSERT_TRUE(tracer_.open(config).ok());
  EXPECT_EQ(trace("m", 7), 3) << "the first, and each third after it";
  EXPECT_EQ(tracer_.settings("").count, 1);
  EXPECT_EQ(trace("n", 30), 1) << "counted over all models";
  ASSERT_TRUE(tracer_.change("n", [](TraceOverrides& o) { o.rate = 1; }).ok());
  EXPECT_EQ(trace("n", 30), 4) << "it counts for itself now";
  EXPECT_EQ(trace("m", 30), 0);
  tracer_.close();
  EXPECT_EQ(count(read("t.json"), "compute"), 8);
  EXPECT_EQ(tracer_.dropped(), 0U);
}

TEST_F(TracerTest, AModelsSettingsComeBeforeThoseOfAll) {
  config::TraceConfig config = TracerTest::config();
  config.timestamps = false;
  ASSERT_TRUE(tracer_.open(config).ok());
  EXPECT_FALSE(tracer_.may_trace());
  ASSERT_TRUE(tracer_
                  .change("m",
                          [](TraceOverrides& o) {
                            o.timestamps = true;
                            o.file = "m.json";
                          })
                  .ok());
  EXPECT_TRUE(tracer_.may_trace());
  EXPECT_EQ(trace("m", 2), 2);
  EXPECT_EQ(trace("n", 2), 0);
  ASSERT_TRUE(tracer_.change("m", [](TraceOverrides& o) { o = {}; }).ok());
  EXPECT_FALSE(tracer_.may_trace());
  EXPECT_EQ(tracer_.settings("m").file, "t.json");
  tracer_.close();
  EXPECT_EQ(count(read("m.json"), "compute"), 2);
  EXPECT_FALSE(std::filesystem::exists(folder_.file("t.json")));
}

TEST_F(TracerTest, FilesAreNumberedWhereTheyAreToBeShort) {
  config::TraceConfig config = TracerTest::config();
  config.log_frequency = 2;
  ASSERT_TRUE(tracer_.open(config).ok());
  EXPECT_EQ(trace("m", 5), 5);
  tracer_.close();
  EXPECT_EQ(count(read("t.json.0"), "compute"), 2);
  EXPECT_EQ(count(read("t.json.1"), "compute"), 2);
  EXPECT_EQ(count(read("t.json.2"), "compute"), 1);
}

TEST_F(TracerTest, WhatWasThereBeforeStays) {
  RequestTrace one;
  one.file = "t.json";
  one.batch_size = 1;
  const auto write = [&](size_t traces, int64_t frequency) {
    const auto files = TraceFiles::open(config().folder);
    ASSERT_TRUE(files.ok()) << files.status().to_string();
    one.log_frequency = frequency;
    EXPECT_EQ((*files)->write(std::vector<RequestTrace>(traces, one)), 0U);
  };
  write(1, 0);
  write(2, 0);  // t.json.1
  write(5, 2);  // t.json.0, .2 and .3
  write(4, 0);  // t.json.4
  const std::vector<std::pair<const char*, int>> expected = {{"t.json", 1},   {"t.json.1", 2},
                                                             {"t.json.0", 2}, {"t.json.2", 2},
                                                             {"t.json.3", 1}, {"t.json.4", 4}};
  for (const auto& [name, traces] : expected) EXPECT_EQ(count(read(name), "compute"), traces);
}

TEST_F(TracerTest, AFileThatWasTakenAwayIsBegunAnew) {
  const auto files = TraceFiles::open(config().folder);
  ASSERT_TRUE(files.ok()) << files.status().to_string();
  RequestTrace one;
  one.file = "t.json";
  one.batch_size = 1;
  EXPECT_EQ((*files)->write({&one, 1}), 0U);
  std::filesystem::remove(folder_.file("t.json"));
  EXPECT_EQ((*files)->write({&one, 1}), 0U);
  EXPECT_EQ(count(read("t.json"), "compute"), 1);
}

TEST_F(TracerTest, NothingOutsideOfTheFolderIsWritten) {
  std::ofstream(folder_.file("victim")) << "precious";
  std::filesystem::create_symlink(folder_.file("victim"), folder_.file("t.json"));
  ASSERT_TRUE(tracer_.open(config()).ok());
  for (const std::string file : {"../t.json", "/tmp/t.json", "a/b", "", ".hidden"}) {
    EXPECT_EQ(tracer_.change("", [&](TraceOverrides& o) { o.file = file; }).code(),
              StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(trace("m", 1), 1);
  tracer_.close();
  EXPECT_EQ(tracer_.dropped(), 0U);
  EXPECT_EQ(count(read("t.json.1"), "compute"), 1) << "a link is not followed";
  std::string content;
  std::ifstream(folder_.file("victim")) >> content;
  EXPECT_EQ(content, "precious");
}

TEST_F(TracerTest, BeginsOnlyWhereItMay) {
  const auto begin = [](TraceOverrides& o) { o.timestamps = true; };
  EXPECT_EQ(tracer_.change("", begin).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(tracer_.change("", [](TraceOverrides& o) { o.rate = 0; }).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(tracer_.change("", [](TraceOverrides& o) { o.count = -2; }).code(),
            StatusCode::kInvalidArgument);
  config::TraceConfig config = TracerTest::config();
  config.folder = folder_.file("none");
  EXPECT_EQ(tracer_.open(config).code(), StatusCode::kUnavailable);
  EXPECT_EQ(trace("m", 1), 0);
}

}  // namespace
}  // namespace inferd::telemetry

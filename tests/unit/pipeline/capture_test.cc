// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "daemon/pipeline/sink.h"
#include "daemon/schedule/request.h"
#include "media/npy.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/pipeline/other_side.h"
#include "tests/unit/pipeline/results.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Capture : public ::testing::Test {
 protected:
  std::unique_ptr<Sink> make(std::map<std::string, std::string> keys = {}) {
    keys.try_emplace("path", folder_.path());
    keys.try_emplace("min_interval_ms", "0");
    auto sink = make_sink(node("capture", keys));
    EXPECT_TRUE(sink.ok()) << sink.status().to_string();
    return std::move(*sink);
  }

  // Frame number `sequence`, a tenth of a second after the one before it.
  Status show(Sink& sink, FrameResult result, Frame* frame = nullptr) {
    const auto grey = grey_frame(64, 48, static_cast<uint8_t>(result.sequence));
    if (frame == nullptr) frame = grey.get();
    frame->capture_ns = begin_ns_ + static_cast<int64_t>(result.sequence) * 100'000'000;
    result.capture_ns = frame->capture_ns;
    const Status status = sink.write(*frame, result);
    EXPECT_TRUE(becomes_true([&] { return sink.status().queued == 0; }));
    return status;
  }
  Status show(Sink& sink, uint64_t sequence, float score, const std::string& label = "cat") {
    FrameResult result = result_with(sequence, {label});
    result.detections[0].score = score;
    return show(sink, result);
  }

  std::vector<std::string> files(const std::string& extension) const {
    std::vector<std::string> found;
    for (const auto& file : fs::directory_iterator(folder_.path())) {
      if (file.path().extension() == extension) found.push_back(file.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  // Of the frames that were kept.
  std::vector<int> sequences() const {
    std::vector<int> all;
    for (const std::string& file : files(".json"))
      all.push_back(json::parse(std::ifstream(file))["sequence"]);
    return all;
  }

  const TemporaryFolder folder_;
  const int64_t begin_ns_ = schedule::now_ns() - 30'000'000'000;
};

TEST_F(Capture, KeepsWhatTheModelWasNotSureOf) {
  const auto sink = make({{"min_score", "0.25"}, {"max_score", "0.75"}, {"classes", "cat"}});
  EXPECT_TRUE(show(*sink, 1, 0.2F).ok());
  EXPECT_TRUE(show(*sink, 2, 0.25F).ok());
  EXPECT_TRUE(show(*sink, 3, 0.75F).ok());
  EXPECT_TRUE(show(*sink, 4, 0.5F, "dog").ok());
  FrameResult both = result_with(5, {"cat", "cat"});
  both.detections[1].score = 0.5F;
  EXPECT_TRUE(show(*sink, both).ok()) << "one of them is";
  FrameResult classified = result_with(6, {});
  classified.classes = {{1, 0.4F, "cat"}, {2, 0.39F, "dog"}};
  EXPECT_TRUE(show(*sink, classified).ok());
  classified.sequence = 7;
  classified.classes[0].score = 0.9F;
  EXPECT_TRUE(show(*sink, classified).ok()) << "the best class is what counts";
  EXPECT_THAT(sequences(), ElementsAre(2, 5, 6));
  EXPECT_EQ(sink->status().state, "capturing");
  const auto picture = media::read_image(files(".jpg")[1]);
  ASSERT_TRUE(picture.ok());
  EXPECT_EQ(picture->width, 64);
  EXPECT_NEAR(picture->row(0)[0], 5, 1) << "as it came, without boxes";
}

TEST_F(Capture, KeepsOneOfSoMany) {
  const auto sink = make({{"every", "4"}, {"format", "png"}});
  for (uint64_t i = 1; i <= 10; ++i) EXPECT_TRUE(show(*sink, i, 0.5F).ok());
  EXPECT_THAT(sequences(), ElementsAre(1, 5, 9)) << "and nothing else";
  EXPECT_EQ(files(".png").size(), 3U);
}

TEST_F(Capture, KeepsNotTooMany) {
  const auto sink = make({{"min_interval_ms", "1000"}});
  for (uint64_t i = 1; i <= 25; ++i) EXPECT_TRUE(show(*sink, i, 0.5F).ok());
  EXPECT_THAT(sequences(), ElementsAre(1, 11, 21));
}

TEST_F(Capture, KeepsSamplesAsArrays) {
  Frame frame;
  frame.samples.rows = 3;
  frame.samples.columns = 2;
  frame.samples.values = {1, 2, 3, 4, 5, 6};
  FrameResult result = result_with(1, {});
  result.classes = {{1, 0.5F, "shaking"}};
  EXPECT_TRUE(show(*make(), result, &frame).ok());
  ASSERT_EQ(files(".npy").size(), 1U);
  const auto array = media::read_npy(files(".npy")[0]);
  ASSERT_TRUE(array.ok()) << array.status().to_string();
  EXPECT_EQ(array->shape, (Shape{3, 2}));
  EXPECT_EQ(array->view().as<float>()[5], 6);
  EXPECT_TRUE(files(".jpg").empty());
}

TEST_F(Capture, TheOldestGoAlsoThoseOfEarlierRuns) {
  std::ofstream(folder_.file("mine.jpg")) << "not to be touched";
  for (uint64_t run = 0; run < 2; ++run) {
    const auto sink = make({{"max_bytes", "10000"}});
    for (uint64_t i = 1; i <= 10; ++i) EXPECT_TRUE(show(*sink, run * 10 + i, 0.5F).ok());
    EXPECT_EQ(sink->status().dropped, 0U);
  }
  const auto left = sequences();
  ASSERT_GT(left.size(), 3U);
  for (size_t i = 0; i < left.size(); ++i)
    EXPECT_EQ(left[i], 20 - static_cast<int>(left.size() - 1 - i));
  EXPECT_EQ(files(".jpg").size(), left.size() + 1);
}

TEST_F(Capture, StopsWhenFullUntilSomebodyHasTakenFilesAway) {
  const auto sink = make({{"max_bytes", "10000"}, {"when_full", "stop"}});
  uint64_t i = 1;
  while (sink->status().state != "full" && i < 100) EXPECT_TRUE(show(*sink, i++, 0.5F).ok());
  const auto left = sequences();
  ASSERT_GT(left.size(), 3U);
  EXPECT_EQ(left.front(), 1) << "the first ones stay";
  EXPECT_EQ(left.size(), i - 2);
  for (const std::string extension : {".jpg", ".json"}) {
    for (const std::string& file : files(extension)) fs::remove(file);
  }
  EXPECT_TRUE(becomes_true([&] {
    (void)show(*sink, i++, 0.5F);
    return sink->status().state == "capturing";
  }));
  EXPECT_GT(sequences().size(), 0U);
}

TEST_F(Capture, AFolderThatIsNotThereIsWaitedFor) {
  const std::string disk = folder_.file("disk");
  const auto sink = make({{"path", disk}});
  EXPECT_TRUE(show(*sink, 1, 0.5F).ok());
  EXPECT_EQ(sink->status().state, "waiting for the disk");
  EXPECT_THAT(show(*sink, 2, 0.5F).message(), HasSubstr("cannot keep a frame in '" + disk + "'"));
  EXPECT_TRUE(show(*sink, 3, 0.5F).ok()) << "told once";
  EXPECT_EQ(sink->status().dropped, 3U);
  fs::create_directory(disk);
  EXPECT_TRUE(show(*sink, 4, 0.5F).ok());
  EXPECT_EQ(sink->status().state, "capturing");
  fs::remove_all(disk);
  EXPECT_TRUE(show(*sink, 5, 0.5F).ok());
  EXPECT_EQ(sink->status().state, "waiting for the disk");
}

TEST_F(Capture, RefusesWhatMakesNoSense) {
  const auto refusal = [](const std::map<std::string, std::string>& keys) {
    return make_sink(node("capture", keys)).status().message();
  };
  EXPECT_THAT(refusal({}), HasSubstr("p.yaml:3:5: "));
  EXPECT_THAT(refusal({{"path", "/tmp"}, {"max_score", "0.2"}}),
              HasSubstr("p.yaml:4:7: 'max_score' must be more than 'min_score'"));
  EXPECT_THAT(refusal({{"path", "/tmp"}, {"format", "gif"}}), HasSubstr("jpg, png"));
  EXPECT_THAT(refusal({{"path", "/tmp"}, {"when_full", "wait"}}), HasSubstr("oldest, stop"));
}

TEST_F(Capture, WhatACrashHasLeftHalfWrittenIsRemoved) {
  const std::string name = "yard_people_20260101T000000.000Z";
  const std::vector<std::string> half = {name + ".jpg.tmp123", name + ".json.tmp4"};
  const std::vector<std::string> others = {name + ".jpg.tmp", name + ".jpg.tmp1x",
                                           "yard_cats_20260101T000000.000Z.jpg.tmp123",
                                           name + ".mkv.tmp123", "notes.jpg.tmp123"};
  for (const auto& names : {half, others}) {
    for (const std::string& file : names) std::ofstream(folder_.file(file)) << "x";
  }
  const auto sink = make();
  EXPECT_TRUE(show(*sink, 1, 0.5F).ok());
  for (const std::string& file : half) EXPECT_FALSE(fs::exists(folder_.file(file))) << file;
  for (const std::string& file : others) EXPECT_TRUE(fs::exists(folder_.file(file))) << file;
}

}  // namespace
}  // namespace inferd::pipeline

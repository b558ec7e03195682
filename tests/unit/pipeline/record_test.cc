// SPDX-License-Identifier: Apache-2.0
//
// Clips of events: which pictures are in them, what there is room for, and what becomes of them
// when the disk fails or the process ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>

#include "daemon/pipeline/sink.h"
#include "daemon/pipeline/sinks/kept_files.h"
#include "daemon/schedule/request.h"
#include "media/file.h"
#include "media/video_file.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/pipeline/other_side.h"
#include "tests/unit/pipeline/results.h"
#include "tests/unit/pipeline/source_of.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::pipeline {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kStepNs = 100'000'000;

// The greys of a clip's pictures, in order. Each begins behind the head of its block.
std::vector<int> greys_of(const std::string& path) {
  std::vector<int> greys;
  const auto file = media::read_file(path);
  if (!file.ok()) return greys;
  constexpr std::array<uint8_t, 7> kBegin = {0x81, 0, 0, 0x80, 0xFF, 0xD8, 0xFF};
  for (auto at = file->begin();; ++at) {
    at = std::search(at, file->end(), kBegin.begin(), kBegin.end());
    if (at == file->end()) return greys;
    const auto image = media::decode_image({at + 4, file->end()});
    greys.push_back(image.ok() ? image->row(image->height / 2)[0] : -1);
  }
}

// first, first + 1, ..., last.
std::vector<int> numbers(int first, int last) {
  std::vector<int> all;
  for (int i = first; i <= last; ++i) all.push_back(i);
  return all;
}

class Record : public ::testing::Test {
 protected:
  std::unique_ptr<Sink> make(std::map<std::string, std::string> keys = {}) {
    keys.try_emplace("path", folder_.path());
    keys.try_emplace("before_s", "1");
    keys.try_emplace("after_s", "0.5");
    keys.try_emplace("annotate", "false");
    keys.try_emplace("quality", "100");
    auto sink = make_sink(node("record", keys));
    EXPECT_TRUE(sink.ok()) << sink.status().to_string();
    return std::move(*sink);
  }

  // Frame number `i`, its grey, a tenth of a second after the one before it.
  Status show(Sink& sink, int i, const FrameResult& what) {
    const auto frame = grey_frame(width_, 48, static_cast<uint8_t>(i));
    frame->capture_ns = begin_ns_ + i * kStepNs;
    const Status status = sink.write(*frame, what);
    EXPECT_TRUE(becomes_true([&] { return sink.status().queued == 0; }));
    return status;
  }
  // How often a trouble was told.
  int show(Sink& sink, int first, int last, const std::vector<std::string>& labels) {
    int troubles = 0;
    for (int i = first; i <= last; ++i) {
      if (!show(sink, i, result_with(static_cast<uint64_t>(i), labels)).ok()) ++troubles;
    }
    return troubles;
  }

  std::vector<std::string> files(const std::string& extension) const {
    std::vector<std::string> found;
    for (const auto& file : fs::directory_iterator(folder_.path())) {
      if (file.path().extension() == extension) found.push_back(file.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  const TemporaryFolder folder_;
  const int64_t begin_ns_ = schedule::now_ns() - 30'000'000'000;
  int width_ = 64;
};

TEST_F(Record, AClipBeginsBeforeItsEventAndEndsAfterIt) {
  {
    const auto sink = make();
    EXPECT_EQ(sink->status().state, "waiting for an event");
    show(*sink, 1, 19, {});
    EXPECT_TRUE(fs::is_empty(folder_.path())) << "nothing has happened";
    show(*sink, 20, 22, {"cat"});
    EXPECT_EQ(sink->status().state, "recording");
    show(*sink, 23, 40, {});
    EXPECT_EQ(sink->status().state, "waiting for an event");
    show(*sink, 41, 41, {"dog"});
    EXPECT_EQ(sink->status().dropped, 0U);
  }
  const auto clips = files(".mkv");
  ASSERT_EQ(clips.size(), 2U) << "the second one was ended with the sink";
  EXPECT_EQ(greys_of(clips[0]), numbers(10, 27));
  EXPECT_EQ(greys_of(clips[1]), numbers(31, 41));

  const std::string name = fs::path(clips[0]).filename();
  EXPECT_TRUE(std::regex_match(name, std::regex(R"(yard_people_\d{8}T\d{6}\.\d{3}Z\.mkv)")));
  const json about = json::parse(std::ifstream(files(".json")[0]));
  EXPECT_EQ(about["clip"], name);
  EXPECT_EQ(about["pictures"], 18);
  EXPECT_DOUBLE_EQ(about["seconds"], 1.7);
  EXPECT_EQ(about["seen"], json::parse(R"([{"label": "cat", "frames": 3, "best_score": 0.9}])"));
  EXPECT_EQ(about["event"]["sequence"], 20);
  EXPECT_EQ(about["event"]["detections"][0]["label"], "cat");
}

TEST_F(Record, GStreamerPlaysThem) {
  show(*make(), 1, 30, {"cat"});
  const auto clips = files(".mkv");
  ASSERT_EQ(clips.size(), 1U);
  auto source = make_source(node("video", {{"path", clips[0]}, {"live", "false"}}));
  if (!source.ok()) GTEST_SKIP() << source.status().message();
  ASSERT_TRUE((*source)->open().ok());
  Stopper stopper;
  Frame frame;
  media::Image image;
  std::vector<int> greys;
  for (;;) {
    frame.lease = nullptr;
    const auto next = (*source)->next(stopper, frame);
    if (!next.ok()) GTEST_SKIP() << next.status().message();  // no decoder here
    if (!*next) break;
    media::to_rgb(frame.picture, image);
    EXPECT_EQ(image.width, 64);
    greys.push_back(image.row(24)[0]);
  }
  const auto shown = numbers(1, 30);
  ASSERT_EQ(greys.size(), shown.size());
  for (size_t i = 0; i < greys.size(); ++i) EXPECT_NEAR(greys[i], shown[i], 2);
}

TEST_F(Record, TheEventIsWhatWasAskedFor) {
  {
    const auto sink = make({{"on", "changes"}, {"classes", "cat"}, {"min_score", "0.5"}});
    show(*sink, 1, 1, {"dog"});  // the first result is a change from knowing nothing
    show(*sink, 2, 30, {"dog"});
    show(*sink, 31, 50, {"dog", "cat"});
    show(*sink, 51, 60, {"dog"});
    FrameResult faint = result_with(61, {"cat"});
    faint.detections[0].score = 0.4F;
    (void)show(*sink, 61, faint);
    show(*sink, 62, 80, {});
  }
  const auto clips = files(".mkv");
  ASSERT_EQ(clips.size(), 3U);
  EXPECT_EQ(greys_of(clips[0]), numbers(1, 6));
  EXPECT_EQ(greys_of(clips[1]), numbers(21, 36)) << "a cat has come";
  EXPECT_EQ(greys_of(clips[2]), numbers(41, 56)) << "and gone";
}

TEST_F(Record, ClipsThatWouldBeTooLongGoOnInTheNextOne) {
  {
    const auto sink = make({{"on", "every"}, {"max_clip_s", "2"}, {"fps", "5"}});
    show(*sink, 1, 50, {});
  }
  std::vector<int> all;
  const auto clips = files(".mkv");
  EXPECT_EQ(clips.size(), 3U);
  for (const std::string& clip : clips) {
    for (const int grey : greys_of(clip)) all.push_back(grey);
  }
  ASSERT_EQ(all.size(), 25U) << "of ten pictures a second, five";
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], 1 + 2 * static_cast<int>(i));
}

TEST_F(Record, WhatIsKeptForTheNextEventIsBounded) {
  {
    const auto sink = make({{"before_bytes", "3000"}});
    show(*sink, 1, 9, {});
    show(*sink, 10, 10, {"cat"});
  }
  const auto clips = files(".mkv");
  ASSERT_EQ(clips.size(), 1U);
  const auto greys = greys_of(clips[0]);
  EXPECT_LT(greys.size(), 6U);
  EXPECT_GT(greys.size(), 1U);
  EXPECT_EQ(greys.back(), 10);
  EXPECT_EQ(greys.front(), 10 - static_cast<int>(greys.size()) + 1) << "the newest ones";
}

TEST_F(Record, CamerasHaveClipsOfTheirOwnAndSoHavePictureSizes) {
  {
    const auto sink = make();
    for (int i = 1; i <= 6; ++i) {
      FrameResult result = result_with(static_cast<uint64_t>(i), {"cat"});
      result.node = i % 2 == 0 ? "people@front" : "people@rear";
      (void)show(*sink, i, result);
    }
    width_ = 32;
    show(*sink, 7, 9, {"cat"});
    width_ = 64;
    show(*sink, 10, 11, {"cat"});
  }
  const auto clips = files(".mkv");
  ASSERT_EQ(clips.size(), 4U);
  EXPECT_THAT(clips[0], HasSubstr("/yard_people@front_"));
  EXPECT_THAT(greys_of(clips[0]), ElementsAre(2, 4, 6));
  EXPECT_THAT(greys_of(clips[1]), ElementsAre(1, 3, 5));
  EXPECT_THAT(greys_of(clips[2]), ElementsAre(7, 8, 9));
  EXPECT_THAT(greys_of(clips[3]), ElementsAre(10, 11));
}

TEST_F(Record, TheOldestGoWhereThereIsNoRoomAndNothingElse) {
  const std::string strange[] = {"holiday.mkv", "yard_people_20200101T000000.000Z.avi",
                                 "yard_people_20200101T000000Z.mkv",
                                 "yard_gate_20200101T000000.000Z.mkv"};
  for (const std::string& name : strange) {
    std::ofstream(folder_.file(name)) << "mine";
  }
  std::ofstream(folder_.file("yard_people_20200101T000000.000Z.mkv")) << "of an earlier run";
  std::ofstream(folder_.file("yard_people_20200101T000000.000Z.json")) << "{}";
  width_ = 4096;
  {
    const auto sink = make({{"max_bytes", "1000000"}, {"on", "every"}, {"max_clip_s", "1"}});
    for (int i = 1; i <= 250; ++i) show(*sink, i, i, {});
    EXPECT_EQ(sink->status().last_error, "");
  }
  for (const std::string& name : strange) EXPECT_TRUE(fs::exists(folder_.file(name))) << name;
  EXPECT_FALSE(fs::exists(folder_.file("yard_people_20200101T000000.000Z.mkv")));
  EXPECT_FALSE(fs::exists(folder_.file("yard_people_20200101T000000.000Z.json")));
  uint64_t bytes = 0;
  for (const std::string& clip : files(".mkv")) bytes += fs::file_size(clip);
  EXPECT_LE(bytes, 1'000'000U);
  EXPECT_GT(bytes, 500'000U);
  EXPECT_EQ(greys_of(files(".mkv").back()).back(), 250) << "the newest are there";
}

TEST_F(Record, WhatWasBeingWrittenWhenTheProcessEndedIsFinishedByTheNext) {
  const std::string left = folder_.file("yard_people_20251122T101500.000Z");
  {
    auto file = media::VideoFile::create(left + ".mkv", 64, 48);
    ASSERT_TRUE(file.ok());
    const auto jpeg = media::encode_jpeg(grey_frame(64, 48, 7)->image, 90);
    ASSERT_TRUE((*file)->add(*jpeg, 0).ok());
    fs::copy_file(left + ".mkv.part", folder_.file("copy"));
  }
  fs::rename(folder_.file("copy"), left + ".mkv.part");
  std::ofstream(folder_.file("yard_people_20251122T101600.000Z.mkv.part")) << "nothing yet";
  show(*make(), 1, 1, {"cat"});
  EXPECT_THAT(greys_of(left + ".mkv"), ElementsAre(7));
  EXPECT_TRUE(files(".part").empty());
  EXPECT_EQ(files(".mkv").size(), 2U);
}

// RLIMIT_FSIZE takes the place of the disk's end.
TEST_F(Record, AFullDiskHasNoHalfClipAndIsTriedAgain) {
  std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto sink = make();
  show(*sink, 1, 1, {"cat"});
  const struct rlimit full { 3000, before.rlim_max };
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  EXPECT_EQ(show(*sink, 2, 9, {"cat"}), 1);
  const auto left = files(".part");
  const SinkStatus status = sink->status();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(left.empty());
  EXPECT_EQ(status.state, "waiting for the disk");
  EXPECT_EQ(status.last_error, "cannot record in '" + folder_.path() + "': File too large");
  EXPECT_EQ(status.dropped, 9U) << "those that were in the clip as well";
  EXPECT_EQ(show(*sink, 10, 40, {"cat"}), 0) << "it was told";
  EXPECT_EQ(sink->status().state, "recording");
  show(*sink, 41, 60, {});
  EXPECT_EQ(sink->status().state, "waiting for an event");
  ASSERT_EQ(files(".mkv").size(), 1U);
  EXPECT_EQ(greys_of(files(".mkv")[0]).back(), 45);
}

TEST_F(Record, AFolderThatIsNotThereIsWaitedFor) {
  const std::string disk = folder_.file("disk");
  const auto sink = make({{"path", disk}});
  show(*sink, 1, 3, {"cat"});
  EXPECT_EQ(sink->status().state, "waiting for the disk");
  EXPECT_THAT(sink->status().last_error, HasSubstr("No such file or directory"));
  EXPECT_FALSE(fs::exists(disk)) << "it may be a disk that is not mounted";
  fs::create_directory(disk);
  show(*sink, 20, 22, {"cat"});
  EXPECT_EQ(sink->status().state, "recording");
  EXPECT_EQ(sink->status().dropped, 3U);
}

// As behind a stage that lets pass only what moves.
TEST_F(Record, AClipEndsAlsoWhenNoFrameComes) {
  const auto sink = make({{"after_s", "0"}});
  show(*sink, 1, 2, {"cat"});
  EXPECT_TRUE(becomes_true([&] { return sink->status().state == "waiting for an event"; }));
  EXPECT_EQ(files(".mkv").size(), 1U);
}

TEST_F(Record, RefusesWhatMakesNoSense) {
  const auto refusal = [](const std::map<std::string, std::string>& keys) {
    return make_sink(node("record", keys)).status().message();
  };
  EXPECT_THAT(refusal({}), HasSubstr("p.yaml:3:5: "));
  EXPECT_THAT(refusal({{"path", "/tmp"}, {"on", "never"}}), HasSubstr("every, detections"));
  EXPECT_THAT(refusal({{"path", "/tmp"}, {"max_bytes", "10"}}), HasSubstr("max_bytes"));
  EXPECT_THAT(refusal({{"path", "/tmp"}, {"before", "3"}}), HasSubstr("before"));
}

}  // namespace
}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
//
// Stages of shared libraries, in this process and in one of their own: stage_library.c does what a
// test says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "daemon/pipeline/custom/messages.h"
#include "daemon/pipeline/stage.h"
#include "tests/unit/fakes.h"
#include "tests/unit/pipeline/nodes.h"
#include "tests/unit/pipeline/other_side.h"
#include "tests/unit/pipeline/results.h"

namespace inferd::pipeline {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Keys = std::map<std::string, std::string>;

class Custom : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Stage>> make(Keys keys, bool trusted = true) {
    keys.emplace("library", INFERD_TEST_STAGE);
    StageContext context{repository_, "p", {}, nullptr};
    context.trusted = trusted;
    return make_stage(node("custom", keys), context);
  }
  std::unique_ptr<Stage> made(Keys keys) {
    auto stage = make(std::move(keys));
    if (!stage.ok()) {
      ADD_FAILURE() << stage.status().to_string();
      std::abort();
    }
    return std::move(*stage);
  }
  std::string refusal(Keys keys) { return make(std::move(keys)).status().message(); }

  // The next frame of a grey picture.
  Status process(Stage& stage) {
    work_.clear_results();
    work_.gated = false;
    frame_->sequence = ++sequence_;
    work_.frame = frame_.get();
    return stage.process(work_);
  }

  std::unique_ptr<Frame> frame_ = grey_frame(32, 24, 10);
  Work work_;

 private:
  FakeRepository repository_;
  uint64_t sequence_ = 0;
};

// Of both kinds.
class CustomStage : public Custom, public ::testing::WithParamInterface<std::string> {
 protected:
  Keys with(Keys keys) const {
    keys.emplace("process", GetParam());
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    if (GetParam() == "own") keys.emplace("memory_mb", "0");  // sanitizers want terabytes
#endif
    return keys;
  }
};
INSTANTIATE_TEST_SUITE_P(Process, CustomStage, ::testing::Values("inside", "own"),
                         [](const auto& kind) { return kind.param; });

TEST_P(CustomStage, SaysWhatIsWrongWithALibrary) {
  EXPECT_THAT(refusal(with({{"library", "/nowhere/lib.so"}})),
              StartsWith("p.yaml:3:5: 'custom': cannot be loaded: /nowhere/lib.so: "));
  EXPECT_THAT(refusal(with({{"library", __FILE__}})), HasSubstr("cannot be loaded: "));
  EXPECT_THAT(refusal(with({{"library", ""}})), HasSubstr("'custom' needs 'library'"));
  EXPECT_THAT(refusal(with({{"symbol", "inferd_sage"}})), HasSubstr("has no 'inferd_sage'"));
  EXPECT_THAT(
      refusal(with({{"symbol", "older"}})),
      HasSubstr("was built for version 0 of inferd/stage.h, and this is 1; build it again"));
  EXPECT_THAT(refusal(with({{"symbol", "hollow"}})), HasSubstr("lacks a function in 'hollow'"));
  EXPECT_EQ(refusal(with({{"do", "somersaults"}})),
            "p.yaml:3:5: 'custom': does not take do=somersaults");
  EXPECT_EQ(refusal(with({{"colour", "red"}})), "p.yaml:3:5: 'custom': does not take colour=red");
}

TEST_F(Custom, ChecksItsOwnKeys) {
  EXPECT_THAT(refusal({{"process", "other"}}), StartsWith("p.yaml:4:7: 'process' must be one of"));
  EXPECT_THAT(refusal({{"process", "own"}, {"timeout_ms", "0"}}), HasSubstr("'timeout_ms'"));
  EXPECT_THAT(refusal({{"timeout_ms", "100"}}), HasSubstr("are for 'process: own'"));
}

TEST_F(Custom, LoadsNothingForWhoIsNotTrusted) {
  const auto unchecked = make({{"library", "/nowhere/lib.so"}, {"do", "anything"}}, false);
  ASSERT_TRUE(unchecked.ok()) << unchecked.status().to_string();
  EXPECT_FALSE(make({{"process", "other"}}, false).ok()) << "but keys are checked";
}

TEST_P(CustomStage, SeesPicturesAndWhatWasFound) {
  const auto stage = made(with({{"do", "describe"}}));
  frame_->name = "cat.jpg";
  frame_->capture_ns = 77;
  ASSERT_TRUE(process(*stage).ok());
  EXPECT_EQ(work_.text, "1 77 'cat.jpg' 32x24 0/0 23040 0x0@0 0 \"\"");
  // A part of a picture with padding, and results of the stages before.
  const media::Picture whole = frame_->picture;
  frame_->picture = media::crop(whole, 8, 8, 2, 3);
  work_.clear_results();
  work_.detections = {{{0, 0, 0.5F, 1}, 0.25F, 3, "cat", {{0.125F, 0, 1}}, 7},
                      {{0, 0, 1, 1}, 0.5F, 4, "dog", {}}};
  work_.detections[1].text = "Rex";
  work_.values = {{"level", 0.5}};
  work_.text = "hello";
  const Status status = stage->process(work_);
  ASSERT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(work_.text,
            "1 77 'cat.jpg' 2x3 0/0 180 0x0@0 0 [cat/ 3 0.25 0..0.5 #7 1:0.125 @0] "
            "[dog/Rex 4 0.5 0..1 #0 0:0 @1] level=0.5 \"hello\"");
  EXPECT_EQ(work_.detections.size(), 2U) << "they stay";
  frame_->picture = whole;
}

TEST_P(CustomStage, SeesPlanesAndSamples) {
  const auto stage = made(with({{"do", "describe"}}));
  const std::vector<uint8_t> bytes(64 * 32 * 3 / 2, 1);
  frame_->picture = *media::packed_picture(media::PixelFormat::kI420, 64, 32, bytes);
  frame_->picture.color = media::ColorSpace::kBt709;
  ASSERT_TRUE(process(*stage).ok());
  // 2048 times 1 in the first plane, 512 times in the others, which count twice and three times.
  EXPECT_EQ(work_.text, "1 0 '' 64x32 9/2 4608 0x0@0 0 \"\"");
  frame_->picture = {};
  frame_->samples = {2, 3, 100, {1, 2, 3, 4, 5, 6}, nullptr};
  ASSERT_TRUE(process(*stage).ok());
  EXPECT_EQ(work_.text, "2 0 '' 0x0 0/0 0 2x3@100 21 \"\"");
  // More than there was room for.
  frame_->samples = {100'000, 3, 100, std::vector<float>(300'000, 0.5F), nullptr};
  ASSERT_TRUE(process(*stage).ok());
  EXPECT_EQ(work_.text, "3 0 '' 0x0 0/0 0 100000x3@100 150000 \"\"");
}

TEST_P(CustomStage, AddsWhatItFound) {
  const auto stage = made(with({{"do", "detect"}}));
  work_.clear_results();
  work_.frame = frame_.get();
  work_.detections = {{{0, 0, 1, 1}, 0.9F, 1, "cat", {}}};
  ASSERT_TRUE(stage->process(work_).ok());
  ASSERT_EQ(work_.detections.size(), 3U);
  EXPECT_EQ(work_.detections[0].label, "cat");
  const Detection& door = work_.detections[1];
  EXPECT_EQ(door.label, "door");
  EXPECT_EQ(door.class_id, 3);
  EXPECT_EQ(door.box.x_min, 0) << "boxes are clipped to the frame";
  EXPECT_EQ(door.box.y_max, 1);
  ASSERT_EQ(door.keypoints.size(), 2U);
  EXPECT_EQ(door.keypoints[1].x, 1.5F) << "points are not";
  EXPECT_EQ(work_.detections[2].track_id, 9U);
  EXPECT_EQ(work_.detections[2].label, "");
  ASSERT_EQ(work_.values.size(), 1U);
  EXPECT_EQ(work_.values[0].name, "level");
}

TEST_P(CustomStage, ReplacesWhatOthersFound) {
  const auto stage = made(with({{"do", "refine"}}));
  work_.clear_results();
  work_.frame = frame_.get();
  work_.detections = {{{0, 0, 1, 1}, 0.8F, 1, "a label that lies on the heap", {}},
                      {{0, 0, 1, 1}, 0.6F, 2, "dog", {{0.5F, 0.5F, 1}}}};
  work_.detections[0].classes = {{5, 0.5F, "tabby"}};
  work_.values = {{"level", 1}};
  ASSERT_TRUE(stage->process(work_).ok());
  ASSERT_EQ(work_.detections.size(), 2U);
  EXPECT_EQ(work_.detections[0].label, "dog");
  EXPECT_EQ(work_.detections[0].keypoints.size(), 1U);
  EXPECT_EQ(work_.detections[1].score, 0.4F);
  ASSERT_EQ(work_.detections[1].classes.size(), 1U) << "what a library does not see is kept";
  EXPECT_EQ(work_.detections[1].classes[0].label, "tabby");
  EXPECT_TRUE(work_.values.empty());
  EXPECT_EQ(work_.text, "a label that lies on the heap");
}

TEST_P(CustomStage, LeavesFramesOutAndFails) {
  const auto gate = made(with({{"do", "leave_out"}, {"every", "2"}}));
  for (int i = 1; i <= 4; ++i) {
    ASSERT_TRUE(process(*gate).ok());
    EXPECT_EQ(work_.gated, i % 2 == 0);
  }
  const auto picky = made(with({{"do", "fail"}}));
  EXPECT_EQ(process(*picky).to_string(), "INTERNAL: does not like frame 5");
  EXPECT_EQ(process(*picky).to_string(), "INTERNAL: does not like frame 6") << "and goes on";
}

TEST_P(CustomStage, BelievesNothing) {
  const std::map<std::string, std::string> wrong = {
      {"nan", "detection 0: has a point with a number that is not finite"},
      {"origin", "detection 0: says that it was detection 1000, and the frame has 0"},
      {"null", "gave results at NULL"},
      {"many", "gave more than 10000 values"},
      {"text", "detection 0: has a text of more than 65536 bytes"}};
  for (const auto& [what, message] : wrong) {
    const auto stage = made(with({{"do", what}}));
    EXPECT_EQ(process(*stage).message(), message);
    EXPECT_TRUE(work_.detections.empty());
  }
}

TEST_F(Custom, ResultsOfAProcessAreBounded) {
  const auto stage = made({{"process", "own"}, {"memory_mb", "0"}, {"do", "large"}});
  EXPECT_EQ(process(*stage).message(), "gave more than 128 KiB of results");
  const auto again = made({{"process", "own"}, {"memory_mb", "0"}, {"do", "describe"}});
  work_.clear_results();
  work_.frame = frame_.get();
  work_.text.assign(200'000, 'a');
  EXPECT_EQ(again->process(work_).message(),
            "its keys, or what the stages before found, take more than 128 KiB");
  EXPECT_TRUE(process(*again).ok()) << "and goes on";
}

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) == 0 || errno != ECHILD; }

TEST_F(Custom, ACrashCostsOneFrameAndLeavesNothingBehind) {
  ASSERT_FALSE(has_children());
  const size_t before = open_files();
  {
    const auto stage =
        made({{"process", "own"}, {"memory_mb", "0"}, {"do", "crash"}, {"every", "10"}});
    int crashes = 0;
    for (int i = 1; i <= 1000; ++i) {
      const Status status = process(*stage);
      if (i % 10 != 0) {
        ASSERT_TRUE(status.ok()) << i << ": " << status.to_string();
      } else {
        ASSERT_EQ(status.to_string(), "UNAVAILABLE: its process was killed by SIGSEGV") << i;
        ++crashes;
      }
    }
    EXPECT_EQ(crashes, 100);
    EXPECT_TRUE(process(*stage).ok());
  }
  EXPECT_FALSE(has_children());
  EXPECT_EQ(open_files(), before);
}

TEST_F(Custom, AHangCostsItsTimeout) {
  const auto stage = made({{"process", "own"},
                           {"memory_mb", "0"},
                           {"timeout_ms", "200"},
                           {"do", "hang"},
                           {"every", "3"}});
  for (int i = 1; i <= 9; ++i) {
    const Status status = process(*stage);
    if (i % 3 != 0) {
      ASSERT_TRUE(status.ok()) << status.to_string();
    } else {
      EXPECT_EQ(status.message(), "its process did not answer within 200 ms and was killed");
    }
  }
}

TEST_F(Custom, WhatDiesAtEachFrameIsStartedMoreAndMoreRarely) {
  const auto stage = made({{"process", "own"}, {"memory_mb", "0"}, {"do", "exit"}});
  EXPECT_EQ(process(*stage).message(), "its process exited with status 3");
  EXPECT_EQ(process(*stage).message(), "its process exited with status 3") << "at once, the first";
  EXPECT_EQ(process(*stage).message(),
            "waits to be started again: its process exited with status 3");
  EXPECT_TRUE(becomes_true(
      [&] { return process(*stage).message() == "its process exited with status 3"; }));
  EXPECT_THAT(process(*stage).message(), StartsWith("waits to be started again: "));
}

TEST_F(Custom, AProcessThatSpeaksNonsenseIsReplaced) {
  const auto stage =
      made({{"process", "own"}, {"memory_mb", "0"}, {"do", "chatter"}, {"every", "2"}});
  EXPECT_TRUE(process(*stage).ok());
  EXPECT_EQ(process(*stage).message(), "its process answered nonsense");
  EXPECT_TRUE(process(*stage).ok());
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_F(Custom, AProcessHasBoundedMemory) {
  const auto stage =
      made({{"process", "own"}, {"memory_mb", "64"}, {"do", "grow"}, {"every", "2"}});
  EXPECT_TRUE(process(*stage).ok());
  EXPECT_EQ(process(*stage).message(), "its process was killed by SIGSEGV") << "calloc gave NULL";
  EXPECT_TRUE(process(*stage).ok());
}
#endif

TEST_P(CustomStage, TheExampleMeasuresBrightness) {
  const auto stage = made(with({{"library", INFERD_BRIGHTNESS_STAGE}, {"darkest", "9"}}));
  ASSERT_TRUE(process(*stage).ok());
  ASSERT_EQ(work_.values.size(), 1U);
  EXPECT_EQ(work_.values[0].name, "brightness");
  EXPECT_EQ(work_.values[0].value, 10);
  frame_->image.pixels.assign(frame_->image.pixels.size(), 8);
  ASSERT_TRUE(process(*stage).ok());
  EXPECT_TRUE(work_.gated);
  EXPECT_THAT(refusal(with({{"library", INFERD_BRIGHTNESS_STAGE}, {"darkest", "300"}})),
              HasSubstr("'darkest' must be a number from 0 to 255, not '300'"));
}

// Whatever a process sends is read within its bounds.
TEST(HostMessages, PartsOfAnAnswerAreRefused) {
  const inferd_stage_point point{0.5F, 0.5F, 1};
  const inferd_stage_detection detection{0, 0, 1, 1, 1, 2, "cat", "", &point, 1, 0, -1};
  const inferd_stage_value value{"level", 1};
  const inferd_stage_output output{0, &detection, 1, &value, 1, "text"};
  Bytes packet;
  pack_answer(INFERD_STAGE_OK, "", output, packet);
  HostAnswer answer;
  ASSERT_TRUE(unpack_answer(packet, answer));
  EXPECT_STREQ(answer.output.detections[0].label, "cat");
  EXPECT_STREQ(answer.output.text, "text");
  for (size_t size = 0; size < packet.size(); ++size) {
    const Bytes part(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(unpack_answer(part, answer)) << size;
  }
  for (size_t i = 0; i < packet.size(); ++i) {
    Bytes changed = packet;
    for (const int value_of_byte : {0, 1, 127, 255}) {
      changed[i] = static_cast<std::byte>(value_of_byte);
      (void)unpack_answer(changed, answer);
    }
  }
}

}  // namespace
}  // namespace inferd::pipeline

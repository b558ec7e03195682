// SPDX-License-Identifier: Apache-2.0
//
// Sources by a real GStreamer. What they read is made here.
#include <gmock/gmock.h>
#include <gst/gst.h>

#include <cmath>
#include <thread>

#include "daemon/pipeline/sources/without_passwords.h"
#include "tests/unit/pipeline/smpte_bars.h"
#include "tests/unit/pipeline/source_of.h"
#include "tests/unit/temporary_folder.h"

// GLib leaves a table behind when it grows, which it does before main(). To tell that from leaks of
// ours, whole stacks are needed.
extern "C" __attribute__((visibility("default"))) const char* __lsan_default_suppressions() {
  return "leak:ld-linux";
}
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() {
  return "fast_unwind_on_malloc=0";
}

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

config::NodeConfig launch(const std::string& text, std::map<std::string, std::string> keys = {}) {
  keys["launch"] = text;
  return node("gstreamer", keys);
}

// Runs a pipeline to its end. False: an element of it is not installed.
bool run(const std::string& text) {
  gst_init(nullptr, nullptr);
  GError* error = nullptr;
  GstElement* pipeline =
      gst_parse_launch_full(text.c_str(), nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (pipeline == nullptr) {
    std::fprintf(stderr, "%s\n", error->message);
    g_error_free(error);
    return false;
  }
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus* bus = gst_element_get_bus(pipeline);
  GstMessage* message = gst_bus_timed_pop_filtered(
      bus, 60 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  EXPECT_TRUE(message != nullptr && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) << text;
  if (message != nullptr) gst_message_unref(message);
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  return true;
}

// JPEG has no other range; the encoder does not look.
constexpr char kJpeg[] = "video/x-raw,format=I420,colorimetry=1:4:0:0 ! jpegenc quality=95";

// 10 frames of bars, and a tone, in a file.
bool make_video_file(const std::string& path, const std::string& encoder,
                     const std::string& muxer) {
  return run(muxer + " name=m ! filesink location=\"" + path +
             "\" videotestsrc num-buffers=10 ! "
             "video/x-raw,format=RGB,width=320,height=240,framerate=20/1 ! "
             "videoconvert ! " +
             encoder + " ! m. audiotestsrc num-buffers=20 ! m.");
}

TEST(Gstreamer, ColoursAreRightInEachFormat) {
  struct Case {
    const char* caps;
    media::PixelFormat format;
  };
  const Case cases[] = {{"RGB", media::PixelFormat::kRgb},   {"BGR", media::PixelFormat::kBgr},
                        {"RGBx", media::PixelFormat::kRgbx}, {"BGRA", media::PixelFormat::kBgrx},
                        {"YUY2", media::PixelFormat::kYuyv}, {"UYVY", media::PixelFormat::kUyvy},
                        {"NV12", media::PixelFormat::kNv12}, {"NV21", media::PixelFormat::kNv21},
                        {"I420", media::PixelFormat::kI420}};
  for (const Case& c : cases) {
    // 322: rows of three bytes a pixel have gaps between them.
    for (const char* colors : {"", ",colorimetry=bt601", ",colorimetry=bt709"}) {
      if (std::string(c.caps).starts_with("RGB") || std::string(c.caps).starts_with("BGR"))
        colors = "";
      SCOPED_TRACE(std::string(c.caps) + colors);
      const auto source =
          source_of(launch("videotestsrc num-buffers=1 ! video/x-raw,width=322,height=240,format=" +
                               std::string(c.caps) + colors,
                           {{"live", "false"}}));
      ASSERT_TRUE(source->open().ok());
      Stopper stopper;
      Frame frame;
      ASSERT_TRUE(give(*source, stopper, frame));
      EXPECT_EQ(frame.picture.format, c.format);
      EXPECT_EQ(frame.picture.width, 322);
      EXPECT_EQ(frame.picture.height, 240);
      EXPECT_EQ(frame.picture.color == media::ColorSpace::kBt709,
                std::string(colors) == ",colorimetry=bt709");
      expect_smpte_bars(frame.picture, 4);
      EXPECT_FALSE(*source->next(stopper, frame)) << "a file's end is its end";
    }
  }
}

TEST(Gstreamer, AnOddRowIsLeftOut) {
  const auto source = source_of(
      launch("videotestsrc ! video/x-raw,width=321,height=241,format=I420", {{"live", "false"}}));
  ASSERT_TRUE(source->open().ok());
  Stopper stopper;
  Frame frame;
  ASSERT_TRUE(give(*source, stopper, frame));
  EXPECT_EQ(frame.picture.width, 320);
  EXPECT_EQ(frame.picture.height, 240);
  expect_smpte_bars(frame.picture, 4);
}

TEST(Gstreamer, AFrameOutlivesItsSource) {
  auto source =
      source_of(launch("videotestsrc is-live=true ! video/x-raw,width=320,height=240,format=NV12"));
  ASSERT_TRUE(source->open().ok());
  Stopper stopper;
  Frame first, second;
  ASSERT_TRUE(give(*source, stopper, first));
  ASSERT_TRUE(give(*source, stopper, second));
  EXPECT_NE(first.picture.planes[0], second.picture.planes[0]) << "who reads it has it alone";
  ASSERT_TRUE(source->open().ok());
  expect_smpte_bars(first.picture, 4);
  source.reset();
  expect_smpte_bars(first.picture, 4);
  expect_smpte_bars(second.picture, 4);
}

TEST(Gstreamer, FramesOfALiveSourceHaveTheTimeOfTheirCapture) {
  const int64_t before = schedule::now_ns();
  const auto source =
      source_of(launch("videotestsrc is-live=true ! video/x-raw,width=32,height=32,framerate=50/1,"
                       "format=RGB"));
  EXPECT_TRUE(source->live());
  ASSERT_TRUE(source->open().ok());
  Stopper stopper;
  Frame frame;
  int64_t last = before;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(give(*source, stopper, frame));
    EXPECT_GT(frame.capture_ns, last);
    EXPECT_LE(frame.capture_ns, schedule::now_ns());
    last = frame.capture_ns;
  }
}

TEST(Gstreamer, EveryFrameOfAFileIsGivenThenItEnds) {
  const auto source =
      source_of(launch("videotestsrc num-buffers=30 ! video/x-raw,width=32,height=32,format=GRAY8",
                       {{"live", "false"}, {"max_buffers", "1"}}));
  EXPECT_FALSE(source->live());
  Stopper stopper;
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(source->open().ok());
    Frame frame;
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(give(*source, stopper, frame)) << i;
    EXPECT_FALSE(*source->next(stopper, frame));
  }
}

TEST(Gstreamer, TheEndOfALiveSourceIsAnError) {
  const auto source =
      source_of(launch("videotestsrc num-buffers=3 ! video/x-raw,width=32,height=32,format=RGB"));
  Stopper stopper;
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(source->open().ok());
    EXPECT_EQ(failure_of(*source, stopper), "the stream has ended");
  }
}

TEST(Gstreamer, IsOpenedAgainWithoutLosingFiles) {
  const auto source =
      source_of(launch("videotestsrc is-live=true ! video/x-raw,width=32,height=32,format=RGB"));
  Stopper stopper;
  Frame frame;
  ptrdiff_t files = 0;
  constexpr int kRounds = 20, kFirst = 2;
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_TRUE(source->open().ok());
    ASSERT_TRUE(give(*source, stopper, frame));
    if (round == kFirst) files = open_files();
  }
  // A leak would be one file in each round; other libraries (LTTng, which libcamera brings) have a
  // few for a while.
  EXPECT_LT(open_files(), files + kRounds - kFirst - 1);
}

TEST(Gstreamer, AWaitIsStopped) {
  // A first frame, then none for a minute.
  const auto source = source_of(
      launch("videotestsrc is-live=true ! video/x-raw,width=32,height=32,format=RGB,framerate=1/60",
             {{"timeout_ms", "120000"}}));
  EXPECT_EQ(source->patience_ns(), 120'000'000'000);
  ASSERT_TRUE(source->open().ok());
  Stopper stopper;
  Frame frame;
  ASSERT_TRUE(give(*source, stopper, frame));
  std::thread other([&] { stopper.stop(); });
  const auto next = source->next(stopper, frame);
  other.join();
  ASSERT_TRUE(next.ok());
  EXPECT_FALSE(*next);
}

TEST(Gstreamer, SoundBecomesSamples) {
  for (const std::string format : {"F32LE", "S16LE"}) {
    SCOPED_TRACE(format);
    const auto source =
        source_of(launch("audiotestsrc freq=1000 volume=0.5 samplesperbuffer=480 num-buffers=4 ! "
                         "audio/x-raw,rate=48000,channels=2,layout=interleaved,format=" +
                             format,
                         {{"live", "false"}}));
    ASSERT_TRUE(source->open().ok());
    Stopper stopper;
    Frame frame;
    int moment = 0;
    for (int i = 0; i < 4; ++i) {
      ASSERT_TRUE(give(*source, stopper, frame));
      ASSERT_EQ(frame.samples.rows, 480);
      ASSERT_EQ(frame.samples.columns, 2);
      EXPECT_EQ(frame.samples.rate_hz, 48000);
      EXPECT_EQ(frame.picture.width, 0);
      for (size_t row = 0; row < 480; ++row, ++moment) {
        const double expected = 0.5 * std::sin(2 * M_PI * 1000 * (moment + 1) / 48000);
        ASSERT_NEAR(frame.samples.values[row * 2], expected, 1e-3) << moment;
        ASSERT_EQ(frame.samples.values[row * 2], frame.samples.values[row * 2 + 1]);
      }
    }
    EXPECT_FALSE(*source->next(stopper, frame));
  }
}

TEST(Gstreamer, MistakesAreNamedWhereTheyStand) {
  EXPECT_THAT(refusal(node("gstreamer")), HasSubstr("p.yaml:3:5: 'gstreamer' needs 'launch'"));
  EXPECT_THAT(
      refusal(launch("nosuchelement ! videoconvert")),
      ::testing::AllOf(HasSubstr("p.yaml:4:7: GStreamer says"), HasSubstr("nosuchelement")));
  EXPECT_THAT(refusal(launch("videotestsrc !")), HasSubstr("p.yaml:4:7: "));
  EXPECT_THAT(refusal(launch("videotestsrc patern=ball")), HasSubstr("patern"));
  EXPECT_THAT(refusal(launch("videotestsrc", {{"max_bufers", "1"}})),
              HasSubstr("did you mean 'max_buffers'"));
  EXPECT_THAT(refusal(node("rtsp", {{"url", "http://x"}})), HasSubstr("p.yaml:4:7: 'url' must"));
}

TEST(Gstreamer, AnErrorNamesItsElementAndItsReason) {
  const auto source = source_of(launch("filesrc name=reader location=/nothing/here ! decodebin"));
  const Status opened = source->open();
  Stopper stopper;
  const std::string why = opened.ok() ? failure_of(*source, stopper) : opened.message();
  EXPECT_THAT(why, HasSubstr("element 'reader'"));
  EXPECT_THAT(why, HasSubstr("/nothing/here"));
}

TEST(Gstreamer, AFormatThatPicturesDoNotHaveIsRefused) {
  const auto source = source_of(launch("videotestsrc ! video/x-raw,format=Y444"));
  const Status opened = source->open();
  Stopper stopper;
  const std::string why = opened.ok() ? failure_of(*source, stopper) : opened.message();
  EXPECT_THAT(why, HasSubstr("videotestsrc"));
}

TEST(Video, PlaysFilesOfSeveralKinds) {
  struct Kind {
    const char *file, *encoder, *muxer;
    int tolerance;
  };
  const Kind kinds[] = {{"motion \"jpeg\" ! fakesink.avi", kJpeg, "avimux", 8},
                        {"h264.mkv", "openh264enc bitrate=2000000 ! h264parse", "matroskamux", 12}};
  const TemporaryFolder folder;
  for (const Kind& kind : kinds) {
    SCOPED_TRACE(kind.file);
    std::string quoted = folder.file(kind.file);
    for (size_t at = 0; (at = quoted.find('"', at)) != std::string::npos; at += 2)
      quoted.insert(at, "\\");
    ASSERT_TRUE(make_video_file(quoted, kind.encoder, kind.muxer))
        << "install scripts/packages-test.txt";
    const auto source =
        source_of(node("video", {{"path", folder.file(kind.file)}, {"live", "false"}}));
    ASSERT_TRUE(source->open().ok());
    Stopper stopper;
    Frame frame;
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(give(*source, stopper, frame)) << i;
      EXPECT_EQ(frame.name, kind.file);
      expect_smpte_bars(frame.picture, kind.tolerance);
    }
    EXPECT_FALSE(*source->next(stopper, frame));
  }
}

TEST(Video, GivesNoFrameBeforeItsTime) {
  const TemporaryFolder folder;
  ASSERT_TRUE(make_video_file(folder.file("v.avi"), kJpeg, "avimux"));
  const auto source = source_of(node("video", {{"path", folder.file("v.avi")}, {"loop", "true"}}));
  ASSERT_TRUE(source->open().ok());
  Stopper stopper;
  Frame frame;
  for (int i = 0; i < 15; ++i) {
    ASSERT_TRUE(give(*source, stopper, frame)) << i;
    EXPECT_GE(schedule::now_ns(), frame.capture_ns) << i;
  }
}

TEST(Video, PlaysAgainFromItsBeginning) {
  const TemporaryFolder folder;
  ASSERT_TRUE(make_video_file(folder.file("v.avi"), kJpeg, "avimux"));
  for (const std::string live : {"false", "true"}) {
    const auto source = source_of(
        node("video", {{"path", folder.file("v.avi")}, {"live", live}, {"loop", "true"}}));
    ASSERT_TRUE(source->open().ok());
    Stopper stopper;
    Frame frame;
    for (int i = 0; i < 25; ++i) ASSERT_TRUE(give(*source, stopper, frame)) << i;
  }
}

TEST(Video, WhatIsNoVideoIsAnError) {
  const TemporaryFolder folder;
  ASSERT_EQ(std::system(("echo nothing to see >" + folder.file("v.avi")).c_str()), 0);
  for (const std::string& path : {folder.file("v.avi"), folder.file("missing.avi")}) {
    const auto source = source_of(node("video", {{"path", path}, {"loop", "true"}}));
    const Status opened = source->open();
    Stopper stopper;
    const std::string why = opened.ok() ? failure_of(*source, stopper) : opened.message();
    EXPECT_THAT(why, HasSubstr("GStreamer's element"));
  }
}

TEST(Passwords, AreLeftOutOfAddresses) {
  EXPECT_EQ(without_passwords("cannot open rtsp://me:p@ss@cam:554/x@y, retry"),
            "cannot open rtsp://***@cam:554/x@y, retry");
  EXPECT_EQ(without_passwords("rtsp://cam/1 and http://a:b@c"), "rtsp://cam/1 and http://***@c");
  EXPECT_EQ(without_passwords("a@b c://"), "a@b c://");
}

}  // namespace
}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
//
// The source `v4l2` on a driver that the test plays.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/unit/pipeline/fake_camera.h"
#include "tests/unit/pipeline/source_of.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

class V4l2 : public ::testing::Test {
 protected:
  V4l2() {
    camera.formats = {
        {V4L2_PIX_FMT_MJPEG, "Motion-JPEG", {{640, 480, 30}, {16, 8, 30}, {1280, 720, 30}}},
        {V4L2_PIX_FMT_YUYV, "YUYV 4:2:2", {{640, 480, 30}, {16, 8, 30}, {1280, 720, 10}}}};
    camera.format.pixelformat = V4L2_PIX_FMT_MJPEG;
    camera.format.width = 640;
    camera.format.height = 480;
  }

  std::unique_ptr<Source> make(std::map<std::string, std::string> keys) {
    if (!keys.contains("card")) keys.emplace("device", camera.path);
    auto source = make_v4l2_on(camera, node("v4l2", keys));
    EXPECT_TRUE(source.ok()) << source.status().to_string();
    return std::move(*source);
  }

  // YUYV of one grey.
  std::vector<uint8_t> grey(uint8_t luma) const {
    std::vector<uint8_t> bytes(camera.format.sizeimage);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = i % 2 == 0 ? luma : 128;
    return bytes;
  }

  FakeCamera camera;
  Stopper stopper;
};

TEST_F(V4l2, GivesTheDriversPicturesWithTheDriversTime) {
  camera.padding = 32;
  const auto source = make({{"width", "16"}, {"height", "8"}, {"fps", "30"}});
  ASSERT_TRUE(source->open().ok());
  EXPECT_EQ(camera.fps, 30);
  const int64_t now = schedule::now_ns() / 1000 * 1000;
  ASSERT_TRUE(camera.give(grey(235), now - 5'000'000));
  Frame frame;
  ASSERT_TRUE(give(*source, stopper, frame));
  EXPECT_EQ(frame.picture.format, media::PixelFormat::kYuyv);
  EXPECT_EQ(frame.picture.width, 16);
  EXPECT_EQ(frame.picture.height, 8);
  EXPECT_EQ(frame.picture.strides[0], 64U);
  EXPECT_EQ(frame.capture_ns, now - 5'000'000);
  media::to_rgb(frame.picture, frame.image);
  EXPECT_EQ(frame.image.pixels[0], 255);
}

TEST_F(V4l2, BuffersComeBackWhenNobodyReadsThem) {
  const auto source = make({{"width", "16"}, {"height", "8"}, {"buffers", "4"}});
  ASSERT_TRUE(source->open().ok());
  std::array<Frame, 3> frames;
  for (uint8_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(camera.give(grey(static_cast<uint8_t>(100 + i)), 1));
    ASSERT_TRUE(give(*source, stopper, frames[i]));
  }
  EXPECT_NE(frames[0].lease, nullptr);
  EXPECT_NE(frames[1].lease, nullptr);
  EXPECT_EQ(frames[2].lease, nullptr) << "two stay with the driver, so this is a copy";
  EXPECT_EQ(camera.queued(), 2U);
  EXPECT_EQ(frames[0].picture.planes[0][0], 100);
  EXPECT_EQ(frames[1].picture.planes[0][0], 101);
  EXPECT_EQ(frames[2].picture.format, media::PixelFormat::kRgb);
  EXPECT_NEAR(frames[2].picture.planes[0][0], (102 - 16) * 255 / 219, 1);
  for (Frame& frame : frames) frame.lease = nullptr;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(camera.give(grey(200), 1)) << i;
    ASSERT_TRUE(give(*source, stopper, frames[0]));
    ASSERT_NE(frames[0].lease, nullptr);
  }
}

TEST_F(V4l2, AFrameOutlivesItsSource) {
  auto source = make({{"width", "16"}, {"height", "8"}});
  ASSERT_TRUE(source->open().ok());
  Frame frame;
  ASSERT_TRUE(camera.give(grey(77), 1));
  ASSERT_TRUE(give(*source, stopper, frame));
  ASSERT_TRUE(source->open().ok());
  EXPECT_EQ(camera.mapped(), 6);
  source.reset();
  EXPECT_EQ(camera.mapped(), 1);
  EXPECT_EQ(frame.picture.planes[0][0], 77);
  frame.lease = nullptr;
  EXPECT_EQ(camera.mapped(), 0);
}

TEST_F(V4l2, TakesTheFormatThatHasTheSizeAndTheRate) {
  const auto chosen = [&](std::map<std::string, std::string> keys) {
    const auto source = make(std::move(keys));
    const Status opened = source->open();
    EXPECT_TRUE(opened.ok()) << opened.to_string();
    return camera.format.pixelformat;
  };
  EXPECT_EQ(chosen({}), V4L2_PIX_FMT_YUYV) << "no size: as the camera has it";
  EXPECT_EQ(camera.format.width, 640U);
  EXPECT_EQ(chosen({{"width", "1280"}, {"height", "720"}}), V4L2_PIX_FMT_YUYV);
  EXPECT_EQ(chosen({{"width", "1280"}, {"height", "720"}, {"fps", "30"}}), V4L2_PIX_FMT_MJPEG);
  EXPECT_EQ(chosen({{"format", "mjpeg"}}), V4L2_PIX_FMT_MJPEG);
  camera.formats.push_back({V4L2_PIX_FMT_NV12, "NV12", {{640, 480, 60}}});
  EXPECT_EQ(chosen({{"width", "640"}, {"height", "480"}}), V4L2_PIX_FMT_NV12);
}

TEST_F(V4l2, WhatTheCameraDoesNotHaveIsAnErrorThatSaysWhatItHas) {
  const auto why = [&](std::map<std::string, std::string> keys) {
    return make(std::move(keys))->open().message();
  };
  EXPECT_EQ(why({{"format", "rgb"}}),
            "/dev/video2: the camera does not give 'rgb'; it has: MJPG, YUYV");
  EXPECT_THAT(why({{"width", "800"}, {"height", "600"}}), HasSubstr("the nearest are 640 x 480"));
  EXPECT_EQ(why({{"card", "Other"}}),
            "v4l2: there is no camera 'Other'; there is: 'Test Camera' at 'usb-1.2'");
  camera.formats = {{V4L2_PIX_FMT_SRGGB10, "10-bit Bayer RGRG/GBGB", {{640, 480, 30}}}};
  EXPECT_THAT(why({}), HasSubstr("raw Bayer patterns (RG10), which need an image signal"));
  camera.open_error = EACCES;
  EXPECT_THAT(why({}), HasSubstr("group 'video'"));
}

TEST_F(V4l2, FindsACameraByNameOrPlace) {
  for (const std::string name : {"Test Camera", "usb-1.2"}) {
    const auto source = make({{"card", name}});
    EXPECT_TRUE(source->open().ok());
  }
}

TEST_F(V4l2, DecodesJpeg) {
  const auto source = make({{"format", "mjpeg"}});
  ASSERT_TRUE(source->open().ok());
  media::Image red{16, 8, {}};
  for (int i = 0; i < 16 * 8; ++i) red.pixels.insert(red.pixels.end(), {200, 10, 10});
  const auto jpeg = media::encode_jpeg(red, 95);
  ASSERT_TRUE(jpeg.ok());
  const std::vector<uint8_t> half(jpeg->begin(), jpeg->begin() + 40);
  // Webcams leave out Huffman's tables: those of the standard are meant.
  std::vector<uint8_t> bare;
  for (size_t i = 2; bare.empty() && i + 4 < jpeg->size();) {
    const size_t length = size_t{(*jpeg)[i + 2]} * 256 + (*jpeg)[i + 3] + 2;
    if ((*jpeg)[i + 1] == 0xDA) break;
    i += length;
  }
  bare.assign(jpeg->begin(), jpeg->begin() + 2);
  for (size_t i = 2; i < jpeg->size();) {
    const uint8_t marker = (*jpeg)[i + 1];
    const size_t length = size_t{(*jpeg)[i + 2]} * 256 + (*jpeg)[i + 3] + 2;
    const auto from = jpeg->begin() + static_cast<ptrdiff_t>(i);
    const auto to = marker == 0xDA ? jpeg->end() : from + static_cast<ptrdiff_t>(length);
    if (marker != 0xC4) bare.insert(bare.end(), from, to);
    i = marker == 0xDA ? jpeg->size() : i + length;
  }
  ASSERT_LT(bare.size(), jpeg->size());
  ASSERT_TRUE(camera.give(half, 1));
  ASSERT_TRUE(camera.give(*jpeg, 1, V4L2_BUF_FLAG_ERROR));
  ASSERT_TRUE(camera.give(bare, 2000));
  Frame frame;
  ASSERT_TRUE(give(*source, stopper, frame));
  EXPECT_EQ(frame.capture_ns, 2000) << "the damaged ones are left out";
  EXPECT_EQ(frame.picture.width, 16);
  EXPECT_NEAR(frame.picture.planes[0][0], 200, 6);
  EXPECT_EQ(frame.lease, nullptr);
  EXPECT_EQ(camera.queued(), 5U);
}

TEST_F(V4l2, ShortPicturesAreLeftOut) {
  const auto source = make({{"width", "16"}, {"height", "8"}});
  ASSERT_TRUE(source->open().ok());
  auto bytes = grey(50);
  bytes.resize(bytes.size() / 2);
  ASSERT_TRUE(camera.give(bytes, 1));
  ASSERT_TRUE(camera.give(grey(60), 1));
  Frame frame;
  ASSERT_TRUE(give(*source, stopper, frame));
  EXPECT_EQ(frame.picture.planes[0][0], 60);
}

TEST_F(V4l2, SetsControlsThatOthersSwitchOn) {
  camera.controls = {
      {10, {"Exposure Time, Absolute", 1, 5000, 157, V4L2_CTRL_FLAG_INACTIVE}},
      {20, {"Auto Exposure", 0, 3, 3, 0}},
  };
  camera.on_control = [&](uint32_t id) {
    if (id == 20) camera.controls[10].flags = 0;
  };
  const auto opened = [&](std::map<std::string, std::string> keys) {
    return make(std::move(keys))->open().message();
  };
  EXPECT_THAT(opened({{"control.exposure_time_absolute", "100"}}),
              HasSubstr("'exposure_time_absolute' is switched off by another one"));
  EXPECT_THAT(opened({{"control.gain", "1"}}),
              HasSubstr("no control 'gain'; there is: auto_exposure, exposure_time_absolute"));
  EXPECT_THAT(opened({{"control.auto_exposure", "9"}}), HasSubstr("goes from 0 to 3"));
  EXPECT_EQ(opened({{"control.exposure_time_absolute", "100"}, {"control.auto_exposure", "1"}}),
            "");
  EXPECT_EQ(camera.controls[10].value, 100);
  EXPECT_EQ(camera.controls[20].value, 1);
}

TEST_F(V4l2, SurvivesToBeUnplugged) {
  const auto source = make({{"width", "16"}, {"height", "8"}});
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(source->open().ok());
    ASSERT_TRUE(camera.give(grey(60), 1));
    Frame frame;
    ASSERT_TRUE(give(*source, stopper, frame));
    camera.unplug();
    frame.lease = nullptr;
    EXPECT_THAT(failure_of(*source, stopper), HasSubstr("was it unplugged?"));
    EXPECT_THAT(source->open().message(), HasSubstr("No such file"));
    EXPECT_THAT(failure_of(*source, stopper), HasSubstr("not open"));
    camera.gone = false;
  }
}

TEST_F(V4l2, AWaitIsStopped) {
  const auto source = make({});
  ASSERT_TRUE(source->open().ok());
  std::thread other([&] { stopper.stop(); });
  Frame frame;
  const auto next = source->next(stopper, frame);
  other.join();
  ASSERT_TRUE(next.ok());
  EXPECT_FALSE(*next);
}

TEST_F(V4l2, MistakesAreNamedWhereTheyStand) {
  EXPECT_THAT(refusal(node("v4l2")), HasSubstr("p.yaml:3:5: 'v4l2' needs either 'device'"));
  EXPECT_THAT(refusal(node("v4l2", {{"device", "/dev/video0"}, {"format", "h264"}})),
              HasSubstr("p.yaml:4:7: 'format' must be one of auto, nv12"));
  EXPECT_THAT(refusal(node("v4l2", {{"device", "/dev/video0"}, {"control.gain", "much"}})),
              HasSubstr("p.yaml:4:7: 'control.gain' must be a whole number"));
}

}  // namespace
}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
//
// What the source `libcamera` makes of what cameras say, without one.
#include <gmock/gmock.h>
#include <libcamera/control_ids.h>
#include <libcamera/formats.h>

#include <numeric>

#include "daemon/pipeline/sources/libcamera_controls.h"
#include "daemon/pipeline/sources/libcamera_format.h"
#include "tests/unit/pipeline/source_of.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;
namespace controls = libcamera::controls;
namespace formats = libcamera::formats;

TEST(Libcamera, SaysThatThereIsNoCamera) {
  const auto source = source_of(node("libcamera", {{"camera", "no-such-camera"}}));
  // Again and again, as the runtime does.
  for (int round = 0; round < 3; ++round) {
    const Status opened = source->open();
    EXPECT_EQ(opened.code(), StatusCode::kNotFound);
    if (std::filesystem::exists("/dev/media0")) {
      EXPECT_THAT(opened.message(), HasSubstr("no-such-camera"));
    } else {
      EXPECT_THAT(opened.message(), HasSubstr("libcamera: libcamera finds no camera; is it "
                                              "connected, is libcamera-ipa installed"));
    }
  }
}

TEST(Libcamera, ChecksItsKeys) {
  EXPECT_THAT(refusal(node("libcamera", {{"format", "raw"}})),
              HasSubstr("p.yaml:4:7: 'format' must be one of auto, nv12, nv21, i420, yuyv, uyvy, "
                        "rgb, bgr, bgrx, rgbx, mjpeg, grey"));
  EXPECT_THAT(refusal(node("libcamera", {{"buffers", "2"}})), HasSubstr("from 3 to 32"));
  EXPECT_THAT(refusal(node("libcamera", {{"device", "/dev/video0"}})), HasSubstr("no key"));
  EXPECT_THAT(refusal(node("libcamera", {{"fps", "30"}, {"control.FrameDurationLimits", "1"}})),
              HasSubstr("are the same; leave out one"));
}

class LibcameraControls : public ::testing::Test {
 protected:
  static std::string refused(const std::string& name, const std::vector<std::string>& values) {
    libcamera::ControlList to(known());
    return set_libcamera_controls(known(), {{name, values}}, to).message();
  }

  static const libcamera::ControlInfoMap& known() {
    static const libcamera::ControlInfoMap known(
        {{&controls::Brightness, libcamera::ControlInfo(-1.F, 1.F)},
         {&controls::AeEnable, libcamera::ControlInfo(false, true)},
         {&controls::ExposureTime, libcamera::ControlInfo(100, 66'666)},
         {&controls::AwbMode, libcamera::ControlInfo(controls::AwbModeValues)},
         {&controls::ColourGains, libcamera::ControlInfo(0.F, 32.F)},
         {&controls::ScalerCrop,
          libcamera::ControlInfo(libcamera::Rectangle(), libcamera::Rectangle(0, 0, 640, 480))},
         {&controls::FrameDurationLimits,
          libcamera::ControlInfo(int64_t{33'333}, int64_t{200'000})}},
        controls::controls);
    return known;
  }
};

TEST_F(LibcameraControls, AreSetByNameAndType) {
  libcamera::ControlList to(known());
  const Status status = set_libcamera_controls(known(),
                                               {{"Brightness", {"-0.5"}},
                                                {"AeEnable", {"false"}},
                                                {"ExposureTime", {"20000"}},
                                                {"AwbMode", {"4"}},
                                                {"ColourGains", {"1.5", "2"}},
                                                {"ScalerCrop", {"10", "20", "320", "240"}},
                                                {"FrameDurationLimits", {"40000", "50000"}}},
                                               to);
  ASSERT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(to.size(), 7U);
  EXPECT_EQ(to.get(controls::Brightness), -0.5F);
  EXPECT_EQ(to.get(controls::AeEnable), false);
  EXPECT_EQ(to.get(controls::ExposureTime), 20'000);
  EXPECT_EQ(to.get(controls::AwbMode), 4);
  EXPECT_EQ((*to.get(controls::ColourGains))[1], 2.F);
  EXPECT_EQ(to.get(controls::ScalerCrop), libcamera::Rectangle(10, 20, 320, 240));
  EXPECT_EQ((*to.get(controls::FrameDurationLimits))[0], 40'000);
}

TEST_F(LibcameraControls, AreRefusedWithWhatThereIs) {
  EXPECT_EQ(refused("Exposure", {"1"}),
            "there is no control 'Exposure'; there is: AeEnable, AwbMode, Brightness, ColourGains, "
            "ExposureTime, FrameDurationLimits, ScalerCrop");
  EXPECT_EQ(refused("ExposureTime", {"99"}), "control 'ExposureTime' goes from 100 to 66666");
  EXPECT_EQ(refused("ExposureTime", {"100.5"}),
            "control 'ExposureTime' is a whole number, from 100 to 66666, not '100.5'");
  EXPECT_THAT(refused("ExposureTime", {"99999999999"}), HasSubstr("is a whole number"));
  EXPECT_THAT(refused("AeEnable", {"1"}), HasSubstr("is true or false"));
  EXPECT_THAT(refused("Brightness", {"nan"}), HasSubstr("is a number"));
  EXPECT_THAT(refused("Brightness", {"0", "0"}), HasSubstr("has 1 value, not 2"));
  EXPECT_THAT(refused("Brightness", {}), HasSubstr("has 1 value, not 0"));
  EXPECT_THAT(refused("AwbMode", {"77"}), HasSubstr("control 'AwbMode' goes from "));
  EXPECT_THAT(refused("ColourGains", {"1"}), HasSubstr("has 2 values, not 1"));
  EXPECT_THAT(refused("ColourGains", {"1", "33"}), HasSubstr("goes from 0.000000 to 32.000000"));
  EXPECT_THAT(refused("ScalerCrop", {"1", "2", "-3", "4"}), HasSubstr("x, y, width and height"));
  EXPECT_THAT(refused("ScalerCrop", {"1", "2", "3"}), HasSubstr("x, y, width and height"));
}

TEST_F(LibcameraControls, TheRateIsALengthOfFrames) {
  libcamera::ControlList to(known());
  ASSERT_TRUE(set_libcamera_rate(known(), 25, to).ok());
  EXPECT_EQ((*to.get(controls::FrameDurationLimits))[0], 40'000);
  EXPECT_EQ((*to.get(controls::FrameDurationLimits))[1], 40'000);
  ASSERT_TRUE(set_libcamera_rate(known(), 30.1, to).ok());
  EXPECT_EQ((*to.get(controls::FrameDurationLimits))[0], 33'333) << "30 will do for 30.1";
  EXPECT_EQ(set_libcamera_rate(known(), 60, to).message(),
            "it gives a picture each 33333 to 200000 us, not 16667; change 'fps', or 'width' and "
            "'height'");
  EXPECT_THAT(set_libcamera_rate({}, 25, to).message(), HasSubstr("leave out 'fps'"));
}

class LibcameraPicture : public ::testing::Test {
 protected:
  static libcamera::StreamConfiguration stream(const libcamera::PixelFormat& format,
                                               unsigned stride) {
    libcamera::StreamConfiguration stream;
    stream.pixelFormat = format;
    stream.size = {4, 2};
    stream.stride = stride;
    return stream;
  }
  std::span<const uint8_t> bytes(size_t begin, size_t count) const {
    return std::span(memory_).subspan(begin, count);
  }
  Result<media::Picture> read(const libcamera::StreamConfiguration& stream,
                              std::vector<std::span<const uint8_t>> planes) const {
    return libcamera_picture(stream, planes);
  }

  std::vector<uint8_t> memory_ = std::vector<uint8_t>(64);
};

TEST_F(LibcameraPicture, HasPlanesWhereTheCameraPutThem) {
  const auto nv12 = *read(stream(formats::NV12, 8), {bytes(32, 16), bytes(0, 8)});
  EXPECT_EQ(nv12.format, media::PixelFormat::kNv12);
  EXPECT_EQ(nv12.planes[0], memory_.data() + 32);
  EXPECT_EQ(nv12.planes[1], memory_.data());
  EXPECT_EQ(nv12.strides[1], 8U);
  const auto i420 = *read(stream(formats::YUV420, 8), {bytes(0, 12), bytes(16, 2), bytes(20, 4)});
  EXPECT_EQ(i420.planes[2], memory_.data() + 20);
  EXPECT_EQ(i420.strides[2], 4U);
  const auto together = *read(stream(formats::YUV420, 8), {bytes(0, 24)});
  EXPECT_EQ(together.planes[1], memory_.data() + 16);
  EXPECT_EQ(together.planes[2], memory_.data() + 20);
  // The names are from the last byte of a pixel to the first.
  EXPECT_EQ(read(stream(formats::BGR888, 12), {bytes(0, 24)})->format, media::PixelFormat::kRgb);
  EXPECT_EQ(read(stream(formats::XRGB8888, 0), {bytes(0, 32)})->format, media::PixelFormat::kBgrx);
}

TEST_F(LibcameraPicture, DoesNotReadBehindWhatTheCameraGave) {
  EXPECT_EQ(read(stream(formats::NV12, 8), {bytes(0, 11), bytes(16, 8)}).status().code(),
            StatusCode::kDataLoss);
  EXPECT_FALSE(read(stream(formats::NV12, 8), {bytes(0, 16), bytes(16, 3)}).ok());
  EXPECT_FALSE(read(stream(formats::NV12, 2), {bytes(0, 16), bytes(16, 8)}).ok());
  EXPECT_FALSE(read(stream(formats::NV12, 8), {bytes(0, 19)}).ok());
  EXPECT_FALSE(read(stream(formats::NV12, 8), {bytes(0, 16), bytes(0, 8), bytes(0, 8)}).ok());
  EXPECT_FALSE(read(stream(formats::BGR888, 12), {bytes(0, 23)}).ok());
  EXPECT_FALSE(read(stream(formats::BGR888, 12), {bytes(0, 12), bytes(12, 12)}).ok());
  EXPECT_FALSE(read(stream(formats::SRGGB10, 8), {bytes(0, 16)}).ok());
}

TEST(LibcameraTime, IsOfTheClockThatTheDriverUses) {
  constexpr int64_t kSlept = 5'000, kNow = 100'000;
  EXPECT_EQ(sensor_ns(99'000, kNow, kNow + kSlept), 99'000) << "CLOCK_MONOTONIC";
  EXPECT_EQ(sensor_ns(104'000, kNow, kNow + kSlept), 99'000) << "CLOCK_BOOTTIME";
  EXPECT_EQ(sensor_ns(99'000, kNow, kNow), 99'000) << "never slept";
  EXPECT_EQ(sensor_ns(200'000, kNow, kNow + kSlept), kNow) << "no clock of ours";
  EXPECT_EQ(sensor_ns(0, kNow, kNow + kSlept), kNow) << "not said";
}

}  // namespace
}  // namespace inferd::pipeline

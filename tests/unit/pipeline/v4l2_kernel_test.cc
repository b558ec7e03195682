// SPDX-License-Identifier: Apache-2.0
//
// The source `v4l2` on the kernel's own test camera, vivid.
#include <gmock/gmock.h>

#include <array>

#include "tests/unit/pipeline/kernel_device.h"
#include "tests/unit/pipeline/other_side.h"
#include "tests/unit/pipeline/source_of.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

constexpr char kMissing[] =
    "NO CAMERA OF THE KERNEL'S vivid: THE SOURCE v4l2 IS NOT TESTED WITH ONE";

// Its path; empty: there is none.
std::string vivid() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/video4linux", error)) {
    const std::string name = told_by_kernel(entry.path() / "name");
    const std::string device = "/dev/" + entry.path().filename().string();
    if (name.find("vivid") != std::string::npos && name.find("vid-cap") != std::string::npos &&
        std::filesystem::exists(device))
      return device;
  }
  return "";
}

// Bars in full colours without text on them.
config::NodeConfig bars(const std::string& device, const std::string& format) {
  return node("v4l2", {{"device", device},
                       {"width", "640"},
                       {"height", "360"},
                       {"format", format},
                       {"control.test_pattern", "1"},
                       {"control.osd_text_mode", "2"}});
}

void expect_bars(const media::Picture& picture, bool grey) {
  constexpr std::array<std::array<int, 3>, 8> kBars = {{{255, 255, 255},
                                                        {255, 255, 0},
                                                        {0, 255, 255},
                                                        {0, 255, 0},
                                                        {255, 0, 255},
                                                        {255, 0, 0},
                                                        {0, 0, 255},
                                                        {0, 0, 0}}};
  media::Image image;
  media::to_rgb(picture, image);
  ASSERT_EQ(image.width, 640);
  ASSERT_EQ(image.height, 360);
  for (size_t bar = 0; bar < kBars.size(); ++bar) {
    const auto& [red, green, blue] = kBars[bar];
    const int luma = (2126 * red + 7152 * green + 722 * blue) / 10'000;  // as vivid makes it
    for (const int y : {1, image.height / 2, image.height - 2}) {
      const uint8_t* pixel = image.row(y) + (2 * bar + 1) * 40 * 3;
      for (size_t c = 0; c < 3; ++c) {
        EXPECT_NEAR(pixel[c], grey ? luma : kBars[bar][c], 6)
            << "bar " << bar << ", channel " << c << ", row " << y;
      }
    }
  }
}

TEST(V4l2Kernel, GivesPicturesOfVivid) {
  const std::string device = vivid();
  if (device.empty()) INFERD_WITHOUT_DEVICE(kMissing);
  const auto source = source_of(node("v4l2", {{"device", device}}));
  Stopper stopper;
  for (int round = 0; round < 2; ++round) {
    const Status opened = source->open();
    ASSERT_TRUE(opened.ok()) << opened.to_string();
    Frame frame;
    int64_t last = 0;
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(give(*source, stopper, frame));
      EXPECT_GT(frame.capture_ns, last);
      last = frame.capture_ns;
    }
  }
}

TEST(V4l2Kernel, ShowsTheSameColoursInEachFormat) {
  const std::string device = vivid();
  if (device.empty()) INFERD_WITHOUT_DEVICE(kMissing);
  for (const std::string format :
       {"nv12", "nv21", "i420", "yuyv", "uyvy", "rgb", "bgr", "bgrx", "rgbx", "grey"}) {
    SCOPED_TRACE(format);
    const auto source = source_of(bars(device, format));
    const Status opened = source->open();
    ASSERT_TRUE(opened.ok()) << opened.to_string();
    Stopper stopper;
    Frame frame;
    ASSERT_TRUE(give(*source, stopper, frame));
    EXPECT_EQ(media::pixel_format_name(frame.picture.format), format);
    EXPECT_NE(frame.lease, nullptr);
    expect_bars(frame.picture, format == "grey");
  }
  EXPECT_THAT(source_of(bars(device, "mjpeg"))->open().message(),
              HasSubstr("does not give 'mjpeg'; it has: "));
}

TEST(V4l2Kernel, EndsWhenItIsUnpluggedAndComesBack) {
  const std::string device = vivid();
  if (device.empty()) INFERD_WITHOUT_DEVICE(kMissing);
  const auto source = source_of(bars(device, "yuyv"));
  ASSERT_TRUE(source->open().ok());
  Stopper stopper;
  Frame held;
  ASSERT_TRUE(give(*source, stopper, held));
  ASSERT_TRUE(unplug("vivid", "vivid.0"));
  EXPECT_THAT(failure_of(*source, stopper), HasSubstr(device + " gives no picture"));
  expect_bars(held.picture, false);
  EXPECT_THAT(source->open().message(), HasSubstr(device));
  ASSERT_TRUE(plug_in("vivid", "vivid.0"));
  ASSERT_TRUE(becomes_true([&] { return !vivid().empty(); }));
  const auto again = source_of(bars(vivid(), "yuyv"));
  const Status opened = again->open();
  ASSERT_TRUE(opened.ok()) << opened.to_string();
  Frame frame;
  ASSERT_TRUE(give(*again, stopper, frame));
  expect_bars(frame.picture, false);
}

}  // namespace
}  // namespace inferd::pipeline

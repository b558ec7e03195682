// SPDX-License-Identifier: Apache-2.0
//
// The source `libcamera` on the kernel's simulated camera, vimc.
#include <gmock/gmock.h>

#include <cstdlib>
#include <numeric>

#include "daemon/pipeline/feed.h"
#include "tests/unit/pipeline/kernel_device.h"
#include "tests/unit/pipeline/other_side.h"
#include "tests/unit/pipeline/source_of.h"

namespace inferd::pipeline {
namespace {

using ::testing::HasSubstr;

class LibcameraKernel : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists("/sys/bus/platform/drivers/vimc/vimc.0"))
      INFERD_WITHOUT_DEVICE("NO vimc IN THIS KERNEL: THE SOURCE libcamera IS NOT TESTED WITH ONE");
  }

  // Small, as emulated machines are slow.
  static config::NodeConfig camera(std::map<std::string, std::string> keys = {}) {
    keys.emplace("camera", kId);
    keys.emplace("width", "96");
    keys.emplace("height", "48");
    return node("libcamera", keys);
  }
  static std::string refused(std::map<std::string, std::string> keys) {
    return source_of(camera(std::move(keys)))->open().message();
  }
  static std::vector<uint8_t> pixels_of(const Frame& frame) {
    media::Image image;
    media::to_rgb(frame.picture, image);
    return image.pixels;
  }
  static double mean_of(const Frame& frame) {
    const auto pixels = pixels_of(frame);
    return std::accumulate(pixels.begin(), pixels.end(), 0.0) / static_cast<double>(pixels.size());
  }

  static constexpr char kId[] = "platform/vimc.0 Sensor B";
  Stopper stopper_;
};

TEST_F(LibcameraKernel, GivesPicturesAgainAndAgain) {
  const auto source = source_of(camera());
  EXPECT_TRUE(source->live());
  ptrdiff_t files = 0;
  for (int round = 0; round < 4; ++round) {
    const int64_t before = schedule::now_ns();
    const Status opened = source->open();
    ASSERT_TRUE(opened.ok()) << opened.to_string();
    Frame frame;
    int64_t last = before;
    for (int i = 0; i < 6; ++i) {
      ASSERT_TRUE(give(*source, stopper_, frame));
      EXPECT_EQ(frame.picture.width, 96);
      EXPECT_EQ(frame.picture.height, 48);
      EXPECT_NE(frame.lease, nullptr) << "a picture was copied";
      EXPECT_GT(frame.capture_ns, last);
      EXPECT_LE(frame.capture_ns, schedule::now_ns());
      last = frame.capture_ns;
    }
    frame.lease = nullptr;
    source->close();
    if (round == 1) files = pipeline::open_files();
    if (round > 1) {
      EXPECT_EQ(pipeline::open_files(), files);
    }
  }
}

TEST_F(LibcameraKernel, ShowsTheSameColoursInEachFormat) {
  std::vector<uint8_t> rgb;
  for (const std::string format : {"rgb", "bgr"}) {
    const auto source = source_of(camera({{"format", format}, {"camera", "0"}}));
    const Status opened = source->open();
    ASSERT_TRUE(opened.ok()) << opened.to_string();
    Frame frame;
    ASSERT_TRUE(give(*source, stopper_, frame));
    EXPECT_EQ(media::pixel_format_name(frame.picture.format), format);
    const auto pixels = pixels_of(frame);
    if (rgb.empty()) rgb = pixels;
    // Bars of white, yellow, cyan and so on, through a debayer and a scaler.
    const uint8_t* yellow = pixels.data() + static_cast<ptrdiff_t>((40 * 96 + 18) * 3);
    EXPECT_GT(yellow[0], yellow[2] + 100) << format;
    EXPECT_GT(yellow[1], yellow[2] + 100) << format;
    const uint8_t* cyan = yellow + 12 * 3;
    EXPECT_GT(cyan[2], cyan[0] + 100) << format;
    for (size_t i = static_cast<size_t>(40 * 96 * 3); i < pixels.size(); ++i)
      ASSERT_NEAR(pixels[i], rgb[i], 2) << format << " at " << i;
  }
}

TEST_F(LibcameraKernel, SetsControls) {
  std::map<std::string, double> means;
  for (const std::string brightness : {"-1", "0", "0.9"}) {
    const auto source = source_of(camera({{"control.Brightness", brightness}}));
    const Status opened = source->open();
    ASSERT_TRUE(opened.ok()) << opened.to_string();
    Frame frame;
    // The first pictures may have been taken before.
    for (int i = 0; i < 6; ++i) ASSERT_TRUE(give(*source, stopper_, frame));
    means[brightness] = mean_of(frame);
  }
  EXPECT_LT(means["-1"] + 20, means["0"]);
  EXPECT_LT(means["0"] + 20, means["0.9"]);
}

TEST_F(LibcameraKernel, SaysWhatTheCameraHas) {
  EXPECT_THAT(refused({{"format", "nv12"}}),
              HasSubstr("camera 'platform/vimc.0 Sensor B': the camera does not give 'nv12'; it "
                        "has: "));
  EXPECT_THAT(refused({{"format", "nv12"}}), HasSubstr("BGR888 (rgb)"));
  EXPECT_THAT(refused({{"width", "100"}}),
              HasSubstr("has no pictures of 100 x 48 as rgb; the nearest are 96 x 48"));
  EXPECT_THAT(refused({{"fps", "10"}}), HasSubstr("it takes no rate; leave out 'fps'"));
  EXPECT_THAT(refused({{"control.Gain", "1"}}),
              HasSubstr("there is no control 'Gain'; there is: Brightness, Contrast, Saturation"));
  EXPECT_THAT(refused({{"control.Contrast", "2.5"}}),
              HasSubstr("control 'Contrast' goes from 0.000000 to 2.000000"));
  EXPECT_THAT(refused({{"camera", "imx708"}}),
              HasSubstr("there is no camera 'imx708'; there is 0: 'platform/vimc.0 Sensor B' "
                        "(Sensor B)"));
  EXPECT_EQ(refused({{"camera", "Sensor B"}}), "");
}

TEST_F(LibcameraKernel, LeavesPicturesAloneThatSomebodyReads) {
  const auto source = source_of(camera());
  ASSERT_TRUE(source->open().ok());
  std::array<Frame, 8> held;
  std::vector<std::vector<uint8_t>> seen;
  size_t lent = 0;
  for (Frame& frame : held) {
    ASSERT_TRUE(give(*source, stopper_, frame));
    seen.push_back(pixels_of(frame));
    lent += frame.lease != nullptr ? 1 : 0;
  }
  EXPECT_GE(lent, 1U);
  EXPECT_LT(lent, held.size()) << "the camera has to keep some";
  EXPECT_EQ(held.back().lease, nullptr) << "a copy";
  for (size_t i = 0; i < held.size(); ++i) EXPECT_EQ(pixels_of(held[i]), seen[i]) << i;
  for (Frame& frame : held) frame.lease = nullptr;
  Frame frame;
  ASSERT_TRUE(give(*source, stopper_, frame));
  EXPECT_NE(frame.lease, nullptr) << "buffers that were given back are lent again";
  const auto pixels = pixels_of(frame);
  source->close();
  EXPECT_EQ(pixels_of(frame), pixels) << "who reads a picture keeps it when the camera is closed";
}

class Counter final : public Feed::Consumer {
 public:
  void take(const Ref<SharedFrame>& frame) override { last = frame->sequence; }
  void end(const Status&) override {}
  std::atomic<uint64_t> last{0};
};

TEST_F(LibcameraKernel, ServesSeveralPipelines) {
  Feeds feeds;
  const auto feed = *feeds.find(camera());
  ASSERT_EQ(*feeds.find(camera()), feed);
  std::array<Counter, 2> counters;
  for (Counter& counter : counters) feed->add(&counter);
  EXPECT_TRUE(becomes_true([&] { return counters[0].last > 3 && counters[1].last > 3; }))
      << feed->status().reason;
  const uint64_t before = counters[0].last;
  EXPECT_THAT(refused({{"width", "192"}}),
              HasSubstr("another program, or a pipeline with other keys, uses the camera"));
  EXPECT_TRUE(becomes_true([&] { return counters[0].last > before + 10; }));
  EXPECT_EQ(feed->status().failures, 0U) << feed->status().reason;
  for (Counter& counter : counters) feed->remove(&counter);
  EXPECT_EQ(refused({{"width", "192"}}), "");
}

// Not while it is in use: libcamera ends the process when a camera is gone that is none of USB.
TEST_F(LibcameraKernel, IsFoundWhenItIsPluggedIn) {
  const auto source = source_of(camera());
  ASSERT_TRUE(source->open().ok());
  source->close();
  ASSERT_TRUE(unplug("vimc", "vimc.0"));
  EXPECT_THAT(source->open().message(), HasSubstr("libcamera finds no camera"));
  ASSERT_TRUE(plug_in("vimc", "vimc.0"));
  // What udev has not told yet libcamera might find twice.
  ASSERT_EQ(std::system("udevadm settle"), 0);
  const Status opened = source->open();
  ASSERT_TRUE(opened.ok()) << opened.to_string();
  Frame frame;
  EXPECT_TRUE(give(*source, stopper_, frame));
}

}  // namespace
}  // namespace inferd::pipeline

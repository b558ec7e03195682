// SPDX-License-Identifier: Apache-2.0
//
// Cameras as drivers list them, what is asked of them, and the file that comes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "clients/inferctl/setup/camera_file.h"
#include "clients/inferctl/setup/detector.h"
#include "clients/inferctl/setup/setup_camera.h"
#include "clients/inferctl/setup/video_devices.h"
#include "tests/unit/temporary_folder.h"

namespace inferd::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Size {
  uint32_t width = 0, height = 0;
  std::vector<uint32_t> rates;  // pictures a second
};

// What a driver lists, as v4l2-ctl --list-formats-ext shows it.
struct Device {
  std::string driver = {}, card = {};
  uint32_t can = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
  std::vector<std::pair<uint32_t, std::vector<Size>>> formats = {};  // by preference of the driver
  v4l2_frmsize_stepwise steps = {};                                  // instead of all sizes
  int failure = 0;                                                   // of open()
};

template <size_t n>
void copy(const std::string& text, uint8_t (&bytes)[n]) {
  std::memcpy(bytes, text.data(), std::min(text.size(), n - 1));
}

class Drivers final : public VideoCalls {
 public:
  explicit Drivers(std::map<std::string, Device> devices) : devices_(std::move(devices)) {}
  ~Drivers() override { EXPECT_EQ(open_, 0) << "devices were left open"; }

  int open(const std::string& path) override {
    const auto device = devices_.find(std::filesystem::path(path).filename());
    errno = device == devices_.end() ? ENXIO : device->second.failure;
    if (errno != 0) return -1;
    now_ = &device->second;
    return ++open_;
  }
  void close(int) override { --open_; }
  int ioctl(int, unsigned long request, void* argument) override {
    const bool done = request == VIDIOC_QUERYCAP   ? capability(argument)
                      : request == VIDIOC_ENUM_FMT ? format(argument)
                      : request == VIDIOC_ENUM_FRAMESIZES
                          ? size(argument)
                          : request == VIDIOC_ENUM_FRAMEINTERVALS && interval(argument);
    errno = EINVAL;
    return done ? 0 : -1;
  }

 private:
  bool capability(void* argument) {
    auto& answer = *static_cast<v4l2_capability*>(argument);
    copy(now_->driver, answer.driver);
    copy(now_->card, answer.card);
    answer.capabilities = now_->can | V4L2_CAP_DEVICE_CAPS;
    answer.device_caps = now_->can;
    return true;
  }
  bool format(void* argument) {
    auto& answer = *static_cast<v4l2_fmtdesc*>(argument);
    if (answer.index >= now_->formats.size()) return false;
    answer.pixelformat = now_->formats[answer.index].first;
    return true;
  }
  const std::vector<Size>* sizes_of(uint32_t fourcc) {
    for (const auto& [own, sizes] : now_->formats) {
      if (own == fourcc) return &sizes;
    }
    return nullptr;
  }
  bool size(void* argument) {
    auto& answer = *static_cast<v4l2_frmsizeenum*>(argument);
    if (now_->steps.max_width > 0) {
      answer.type = V4L2_FRMSIZE_TYPE_STEPWISE;
      answer.stepwise = now_->steps;
      return answer.index == 0;
    }
    const auto* sizes = sizes_of(answer.pixel_format);
    if (sizes == nullptr || answer.index >= sizes->size()) return false;
    answer.type = V4L2_FRMSIZE_TYPE_DISCRETE;
    answer.discrete = {(*sizes)[answer.index].width, (*sizes)[answer.index].height};
    return true;
  }
  bool interval(void* argument) {
    auto& answer = *static_cast<v4l2_frmivalenum*>(argument);
    for (const Size& size : *sizes_of(answer.pixel_format)) {
      if (size.width != answer.width || size.height != answer.height) continue;
      if (answer.index >= size.rates.size()) return false;
      answer.type = V4L2_FRMIVAL_TYPE_DISCRETE;
      answer.discrete = {1, size.rates[answer.index]};
      return true;
    }
    return false;
  }

  std::map<std::string, Device> devices_;
  const Device* now_ = nullptr;
  int open_ = 0;
};

// A webcam that has large pictures in full speed as JPEG only.
Device webcam() {
  return {.driver = "uvcvideo",
          .card = "HD Webcam C270",
          .formats = {
              {V4L2_PIX_FMT_MJPEG, {{640, 480, {30, 15}}, {1280, 720, {30}}}},
              {V4L2_PIX_FMT_YUYV, {{160, 120, {30}}, {640, 480, {30, 15}}, {1280, 720, {10, 5}}}}}};
}

class SetupTest : public ::testing::Test {
 protected:
  SetupTest() { std::filesystem::create_directories(folder_.path() + "/dev"); }
  std::vector<Camera> list(std::map<std::string, Device> devices) {
    for (const auto& [name, device] : devices) std::ofstream(folder_.path() + "/dev/" + name);
    Drivers drivers(std::move(devices));
    return list_video_devices(drivers, folder_.path());
  }
  void link(const std::string& path, const std::string& device) {
    const std::filesystem::path whole = folder_.path() + path;
    std::filesystem::create_directories(whole.parent_path());
    std::filesystem::create_symlink("../../" + device, whole);
  }

  const TemporaryFolder folder_;
};

TEST_F(SetupTest, ListsAWebcam) {
  link("/dev/v4l/by-path/pci-usb-0:4:1.0-video-index0", "video2");
  link("/dev/v4l/by-id/usb-046d_C270-video-index0", "video2");
  Device metadata = webcam();
  metadata.can = V4L2_CAP_META_CAPTURE | V4L2_CAP_STREAMING;
  const auto cameras = list({{"video2", webcam()}, {"video3", metadata}});
  ASSERT_EQ(cameras.size(), 1U);
  const Camera& camera = cameras.front();
  EXPECT_EQ(camera.source, "v4l2");
  EXPECT_EQ(camera.id, "/dev/v4l/by-id/usb-046d_C270-video-index0");
  EXPECT_EQ(camera.device, "/dev/video2");
  EXPECT_EQ(camera.name, "HD Webcam C270");
  EXPECT_EQ(camera.trouble, "");
  std::vector<std::string> modes;
  for (const CameraMode& mode : camera.modes) {
    modes.push_back(mode.format + " " + std::to_string(mode.width) + "x" +
                    std::to_string(mode.height) + " " + std::to_string(std::lround(mode.fps)));
  }
  EXPECT_THAT(modes, ElementsAre("yuyv 160x120 30", "yuyv 640x480 30", "yuyv 1280x720 10",
                                 "mjpeg 640x480 30", "mjpeg 1280x720 30"));
}

TEST_F(SetupTest, TellsCamerasFromOtherDevices) {
  const Device codec{.driver = "bcm2835-codec",
                     .card = "bcm2835-codec-decode",
                     .can = V4L2_CAP_VIDEO_M2M_MPLANE | V4L2_CAP_STREAMING};
  const Device processor{
      .driver = "bcm2835-isp", .card = "bcm2835-isp", .formats = {{V4L2_PIX_FMT_YUYV, {}}}};
  const Device sensor{.driver = "unicam",
                      .card = "unicam",
                      .formats = {{V4L2_PIX_FMT_SRGGB10P, {{1640, 1232, {}}}}}};
  const Device front{.driver = "rp1-cfe",
                     .card = "rp1-cfe",
                     .can = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_IO_MC};
  const Device planes{
      .driver = "imx", .card = "imx", .can = V4L2_CAP_VIDEO_CAPTURE_MPLANE | V4L2_CAP_STREAMING};
  const Device closed{.card = "closed", .failure = EACCES};
  const Device gone{.card = "gone", .failure = ENODEV};
  const auto cameras = list({{"video0", sensor},
                             {"video1", front},
                             {"video2", planes},
                             {"video3", closed},
                             {"video4", gone},
                             {"video10", codec},
                             {"video13", processor},
                             {"videocore", codec}});
  std::map<std::string, std::string> troubles;
  for (const Camera& camera : cameras) troubles[camera.id] = camera.trouble;
  ASSERT_EQ(troubles.size(), 4U);
  EXPECT_THAT(troubles["/dev/video0"], HasSubstr("libcamera may make pictures"));
  EXPECT_THAT(troubles["/dev/video1"], HasSubstr("must be set up first"));
  EXPECT_THAT(troubles["/dev/video2"], HasSubstr("several planes"));
  EXPECT_THAT(troubles["/dev/video3"], HasSubstr("usermod -aG video"));
}

TEST_F(SetupTest, ListsSizesOfDriversThatScale) {
  Device device{.driver = "vivid", .card = "vivid", .formats = {{V4L2_PIX_FMT_YUYV, {}}}};
  device.steps = {.min_width = 2,
                  .max_width = 800,
                  .step_width = 2,
                  .min_height = 1,
                  .max_height = 600,
                  .step_height = 1};
  const auto cameras = list({{"video0", device}});
  ASSERT_EQ(cameras.size(), 1U);
  std::vector<int> widths;
  for (const CameraMode& mode : cameras[0].modes) widths.push_back(mode.width);
  EXPECT_THAT(widths, ElementsAre(320, 640, 640, 800));
}

TEST_F(SetupTest, ChoosesWhatSuitsADetector) {
  const Camera camera = list({{"video0", webcam()}}).front();
  auto mode = choose_mode(camera, {});
  ASSERT_TRUE(mode.ok());
  EXPECT_EQ(mode->format, "yuyv");
  EXPECT_EQ(mode->width, 640);
  EXPECT_EQ(mode->fps, 30);
  // Uncompressed it would be too slow.
  mode = choose_mode(camera, *read_size("1280x720"));
  ASSERT_TRUE(mode.ok());
  EXPECT_EQ(mode->format, "mjpeg");
  EXPECT_THAT(choose_mode(camera, {.width = 800, .height = 600}).status().message(),
              HasSubstr("has no pictures of 800x600; it has 160x120, 640x480, 1280x720"));
  EXPECT_THAT(choose_mode(camera, {.fps = 60}).status().message(), HasSubstr("gives no 60"));
  // A camera that is slow throughout is better than none.
  Camera slow{.source = "v4l2",
              .id = "a",
              .name = "a",
              .modes = {{"yuyv", 1920, 1080, 5}, {"yuyv", 800, 600, 10}}};
  EXPECT_EQ(choose_mode(slow, {})->width, 800);
  slow.modes = {{"nv12", 0, 0, 0}};
  EXPECT_EQ(choose_mode(slow, {.width = 320, .height = 240})->width, 320);
  EXPECT_EQ(choose_mode(slow, {})->width, 0);
  for (const char* wrong : {"", "640", "640x", "x480", "640x480x3", "0x480", "-1x2", "99999x2"})
    EXPECT_FALSE(read_size(wrong).ok()) << wrong;
}

TEST_F(SetupTest, FindsCamerasByName) {
  const std::vector<Camera> cameras = {{"v4l2", "/dev/v4l/a", "Cam", "/dev/video0", {}},
                                       {"v4l2", "/dev/v4l/b", "Cam", "/dev/video2", {}},
                                       {"libcamera", "/base/imx219", "imx219", "", {}}};
  EXPECT_EQ(find_camera(cameras, "/dev/v4l/b")->device, "/dev/video2");
  EXPECT_EQ(find_camera(cameras, "/dev/video0")->id, "/dev/v4l/a");
  EXPECT_EQ(find_camera(cameras, "imx219")->source, "libcamera");
  EXPECT_THAT(find_camera(cameras, "Cam").status().message(), HasSubstr("several cameras 'Cam'"));
  EXPECT_THAT(find_camera(cameras, "none").status().message(),
              HasSubstr("there is '/dev/v4l/a' (Cam), "));
  EXPECT_THAT(find_camera({}, "").status().message(), HasSubstr("there is none"));
}

TEST_F(SetupTest, TakesCamerasOfLibcameraOnce) {
  const std::vector<CameraInfo> told = {
      {"libcamera", "/base/soc/i2c0mux/imx219@10", "imx219", {{"nv12", 640, 480}}},
      {"libcamera", "/base/soc/usb@7e980000-1:1.0-046d:0825", "HD Webcam C270", {}},
      {"libcamera", "sensor", "", {}}};
  const auto listing = merge_cameras(list({{"video0", webcam()}}), told);
  ASSERT_EQ(listing.cameras.size(), 3U);
  EXPECT_EQ(listing.missing, "");
  EXPECT_EQ(listing.cameras[1].name, "imx219");
  EXPECT_EQ(listing.cameras[1].modes.size(), 1U);
  EXPECT_EQ(listing.cameras[2].name, "sensor");
  EXPECT_NE(listing.cameras[2].trouble, "");
  EXPECT_THAT(merge_cameras({}, unavailable("no daemon")).missing, HasSubstr("no daemon"));
}

ServedModelInfo model(const std::string& name, DType dtype = DType::kFloat32,
                      const std::string& state = "READY") {
  ServedModelInfo info;
  info.name = name;
  info.state = state;
  info.inputs = {{"image", dtype, {1, 3, 320, 320}, {}}};
  info.outputs = {{"scores", DType::kFloat32, {1, 1001}, {}}};
  return info;
}

// As a daemon that knows one model.
CheckStages takes(const std::string& name, const std::string& decoder) {
  return [=](const std::string& stages) -> Result<bool> {
    return stages.find("{model: \"" + name + "\"}") != std::string::npos &&
           stages.find(decoder) != std::string::npos;
  };
}

TEST_F(SetupTest, FindsTheStagesOfADetector) {
  std::vector<ServedModelInfo> models = {model("away", DType::kFloat32, "UNAVAILABLE"),
                                         model("classifier"), model("faces")};
  models[2].has_labels = true;
  const auto faces = find_detector(models, "", takes("faces", "decode_yunet"));
  ASSERT_TRUE(faces.ok());
  EXPECT_EQ(faces->model, "faces");
  EXPECT_EQ(faces->stages,
            "  - letterbox\n"
            "  - normalize: {mean: 0, std: 1, order: bgr}\n"
            "  - infer: {model: \"faces\"}\n"
            "  - decode_yunet: {min_score: 0.6}\n"
            "  - nms: {iou: 0.5}\n"
            "  - labels\n");
  const auto bytes =
      find_detector({model("ssd", DType::kUInt8)}, "ssd", takes("ssd", "decode_detections"));
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(bytes->stages,
            "  - resize\n  - infer: {model: \"ssd\"}\n  - decode_detections: {min_score: 0.5}\n");
  EXPECT_THAT(
      find_detector({model("yolo")}, "", takes("yolo", "decode_yolo"))->stages,
      HasSubstr("order: bgr}\n  - infer: {model: \"yolo\"}\n  - decode_yolo: {layout: yolox"));
  EXPECT_EQ(find_detector(models, "", takes("none", ""))->model, "");
  EXPECT_THAT(find_detector(models, "classifier", takes("none", "")).status().message(),
              HasSubstr("'classifier' (READY) gives FP32[1,1001], which no decoder"));
  EXPECT_THAT(find_detector(models, "x", takes("x", "")).status().message(),
              HasSubstr("there is no model 'x'"));
  const CheckStages broken = [](const std::string&) { return Result<bool>(unavailable("gone")); };
  EXPECT_EQ(find_detector(models, "", broken).status().message(), "gone");
}

TEST_F(SetupTest, WritesWhatACameraSaysOfItself) {
  const Camera camera{
      .source = "libcamera", .id = "\\_SB_.PCI0 \"x\" ${y}\t", .name = "evil\n- name", .modes = {}};
  const std::string text = camera_file("door", camera, {"nv12", 640, 480, 59.94}, "");
  EXPECT_THAT(text, HasSubstr("libcamera: {camera: \"\\\\_SB_.PCI0 \\\"x\\\" $${y}\\x09\", "
                              "width: 640, height: 480, fps: 30}\n"));
  EXPECT_THAT(text, HasSubstr("# evil?- name. "));
  EXPECT_THAT(text, HasSubstr("name: \"door\"\n"));
  EXPECT_THAT(camera_file("door", camera, {"nv12", 0, 0, 14.985}, ""),
              HasSubstr("$${y}\\x09\", fps: 14.98}\n"));
}

std::string content(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST_F(SetupTest, LeavesFilesOfOthersAlone) {
  const std::string path = folder_.path() + "/camera.yaml";
  {
    auto left = FileToBe::make(path, false);
    ASSERT_TRUE(left.ok());
    ASSERT_TRUE(left->write("draft").ok());
    EXPECT_EQ(content(left->draft()), "draft");
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
  auto file = FileToBe::make(path, false);
  ASSERT_TRUE(file.ok() && file->write("a longer draft").ok() && file->write("whole").ok());
  std::ofstream(path) << "of somebody else";
  EXPECT_EQ(file->publish().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(FileToBe::make(path, false).status().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(content(path), "of somebody else");
  {
    auto forced = FileToBe::make(path, true);
    ASSERT_TRUE(forced.ok() && forced->write("whole").ok() && forced->publish().ok());
  }
  EXPECT_EQ(content(path), "whole");
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0644U);
  EXPECT_THAT(FileToBe::make(folder_.path() + "/none/camera.yaml", false).status().message(),
              HasSubstr("--output"));
}

}  // namespace
}  // namespace inferd::ctl

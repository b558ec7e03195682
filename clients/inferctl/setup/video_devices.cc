// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/setup/video_devices.h"

#include <fcntl.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>

#include "clients/inferctl/doctor/files.h"

namespace inferd::ctl {
namespace {

constexpr uint32_t kMost = 256;  // of anything that a driver lists

class Kernel final : public VideoCalls {
 public:
  int open(const std::string& path) override {
    return ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  }
  int ioctl(int fd, unsigned long request, void* argument) override {
    int result = 0;
    do {
      result = ::ioctl(fd, request, argument);
    } while (result < 0 && errno == EINTR);
    return result;
  }
  void close(int fd) override { ::close(fd); }
};

// What the source `v4l2` takes.
struct Format {
  uint32_t fourcc;
  const char* name;
};
constexpr Format kFormats[] = {
    {V4L2_PIX_FMT_NV12, "nv12"},   {V4L2_PIX_FMT_NV21, "nv21"},   {V4L2_PIX_FMT_YUV420, "i420"},
    {V4L2_PIX_FMT_YUYV, "yuyv"},   {V4L2_PIX_FMT_UYVY, "uyvy"},   {V4L2_PIX_FMT_RGB24, "rgb"},
    {V4L2_PIX_FMT_BGR24, "bgr"},   {V4L2_PIX_FMT_XBGR32, "bgrx"}, {V4L2_PIX_FMT_RGBX32, "rgbx"},
    {V4L2_PIX_FMT_MJPEG, "mjpeg"}, {V4L2_PIX_FMT_JPEG, "mjpeg"},  {V4L2_PIX_FMT_GREY, "grey"},
};

// Of drivers that call any size between two their own, those that are asked for.
constexpr std::pair<uint32_t, uint32_t> kUsualSizes[] = {{320, 240}, {640, 360},  {640, 480},
                                                         {800, 600}, {1280, 720}, {1920, 1080}};

// Not cameras, though they give pictures: parts of an image signal processor that take them first.
constexpr std::string_view kProcessors[] = {"bcm2835-isp", "bcm2835-codec", "pispbe"};

template <size_t n>
std::string text_of(const uint8_t (&bytes)[n]) {
  const auto* begin = reinterpret_cast<const char*>(bytes);
  return {begin, std::find(begin, begin + n, '\0')};
}

// Pictures a second, at most; 0: the driver does not say.
double fastest(VideoCalls& calls, int fd, uint32_t fourcc, uint32_t width, uint32_t height) {
  double fps = 0;
  for (uint32_t i = 0; i < kMost; ++i) {
    v4l2_frmivalenum interval{};
    interval.index = i;
    interval.pixel_format = fourcc;
    interval.width = width;
    interval.height = height;
    if (calls.ioctl(fd, VIDIOC_ENUM_FRAMEINTERVALS, &interval) < 0) break;
    const bool discrete = interval.type == V4L2_FRMIVAL_TYPE_DISCRETE;
    const v4l2_fract shortest = discrete ? interval.discrete : interval.stepwise.min;
    if (shortest.numerator > 0)
      fps = std::max(fps, static_cast<double>(shortest.denominator) / shortest.numerator);
    if (!discrete) break;
  }
  return fps;
}

void add_modes(VideoCalls& calls, int fd, const Format& format, std::vector<CameraMode>& modes) {
  const auto add = [&](uint32_t width, uint32_t height) {
    modes.push_back({format.name, static_cast<int>(width), static_cast<int>(height),
                     fastest(calls, fd, format.fourcc, width, height)});
  };
  const auto steps_to = [](uint32_t size, uint32_t min, uint32_t max, uint32_t step) {
    return size >= min && size <= max && (size - min) % std::max(step, 1U) == 0;
  };
  for (uint32_t i = 0; i < kMost; ++i) {
    v4l2_frmsizeenum size{};
    size.index = i;
    size.pixel_format = format.fourcc;
    if (calls.ioctl(fd, VIDIOC_ENUM_FRAMESIZES, &size) < 0) {
      if (i == 0) modes.push_back({format.name});
      return;
    }
    if (size.type == V4L2_FRMSIZE_TYPE_DISCRETE) {
      add(size.discrete.width, size.discrete.height);
      continue;
    }
    const v4l2_frmsize_stepwise& s = size.stepwise;
    for (const auto& [width, height] : kUsualSizes) {
      if (steps_to(width, s.min_width, s.max_width, s.step_width) &&
          steps_to(height, s.min_height, s.max_height, s.step_height))
        add(width, height);
    }
    return;
  }
}

// True: it has any formats at all.
bool read_modes(VideoCalls& calls, int fd, std::vector<CameraMode>& modes) {
  std::vector<uint32_t> offered;
  for (uint32_t i = 0; i < kMost; ++i) {
    v4l2_fmtdesc description{};
    description.index = i;
    description.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    if (calls.ioctl(fd, VIDIOC_ENUM_FMT, &description) < 0) break;
    offered.push_back(description.pixelformat);
  }
  for (const Format& format : kFormats) {
    if (std::find(offered.begin(), offered.end(), format.fourcc) != offered.end())
      add_modes(calls, fd, format, modes);
  }
  return !offered.empty();
}

// None: it is no camera.
std::optional<Camera> examine(VideoCalls& calls, int fd) {
  v4l2_capability capability{};
  if (calls.ioctl(fd, VIDIOC_QUERYCAP, &capability) < 0) return std::nullopt;
  const uint32_t can = (capability.capabilities & V4L2_CAP_DEVICE_CAPS) != 0
                           ? capability.device_caps
                           : capability.capabilities;
  const uint32_t planes = V4L2_CAP_VIDEO_CAPTURE_MPLANE, single = V4L2_CAP_VIDEO_CAPTURE;
  if ((can & (single | planes)) == 0 || (can & V4L2_CAP_STREAMING) == 0 ||
      (can & (V4L2_CAP_VIDEO_M2M | V4L2_CAP_VIDEO_M2M_MPLANE)) != 0)
    return std::nullopt;
  const std::string driver = text_of(capability.driver);
  if (std::find(std::begin(kProcessors), std::end(kProcessors), driver) != std::end(kProcessors))
    return std::nullopt;
  Camera camera{.source = "v4l2", .id = "", .name = text_of(capability.card), .modes = {}};
  if ((can & V4L2_CAP_IO_MC) != 0) {
    camera.trouble = "its parts must be set up first, which libcamera does where it knows them";
  } else if ((can & single) == 0) {
    camera.trouble =
        "it gives pictures in several planes only; use the source gstreamer with v4l2src";
  } else if (!read_modes(calls, fd, camera.modes)) {
    return std::nullopt;
  } else if (camera.modes.empty()) {
    camera.trouble =
        "it gives none of the formats that are known here; if these are raw patterns, "
        "libcamera may make pictures of them";
  }
  return camera;
}

// Lasting names of devices, by what they stand for; by-id goes before by-path.
std::map<std::filesystem::path, std::string> lasting_names(const std::string& root) {
  std::map<std::filesystem::path, std::string> names;
  for (const char* folder : {"/dev/v4l/by-id", "/dev/v4l/by-path"}) {
    for (const std::string& link : entries(root + folder, "")) {
      std::error_code error;
      const auto device = std::filesystem::canonical(link, error);
      if (!error) names.emplace(device, link.substr(root.size()));
    }
  }
  return names;
}

}  // namespace

VideoCalls& kernel_video() {
  static Kernel kernel;
  return kernel;
}

std::vector<Camera> list_video_devices(VideoCalls& calls, const std::string& root) {
  const std::string prefix = root + "/dev/video";
  std::vector<int> numbers;
  for (const std::string& path : entries(root + "/dev", "video")) {
    int number = 0;
    const char* const end = path.data() + path.size();
    const auto [parsed, error] = std::from_chars(path.data() + prefix.size(), end, number);
    if (error == std::errc() && parsed == end) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  const auto names = lasting_names(root);
  std::vector<Camera> cameras;
  for (const int number : numbers) {
    const std::string path = prefix + std::to_string(number), device = path.substr(root.size());
    std::optional<Camera> camera;
    const int fd = calls.open(path);
    if (fd >= 0) {
      camera = examine(calls, fd);
      calls.close(fd);
    } else if (errno == EACCES || errno == EPERM) {
      camera = Camera{.source = "v4l2", .id = "", .name = device, .modes = {}};
      camera->trouble = "you may not open it: sudo usermod -aG video $USER, then log in again";
    }
    if (!camera) continue;
    std::error_code error;
    const auto lasting = names.find(std::filesystem::canonical(path, error));
    camera->device = device;
    camera->id = lasting == names.end() ? device : lasting->second;
    cameras.push_back(std::move(*camera));
  }
  return cameras;
}

}  // namespace inferd::ctl

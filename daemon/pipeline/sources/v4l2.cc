// SPDX-License-Identifier: Apache-2.0
//
// Cameras of Video4Linux, without a library. Pictures are the driver's own buffers, which it gets
// back when nobody reads them any more.
#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <map>

#include "daemon/pipeline/sources/sources.h"
#include "daemon/pipeline/sources/v4l2_calls.h"
#include "daemon/pipeline/sources/v4l2_controls.h"
#include "daemon/pipeline/sources/v4l2_format.h"
#include "daemon/pipeline/sources/wait.h"

namespace inferd::pipeline {
namespace {

struct Options {
  std::string device;  // path; empty: by `card`
  std::string card;    // name or place (bus) of the camera
  V4l2Wish wish;
  std::map<std::string, int64_t> controls;
  int64_t buffers = 5;
  int64_t timeout_ms = 10'000;  // without a picture; 0: any time
};

// With less than this the driver may have none to write the next picture into.
constexpr size_t kStayWithDriver = 2;

Status error_of(const std::string& what) {
  const int code = errno;
  const std::string text = what + ": " + std::strerror(code);
  if (code == EACCES || code == EPERM)
    return permission_denied(text + "; the user of inferd must be in the group 'video'");
  if (code == EBUSY) return unavailable(text + "; another program uses the camera");
  if (code == ENODEV || code == ENXIO) return unavailable(text + "; was it unplugged?");
  if (code == ENOENT) return not_found(text);
  return unavailable(text);
}

template <size_t n>
std::string text_of(const uint8_t (&bytes)[n]) {
  const auto* begin = reinterpret_cast<const char*>(bytes);
  return {begin, std::find(begin, begin + n, '\0')};
}

// One of the driver's buffers in memory; who has a frame of it shares it.
class Mapped {
 public:
  Mapped(V4l2Calls& calls, void* address, size_t bytes)
      : calls_(calls), address_(address), bytes_(bytes) {}
  ~Mapped() { calls_.unmap(address_, bytes_); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;

  std::span<const uint8_t> bytes() const { return {static_cast<const uint8_t*>(address_), bytes_}; }

 private:
  V4l2Calls& calls_;
  void* const address_;
  const size_t bytes_;
};

class V4l2 final : public Source {
 public:
  V4l2(V4l2Calls& calls, Options options) : calls_(calls), options_(std::move(options)) {}
  ~V4l2() override { V4l2::close(); }

  bool live() const override { return true; }
  int64_t patience_ns() const override { return options_.timeout_ms * 1'000'000; }
  Status open() override;
  Result<bool> next(Stopper& stopper, Frame& frame) override;
  void close() override;

 private:
  struct Buffer {
    std::shared_ptr<const Mapped> memory;
    bool lent = false;  // to a frame, as long as others share `memory`
  };

  Status open_device();
  Status open_path(const std::string& path);
  Status find_card();
  Status set_format();
  Status set_rate();
  Status map_buffers();
  Status queue(uint32_t index);
  Status take_back();
  // False: it was no picture; the buffer is the driver's again.
  Result<bool> to_frame(const v4l2_buffer& buffer, Frame& frame);

  V4l2Calls& calls_;
  const Options options_;
  std::string path_;  // of the device that is open
  int fd_ = -1;
  v4l2_pix_format format_{};
  std::vector<Buffer> buffers_;
  size_t queued_ = 0;  // with the driver
};

Status V4l2::open() {
  close();
  Status status = open_device();
  if (status.ok()) status = set_format();
  if (status.ok()) status = set_rate();
  if (status.ok()) status = set_v4l2_controls(calls_, fd_, options_.controls);
  if (status.ok()) status = map_buffers();
  int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  if (status.ok() && calls_.ioctl(fd_, VIDIOC_STREAMON, &type) < 0)
    status = error_of("it does not start to stream");
  if (status.ok()) return status;
  const std::string camera = path_.empty() ? "v4l2" : path_;
  close();
  return status.with_context(camera);
}

// Ends the stream as well. Memory that frames share stays until they are done.
void V4l2::close() {
  buffers_.clear();
  queued_ = 0;
  if (fd_ >= 0) calls_.close(fd_);
  fd_ = -1;
  path_.clear();
}

Status V4l2::open_path(const std::string& path) {
  fd_ = calls_.open(path.c_str());
  if (fd_ < 0) return error_of("cannot open " + path);
  path_ = path;
  return ok_status();
}

Status V4l2::open_device() {
  if (options_.device.empty()) return find_card();
  INFERD_RETURN_IF_ERROR(open_path(options_.device));
  v4l2_capability capability{};
  if (calls_.ioctl(fd_, VIDIOC_QUERYCAP, &capability) < 0)
    return error_of("is no device of Video4Linux");
  const uint32_t can = (capability.capabilities & V4L2_CAP_DEVICE_CAPS) != 0
                           ? capability.device_caps
                           : capability.capabilities;
  if ((can & V4L2_CAP_VIDEO_CAPTURE_MPLANE) != 0 && (can & V4L2_CAP_VIDEO_CAPTURE) == 0)
    return unimplemented(
        "it gives pictures in several planes only; use the source 'gstreamer' with v4l2src");
  if ((can & V4L2_CAP_VIDEO_CAPTURE) == 0 || (can & V4L2_CAP_STREAMING) == 0)
    return invalid_argument("'" + text_of(capability.card) +
                            "' is no camera that streams; cameras often have several devices, and "
                            "the first is the one");
  return ok_status();
}

// The first device that streams pictures of the camera with that name or place.
Status V4l2::find_card() {
  std::string seen;
  constexpr int kMaxDevices = 64;
  for (int i = 0; i < kMaxDevices; ++i) {
    const std::string path = "/dev/video" + std::to_string(i);
    const int fd = calls_.open(path.c_str());
    if (fd < 0) continue;
    v4l2_capability capability{};
    const bool known = calls_.ioctl(fd, VIDIOC_QUERYCAP, &capability) == 0;
    const std::string card = text_of(capability.card), bus = text_of(capability.bus_info);
    if (known && (capability.device_caps & V4L2_CAP_VIDEO_CAPTURE) != 0) {
      if (card == options_.card || bus == options_.card) {
        fd_ = fd;
        path_ = path;
        return ok_status();
      }
      seen += (seen.empty() ? "" : ", ") + ("'" + card) + "' at '" + bus + "'";
    }
    calls_.close(fd);
  }
  return not_found("there is no camera '" + options_.card +
                   "'; there is: " + (seen.empty() ? "none" : seen));
}

Status V4l2::set_format() {
  v4l2_format format{};
  format.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  if (calls_.ioctl(fd_, VIDIOC_G_FMT, &format) < 0) return error_of("says no format");
  V4l2Wish wish = options_.wish;
  if (wish.width == 0) wish.width = format.fmt.pix.width;
  if (wish.height == 0) wish.height = format.fmt.pix.height;
  INFERD_ASSIGN_OR_RETURN(const uint32_t fourcc, choose_v4l2_format(calls_, fd_, wish));
  format.fmt.pix = {};
  format.fmt.pix.width = wish.width;
  format.fmt.pix.height = wish.height;
  format.fmt.pix.pixelformat = fourcc;
  format.fmt.pix.field = V4L2_FIELD_NONE;
  if (calls_.ioctl(fd_, VIDIOC_S_FMT, &format) < 0)
    return error_of("does not take the format " + fourcc_text(fourcc));
  format_ = format.fmt.pix;
  if (format_.pixelformat != fourcc)
    return unavailable("was asked for " + fourcc_text(fourcc) + " and gives " +
                       fourcc_text(format_.pixelformat));
  if (format_.width != wish.width || format_.height != wish.height)
    return invalid_argument("has no pictures of " + std::to_string(wish.width) + " x " +
                            std::to_string(wish.height) + " as " + fourcc_text(fourcc) +
                            "; the nearest are " + std::to_string(format_.width) + " x " +
                            std::to_string(format_.height));
  return ok_status();
}

// The nearest rate that the camera has.
Status V4l2::set_rate() {
  if (options_.wish.fps == 0) return ok_status();
  v4l2_streamparm parameters{};
  parameters.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  parameters.parm.capture.timeperframe = {
      1000, static_cast<uint32_t>(std::llround(options_.wish.fps * 1000))};
  if (calls_.ioctl(fd_, VIDIOC_S_PARM, &parameters) < 0)
    return error_of("does not take a rate; leave out 'fps'");
  return ok_status();
}

Status V4l2::map_buffers() {
  v4l2_requestbuffers request{};
  request.count = static_cast<uint32_t>(options_.buffers);
  request.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  request.memory = V4L2_MEMORY_MMAP;
  if (calls_.ioctl(fd_, VIDIOC_REQBUFS, &request) < 0) return error_of("gives no buffers");
  if (request.count < kStayWithDriver)
    return resource_exhausted("has memory for " + std::to_string(request.count) +
                              " buffers only; try a smaller picture");
  for (uint32_t i = 0; i < request.count; ++i) {
    v4l2_buffer buffer{};
    buffer.index = i;
    buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer.memory = V4L2_MEMORY_MMAP;
    if (calls_.ioctl(fd_, VIDIOC_QUERYBUF, &buffer) < 0) return error_of("hides a buffer");
    void* const address = calls_.map(buffer.length, fd_, buffer.m.offset);
    if (address == nullptr) return error_of("cannot map a buffer");
    buffers_.push_back({std::make_shared<const Mapped>(calls_, address, buffer.length)});
    INFERD_RETURN_IF_ERROR(queue(i));
  }
  return ok_status();
}

Status V4l2::queue(uint32_t index) {
  v4l2_buffer buffer{};
  buffer.index = index;
  buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
  buffer.memory = V4L2_MEMORY_MMAP;
  if (calls_.ioctl(fd_, VIDIOC_QBUF, &buffer) < 0) return error_of("does not take a buffer back");
  buffers_[index].lent = false;
  ++queued_;
  return ok_status();
}

// What no frame has any more.
Status V4l2::take_back() {
  for (uint32_t i = 0; i < buffers_.size(); ++i) {
    if (!buffers_[i].lent || buffers_[i].memory.use_count() > 1) continue;
    // Whoever read it last did so before it gave it up.
    std::atomic_thread_fence(std::memory_order_acquire);
    INFERD_RETURN_IF_ERROR(queue(i));
  }
  return ok_status();
}

Result<bool> V4l2::next(Stopper& stopper, Frame& frame) {
  if (fd_ < 0) return failed_precondition("the source is not open");
  frame.lease = nullptr;
  for (;;) {
    INFERD_RETURN_IF_ERROR(take_back());
    pollfd file{fd_, POLLIN, 0};
    if (!wait_for(stopper, {&file, 1})) return false;
    v4l2_buffer buffer{};
    buffer.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    buffer.memory = V4L2_MEMORY_MMAP;
    if (calls_.ioctl(fd_, VIDIOC_DQBUF, &buffer) < 0) {
      if (errno == EAGAIN && (file.revents & (POLLERR | POLLHUP)) == 0) continue;
      return error_of(path_ + " gives no picture");
    }
    if (buffer.index >= buffers_.size()) return internal_error(path_ + " gives an unknown buffer");
    --queued_;
    INFERD_ASSIGN_OR_RETURN(const bool picture, to_frame(buffer, frame));
    if (picture) return true;
  }
}

int64_t capture_ns(const v4l2_buffer& buffer) {
  const int64_t now = schedule::now_ns();
  if ((buffer.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) != V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC)
    return now;
  const int64_t ns =
      int64_t{buffer.timestamp.tv_sec} * 1'000'000'000 + int64_t{buffer.timestamp.tv_usec} * 1000;
  return ns > 0 ? std::min(ns, now) : now;
}

Result<bool> V4l2::to_frame(const v4l2_buffer& buffer, Frame& frame) {
  Buffer& taken = buffers_[buffer.index];
  std::span<const uint8_t> bytes = taken.memory->bytes();
  if (buffer.bytesused > 0) bytes = bytes.first(std::min<size_t>(buffer.bytesused, bytes.size()));
  bool good = (buffer.flags & V4L2_BUF_FLAG_ERROR) == 0;
  if (good && v4l2_is_compressed(format_.pixelformat)) {
    auto image = media::decode_image(bytes);
    good = image.ok();
    if (good) {
      frame.image = std::move(*image);
      frame.picture = media::view_of(frame.image);
    }
  } else if (good) {
    const auto picture = v4l2_picture(format_, bytes);
    good = picture.ok();
    if (good) frame.picture = *picture;
    if (good && queued_ >= kStayWithDriver) {
      taken.lent = true;
      frame.lease = taken.memory;
    } else if (good) {
      media::to_rgb(*picture, frame.image);
      frame.picture = media::view_of(frame.image);
    }
  }
  if (!taken.lent) INFERD_RETURN_IF_ERROR(queue(buffer.index));
  if (!good) return false;
  frame.samples.rows = 0;
  frame.name.clear();
  frame.capture_ns = capture_ns(buffer);
  return true;
}

}  // namespace

Result<std::unique_ptr<Source>> make_v4l2_on(V4l2Calls& calls, const config::NodeConfig& node) {
  config::NodeReader r(node);
  Options options;
  options.device = r.text("device", "");
  options.card = r.text("card", "");
  options.wish.width = static_cast<uint32_t>(r.integer("width", 0, 1, 65536));
  options.wish.height = static_cast<uint32_t>(r.integer("height", 0, 1, 65536));
  options.wish.fps = r.number("fps", 0, 0.1, 1000);
  options.wish.format = r.one_of("format", "auto", v4l2_format_names());
  options.buffers = r.integer("buffers", options.buffers, 3, 32);
  options.timeout_ms = r.integer("timeout_ms", options.timeout_ms, 0, 86'400'000);
  const std::string prefix = "control.";
  for (const auto& [key, entry] : node.entries) {
    if (key.starts_with(prefix))
      options.controls[key.substr(prefix.size())] = r.integer(key, 0, INT32_MIN, INT32_MAX);
  }
  INFERD_RETURN_IF_ERROR(r.finish());
  if (options.device.empty() == options.card.empty())
    return invalid_argument(node.mark.to_string() +
                            ": 'v4l2' needs either 'device', a path, or 'card', a camera's name");
  return std::unique_ptr<Source>(std::make_unique<V4l2>(calls, std::move(options)));
}

}  // namespace inferd::pipeline

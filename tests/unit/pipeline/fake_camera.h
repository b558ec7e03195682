// SPDX-License-Identifier: Apache-2.0
//
// A driver of Video4Linux as a test wants it: its formats, its controls, pictures when the test
// says so.
#pragma once

#include <gtest/gtest.h>
#include <linux/videodev2.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "daemon/pipeline/sources/v4l2_calls.h"

namespace inferd::pipeline {

class FakeCamera final : public V4l2Calls {
 public:
  struct Size {
    uint32_t width, height, fps;
  };
  struct Format {
    uint32_t fourcc;
    std::string description;
    std::vector<Size> sizes;
  };
  struct Control {
    std::string name;
    int32_t min, max, value;
    uint32_t flags = 0;
  };

  std::string path = "/dev/video2", card = "Test Camera", bus = "usb-1.2";
  std::vector<Format> formats;
  v4l2_pix_format format{};  // the one that is set
  uint32_t padding = 0;      // bytes after each row
  double fps = 0;
  std::map<uint32_t, Control> controls;
  std::function<void(uint32_t)> on_control = [](uint32_t) {};
  bool gone = false;
  int open_error = 0;

  ~FakeCamera() override {
    EXPECT_TRUE(files_.empty()) << "a file was not closed";
    EXPECT_EQ(mapped_, 0) << "memory was not unmapped";
  }

  size_t queued() const { return queue_.size(); }
  int mapped() const { return mapped_; }

  // A picture of these bytes. False: the driver has no buffer.
  bool give(const std::vector<uint8_t>& bytes, int64_t ns, uint32_t flags = 0) {
    if (queue_.empty()) return false;
    const uint32_t index = queue_.front();
    queue_.pop_front();
    std::copy_n(bytes.begin(), std::min(bytes.size(), memory_[index]->size()),
                memory_[index]->begin());
    v4l2_buffer buffer{};
    buffer.index = index;
    buffer.bytesused = static_cast<uint32_t>(bytes.size());
    buffer.flags = flags | V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    buffer.timestamp = {ns / 1'000'000'000, ns % 1'000'000'000 / 1000};
    done_.push_back(buffer);
    for (const int fd : files_) ::eventfd_write(fd, 1);
    return true;
  }
  void unplug() {
    gone = true;
    for (const int fd : files_) ::eventfd_write(fd, 1);
  }

  int open(const char* wanted) override {
    if (open_error != 0) errno = open_error;
    if (open_error != 0) return -1;
    errno = ENOENT;
    if (wanted != path || gone) return -1;
    const int fd = ::eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
    files_.insert(fd);
    return fd;
  }
  void close(int fd) override {
    EXPECT_EQ(files_.erase(fd), 1U);
    ::close(fd);
    queue_.clear();
    done_.clear();
    streams_ = false;
  }
  void* map(size_t bytes, int, int64_t offset) override {
    const auto& memory = memory_[static_cast<size_t>(offset)];
    EXPECT_EQ(memory->size(), bytes);
    ++mapped_;
    kept_.push_back(memory);
    return memory->data();
  }
  void unmap(void*, size_t) override { --mapped_; }

  int ioctl(int fd, unsigned long request, void* argument) override {
    EXPECT_TRUE(files_.contains(fd));
    errno = gone ? ENODEV : answer(fd, request, argument);
    return errno == 0 ? 0 : -1;
  }

 private:
  template <typename T>
  static T& as(void* argument) {
    return *static_cast<T*>(argument);
  }

  int answer(int fd, unsigned long request, void* argument) {
    switch (request) {
      case VIDIOC_QUERYCAP:
        return capability(as<v4l2_capability>(argument));
      case VIDIOC_ENUM_FMT:
        return describe(as<v4l2_fmtdesc>(argument));
      case VIDIOC_ENUM_FRAMESIZES:
        return size(as<v4l2_frmsizeenum>(argument));
      case VIDIOC_ENUM_FRAMEINTERVALS:
        return interval(as<v4l2_frmivalenum>(argument));
      case VIDIOC_G_FMT:
        as<v4l2_format>(argument).fmt.pix = format;
        return 0;
      case VIDIOC_S_FMT:
        return set_format(as<v4l2_format>(argument).fmt.pix);
      case VIDIOC_S_PARM:
        return set_rate(as<v4l2_streamparm>(argument));
      case VIDIOC_QUERYCTRL:
        return query(as<v4l2_queryctrl>(argument));
      case VIDIOC_S_CTRL:
        return set(as<v4l2_control>(argument));
      case VIDIOC_REQBUFS:
        return request_buffers(as<v4l2_requestbuffers>(argument));
      case VIDIOC_QUERYBUF:
        return describe(as<v4l2_buffer>(argument));
      case VIDIOC_QBUF:
        queue_.push_back(as<v4l2_buffer>(argument).index);
        return 0;
      case VIDIOC_STREAMON:
        streams_ = true;
        return 0;
      case VIDIOC_DQBUF:
        return dequeue(fd, as<v4l2_buffer>(argument));
      default:
        return ENOTTY;
    }
  }

  int capability(v4l2_capability& c) const {
    std::memcpy(c.card, card.c_str(), card.size() + 1);
    std::memcpy(c.bus_info, bus.c_str(), bus.size() + 1);
    c.device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    c.capabilities = c.device_caps | V4L2_CAP_DEVICE_CAPS;
    return 0;
  }
  int describe(v4l2_fmtdesc& d) const {
    if (d.index >= formats.size()) return EINVAL;
    d.pixelformat = formats[d.index].fourcc;
    std::memcpy(d.description, formats[d.index].description.c_str(),
                formats[d.index].description.size() + 1);
    return 0;
  }
  const Format* find(uint32_t fourcc) const {
    const auto it = std::find_if(formats.begin(), formats.end(),
                                 [&](const Format& f) { return f.fourcc == fourcc; });
    return it == formats.end() ? nullptr : &*it;
  }
  int size(v4l2_frmsizeenum& s) const {
    const Format* f = find(s.pixel_format);
    if (f == nullptr || s.index >= f->sizes.size()) return EINVAL;
    s.type = V4L2_FRMSIZE_TYPE_DISCRETE;
    s.discrete = {f->sizes[s.index].width, f->sizes[s.index].height};
    return 0;
  }
  int interval(v4l2_frmivalenum& i) const {
    const Format* f = find(i.pixel_format);
    if (f == nullptr || i.index > 0) return EINVAL;
    for (const Size& s : f->sizes) {
      if (s.width != i.width || s.height != i.height) continue;
      i.type = V4L2_FRMIVAL_TYPE_DISCRETE;
      i.discrete = {1, s.fps};
      return 0;
    }
    return EINVAL;
  }
  int set_format(v4l2_pix_format& pix) {
    const Format* f = find(pix.pixelformat);
    if (f == nullptr) f = &formats[0];
    pix.pixelformat = f->fourcc;
    const bool has = std::any_of(f->sizes.begin(), f->sizes.end(), [&](const Size& s) {
      return s.width == pix.width && s.height == pix.height;
    });
    if (!has) pix.width = f->sizes[0].width;
    if (!has) pix.height = f->sizes[0].height;
    const uint32_t bytes = f->fourcc == V4L2_PIX_FMT_YUYV    ? 2
                           : f->fourcc == V4L2_PIX_FMT_RGB24 ? 3
                                                             : 1;
    pix.bytesperline = pix.width * bytes + padding;
    const bool nv12 = f->fourcc == V4L2_PIX_FMT_NV12;
    pix.sizeimage = pix.bytesperline * pix.height * (nv12 ? 3 : 2) / 2;
    if (f->fourcc == V4L2_PIX_FMT_MJPEG) pix.sizeimage = 65536;
    pix.colorspace = V4L2_COLORSPACE_SRGB;
    format = pix;
    return 0;
  }
  int set_rate(const v4l2_streamparm& p) {
    fps = double(p.parm.capture.timeperframe.denominator) / p.parm.capture.timeperframe.numerator;
    return 0;
  }
  int query(v4l2_queryctrl& q) const {
    const auto it = controls.upper_bound(q.id & ~V4L2_CTRL_FLAG_NEXT_CTRL);
    if (it == controls.end()) return EINVAL;
    q.id = it->first;
    q.type = V4L2_CTRL_TYPE_INTEGER;
    std::memcpy(q.name, it->second.name.c_str(), it->second.name.size() + 1);
    q.minimum = it->second.min;
    q.maximum = it->second.max;
    q.flags = it->second.flags;
    return 0;
  }
  int set(const v4l2_control& c) {
    controls.at(c.id).value = c.value;
    on_control(c.id);
    return 0;
  }
  int request_buffers(v4l2_requestbuffers& r) {
    memory_.clear();
    for (uint32_t i = 0; i < r.count; ++i)
      memory_.push_back(std::make_shared<std::vector<uint8_t>>(format.sizeimage));
    return 0;
  }
  int describe(v4l2_buffer& b) const {
    b.length = static_cast<uint32_t>(memory_[b.index]->size());
    b.m.offset = b.index;
    return 0;
  }
  int dequeue(int fd, v4l2_buffer& b) {
    eventfd_t count = 0;
    if (!streams_) return EINVAL;
    if (done_.empty() || ::eventfd_read(fd, &count) != 0) return EAGAIN;
    b = done_.front();
    done_.pop_front();
    return 0;
  }

  std::set<int> files_;
  std::vector<std::shared_ptr<std::vector<uint8_t>>> memory_, kept_;
  std::deque<uint32_t> queue_;
  std::deque<v4l2_buffer> done_;
  bool streams_ = false;
  int mapped_ = 0;
};

}  // namespace inferd::pipeline

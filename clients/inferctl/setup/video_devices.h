// SPDX-License-Identifier: Apache-2.0
//
// Cameras of Video4Linux, asked of the kernel.
#pragma once

#include <string>
#include <vector>

#include "clients/inferctl/setup/camera.h"

namespace inferd::ctl {

// As the system calls of these names: the seam at which a test plays drivers. Errors are -1 and
// errno.
class VideoCalls {
 public:
  virtual ~VideoCalls() = default;
  virtual int open(const std::string& path) = 0;  // without waiting
  virtual int ioctl(int fd, unsigned long request, void* argument) = 0;
  virtual void close(int fd) = 0;
};

VideoCalls& kernel_video();

// Those of <root>/dev/video*, by number. Left out are devices that give no pictures (codecs,
// outputs, metadata). `id` is a path that stays the same whatever is plugged in first, where udev
// makes one. A camera that may not be opened, or gives pictures in forms only that the source does
// not take, is there with its trouble.
std::vector<Camera> list_video_devices(VideoCalls& calls, const std::string& root);

}  // namespace inferd::ctl

// SPDX-License-Identifier: Apache-2.0
//
// What a camera of Video4Linux is used by: the seam at which a test plays a driver.
#pragma once

#include <cstddef>
#include <cstdint>

#include "daemon/pipeline/source.h"

namespace inferd::pipeline {

// As the system calls of these names; errors are -1 and errno. Outlives who uses it.
class V4l2Calls {
 public:
  virtual ~V4l2Calls() = default;
  virtual int open(const char* path) = 0;  // to read and write, without waiting
  virtual int ioctl(int fd, unsigned long request, void* argument) = 0;
  virtual void* map(size_t bytes, int fd, int64_t offset) = 0;  // null: an error
  virtual void unmap(void* address, size_t bytes) = 0;          // any thread
  virtual void close(int fd) = 0;
};

V4l2Calls& kernel_v4l2();

// The source `v4l2` on those calls. Files that they open can be given to poll().
Result<std::unique_ptr<Source>> make_v4l2_on(V4l2Calls& calls, const config::NodeConfig& node);

}  // namespace inferd::pipeline

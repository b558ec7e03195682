// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/v4l2_calls.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "daemon/pipeline/sources/sources.h"

namespace inferd::pipeline {
namespace {

class KernelCalls final : public V4l2Calls {
 public:
  int open(const char* path) override { return ::open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC); }

  int ioctl(int fd, unsigned long request, void* argument) override {
    int result = 0;
    do {
      result = ::ioctl(fd, request, argument);
    } while (result < 0 && errno == EINTR);
    return result;
  }

  void* map(size_t bytes, int fd, int64_t offset) override {
    void* address = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, offset);
    return address == MAP_FAILED ? nullptr : address;
  }

  void unmap(void* address, size_t bytes) override { ::munmap(address, bytes); }
  void close(int fd) override { ::close(fd); }
};

}  // namespace

V4l2Calls& kernel_v4l2() {
  static KernelCalls calls;
  return calls;
}

Result<std::unique_ptr<Source>> make_v4l2(const config::NodeConfig& node) {
  return make_v4l2_on(kernel_v4l2(), node);
}

}  // namespace inferd::pipeline

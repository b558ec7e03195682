// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/libcamera_buffer.h"

#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace inferd::pipeline {

Result<std::shared_ptr<const LibcameraBuffer>> LibcameraBuffer::map(
    const libcamera::FrameBuffer& buffer) {
  const std::shared_ptr<LibcameraBuffer> mapped(new LibcameraBuffer);
  for (const libcamera::FrameBuffer::Plane& plane : buffer.planes()) {
    Region* region = nullptr;
    for (Region& r : mapped->regions_) {
      if (r.file.get() == plane.fd.get()) region = &r;
    }
    if (region == nullptr) {
      const off_t bytes = ::lseek(plane.fd.get(), 0, SEEK_END);
      if (bytes <= 0) return unavailable("a buffer does not say how large it is");
      const auto size = static_cast<size_t>(bytes);
      void* const address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, plane.fd.get(), 0);
      if (address == MAP_FAILED)
        return unavailable(std::string("cannot map a buffer: ") + std::strerror(errno));
      region = &mapped->regions_.emplace_back(Region{plane.fd, address, size});
    }
    if (plane.offset > region->bytes || plane.length > region->bytes - plane.offset)
      return invalid_argument("a plane of " + std::to_string(plane.length) + " bytes from " +
                              std::to_string(plane.offset) + " on lies outside of its " +
                              std::to_string(region->bytes) + " bytes of memory");
    mapped->planes_.emplace_back(static_cast<const uint8_t*>(region->address) + plane.offset,
                                 plane.length);
  }
  if (mapped->planes_.empty()) return invalid_argument("a buffer has no planes");
  return std::shared_ptr<const LibcameraBuffer>(mapped);
}

LibcameraBuffer::~LibcameraBuffer() {
  for (const Region& region : regions_) ::munmap(region.address, region.bytes);
}

// Memory that needs nothing of the kind refuses, which does not matter.
void LibcameraBuffer::sync(bool begin) const {
  for (const Region& region : regions_) {
    dma_buf_sync sync{};
    sync.flags = DMA_BUF_SYNC_READ | (begin ? DMA_BUF_SYNC_START : DMA_BUF_SYNC_END);
    while (::ioctl(region.file.get(), DMA_BUF_IOCTL_SYNC, &sync) < 0 &&
           (errno == EINTR || errno == EAGAIN)) {
    }
  }
}

}  // namespace inferd::pipeline

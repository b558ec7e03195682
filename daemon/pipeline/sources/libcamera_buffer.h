// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <libcamera/framebuffer.h>

#include <memory>
#include <span>
#include <vector>

#include "inferd/engine/status.h"

namespace inferd::pipeline {

// A camera's DMA buffer in this process's memory. It stays readable when camera and library have
// given up theirs.
class LibcameraBuffer {
 public:
  // INVALID_ARGUMENT: its planes do not lie in its memory; UNAVAILABLE: it cannot be mapped.
  static Result<std::shared_ptr<const LibcameraBuffer>> map(const libcamera::FrameBuffer& buffer);
  ~LibcameraBuffer();
  LibcameraBuffer(const LibcameraBuffer&) = delete;
  LibcameraBuffer& operator=(const LibcameraBuffer&) = delete;

  // Each at its full length.
  const std::vector<std::span<const uint8_t>>& planes() const { return planes_; }

  // Around reading: on boards whose devices do not see the processor's caches, these are put right.
  void begin_reading() const { sync(true); }
  void end_reading() const { sync(false); }

 private:
  struct Region {
    libcamera::SharedFD file;
    void* address;
    size_t bytes;
  };

  LibcameraBuffer() = default;
  void sync(bool begin) const;

  std::vector<Region> regions_;
  std::vector<std::span<const uint8_t>> planes_;
};

}  // namespace inferd::pipeline

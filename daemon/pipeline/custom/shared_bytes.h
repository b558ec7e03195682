// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>

#include "inferd/engine/status.h"

namespace inferd::pipeline {

// Memory that another process may map, too, but neither shrink nor grow: touching it never faults.
class SharedBytes {
 public:
  // RESOURCE_EXHAUSTED: there is no memory, or no descriptor, left.
  static Result<std::unique_ptr<SharedBytes>> create(size_t size);
  ~SharedBytes();
  SharedBytes(const SharedBytes&) = delete;
  SharedBytes& operator=(const SharedBytes&) = delete;

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  int fd() const { return fd_; }

 private:
  SharedBytes(int fd, size_t size) : fd_(fd), size_(size) {}

  const int fd_;
  const size_t size_;
  std::byte* data_ = nullptr;
};

}  // namespace inferd::pipeline

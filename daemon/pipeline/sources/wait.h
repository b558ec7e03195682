// SPDX-License-Identifier: Apache-2.0
//
// What sources share that read files and sockets.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <cstdint>
#include <span>
#include <utility>

#include "daemon/pipeline/stopper.h"

namespace inferd::pipeline {

// A file that is closed with it.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }

  void reset(int fd = -1) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

// Waits until one of the files (at most 8) has its events, or has hung up or is broken, which
// `revents` say; or, without any, until `timeout_ms` are over (-1: for ever). False: stopped.
bool wait_for(const Stopper& stopper, std::span<pollfd> files, int timeout_ms = -1);

// The time of day (Unix ns) as CLOCK_MONOTONIC ns, by what both clocks show now.
int64_t monotonic_of(int64_t unix_ns);

}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
//
// A CAN interface of Linux (SocketCAN).
#pragma once

#include <linux/can.h>

#include <string>

#include "daemon/pipeline/sources/can_signal.h"
#include "daemon/pipeline/sources/wait.h"

namespace inferd::pipeline {

// What came, of CAN or CAN FD. An error frame has CAN_ERR_FLAG in its id.
struct CanFrame {
  uint32_t id = 0;  // with its flags
  unsigned size = 0;
  uint8_t data[CANFD_MAX_DLEN] = {};
  int64_t capture_ns = 0;  // CLOCK_MONOTONIC; of the kernel, or of reading

  std::span<const uint8_t> bytes() const { return {data, size}; }
};

// A socket that gets the frames with the signals' ids, and errors of the controller, with the
// kernel's times. It does not wait. Errors say what to do: the interface is not there, or down.
Result<Descriptor> open_can(const std::string& interface, std::span<const CanSignal> signals);

// The next frame of a socket of datagrams with struct can_frame or canfd_frame. False: there is
// none now. UNAVAILABLE: the socket is broken, or it gives something else.
Result<bool> read_can(int fd, CanFrame& frame);

}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "media/image.h"

namespace inferd::pipeline {

// Filled by a source, then only read until the slot has it back; its buffers are used again.
struct Frame {
  media::Image image;
  uint64_t sequence = 0;   // from 1
  int64_t capture_ns = 0;  // CLOCK_MONOTONIC
  std::string name;        // file name for image sources
};

}  // namespace inferd::pipeline

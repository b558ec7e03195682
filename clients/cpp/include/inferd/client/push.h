// SPDX-License-Identifier: Apache-2.0
//
// Frames of this program for a pipeline whose source is `push` (docs/pipelines.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "inferd/engine/status.h"

namespace inferd {

// A picture or samples, as the source is configured.
struct PushFrame {
  enum class Kind : uint8_t { kPixels, kEncoded, kSamples };
  Kind kind = Kind::kPixels;
  // Of pixels all planes, of an encoded picture JPEG or PNG (only over gRPC), of samples float32
  // row by row. Borrowed while it is pushed.
  std::span<const std::byte> bytes;
  std::string format = "rgb";  // of pixels: "nv12", ...; as all below
  int width = 0, height = 0;
  uint32_t stride = 0;     // bytes from row to row; 0: rows without padding
  int columns = 0;         // of samples
  int64_t capture_ns = 0;  // CLOCK_MONOTONIC, as results will have it; 0: when it arrives
};

// What became of a frame, once the daemon needs it no more.
struct PushAnswer {
  uint64_t id = 0;  // that push() gave
  Status status;    // why it was not taken
  // "used": a node has finished it. Else "overwritten" by a newer one, "skipped", "stale",
  // "stopped" or "failed".
  std::string fate;
  int64_t capture_ns = 0;
};

// Belongs to one thread at a time, but for answer(), which another one may call.
class FramePusher {
 public:
  virtual ~FramePusher() = default;  // frames on their way go on

  // Sends a copy of the frame and returns its number. Over gRPC it waits while 64 are on their way;
  // over the local socket RESOURCE_EXHAUSTED says so. Answers have to be taken. UNAVAILABLE: the
  // daemon has gone.
  virtual Result<uint64_t> push(const PushFrame& frame) = 0;

  // The next answer. DEADLINE_EXCEEDED: none came in time. Otherwise why none will come.
  virtual Result<PushAnswer> answer(int64_t timeout_ms) = 0;
};

}  // namespace inferd

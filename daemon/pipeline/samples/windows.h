// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "daemon/pipeline/frame.h"
#include "inferd/engine/status.h"

namespace inferd::pipeline {

// Lengths in rows, or in seconds of a source that gives its rate.
struct WindowOptions {
  int64_t rows = 0, hop_rows = 0;  // 0: by seconds; a hop of neither is the window's length
  double seconds = 0, hop_seconds = 0;
  int64_t lead_rows = 0;  // of zeros before a stream's first row
};

// Cuts samples that come in frames of any size into windows of one size, the begin of each a hop
// after that of the one before. Used by one thread.
class Windows {
 public:
  explicit Windows(const WindowOptions& options) : options_(options) {}

  static constexpr int64_t kMaxValues = 16 << 20;  // of a window

  // Takes in what a frame holds. After a gap in samples that have a rate, also where their source
  // was opened again, the first window begins anew behind it, and with it a stream.
  // FAILED_PRECONDITION for a frame that windows cannot be made of.
  Status add(const Frame& frame);
  bool ready() const { return size_ > 0 && rows() >= size_; }
  // The next window when it is ready(), numbered from 1; captured when its last row was.
  void take(Frame& window);

 private:
  Status begin(const Samples& samples);
  int64_t rows() const {
    return columns_ == 0 ? 0 : static_cast<int64_t>(values_.size()) / columns_;
  }

  const WindowOptions options_;
  int64_t size_ = 0, hop_ = 0;  // rows; 0: nothing came yet
  int columns_ = 0;
  double rate_hz_ = 0;
  std::shared_ptr<const std::vector<std::string>> names_;
  std::vector<float> values_;    // that wait, row by row
  int64_t skip_ = 0;             // rows that are still to come before the next window
  int64_t counted_ = 0;          // rows of the stream that came
  uint64_t expected_ = 0;        // sequence of the next frame
  uint64_t source_stream_ = 0;   // of the last frame
  uint64_t stream_ = 0;          // of windows
  int64_t last_capture_ns_ = 0;  // of the last row that waits
  std::string frame_name_;       // of the frame that it came with
  uint64_t given_ = 0;
};

}  // namespace inferd::pipeline

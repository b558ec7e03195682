// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace inferd::pipeline {

// Lets through one of `every` frames, and no more than `max_fps` by their times of capture (0:
// all). On average it is as many as that, however the frames' times tremble. Of one thread.
class RateLimit {
 public:
  RateLimit(int every, double max_fps)
      : every_(every), interval_ns_(max_fps > 0 ? static_cast<int64_t>(1e9 / max_fps) : 0) {}

  bool passes(int64_t capture_ns) {
    const bool turn = seen_ == 0;
    seen_ = (seen_ + 1) % every_;
    if (!turn) return false;
    if (interval_ns_ == 0) return true;
    if (capture_ns < due_ns_) return false;
    due_ns_ += interval_ns_;
    if (due_ns_ <= capture_ns) due_ns_ = capture_ns + interval_ns_;  // after a gap
    return true;
  }

 private:
  const int every_;
  const int64_t interval_ns_;
  int seen_ = 0;
  int64_t due_ns_ = 0;  // CLOCK_MONOTONIC
};

}  // namespace inferd::pipeline

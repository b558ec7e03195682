// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace inferd::pipeline {

// 0: no limit.
inline int64_t interval_of(double max_fps) {
  return max_fps > 0 ? static_cast<int64_t>(1e9 / max_fps) : 0;
}

// Lets through one frame in each interval by their times of capture. On average it is as many as
// that, however the frames' times tremble. Of one thread.
class Pace {
 public:
  bool passes(int64_t capture_ns, int64_t interval_ns) {
    if (interval_ns == 0) return true;
    if (capture_ns < due_ns_) return false;
    due_ns_ += interval_ns;
    if (due_ns_ <= capture_ns) due_ns_ = capture_ns + interval_ns;  // after a gap
    return true;
  }

 private:
  int64_t due_ns_ = 0;  // CLOCK_MONOTONIC
};

// Lets through one of `every` frames, and no more than `max_fps` by their times of capture (0:
// all). Of one thread.
class RateLimit {
 public:
  RateLimit(int every, double max_fps) : every_(every), interval_ns_(interval_of(max_fps)) {}

  bool passes(int64_t capture_ns) {
    const bool turn = seen_ == 0;
    seen_ = (seen_ + 1) % every_;
    return turn && pace_.passes(capture_ns, interval_ns_);
  }

 private:
  const int every_;
  const int64_t interval_ns_;
  int seen_ = 0;
  Pace pace_;
};

}  // namespace inferd::pipeline

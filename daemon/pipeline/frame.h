// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "media/image.h"
#include "media/picture.h"

namespace inferd::pipeline {

// What a sensor measured since its last frame: audio, accelerations, points. `rows` moments (or
// points) of `columns` values each, row by row.
struct Samples {
  int rows = 0, columns = 0;  // 0: none
  double rate_hz = 0;         // moments a second; 0: not at a rate
  std::vector<float> values;
  // What the columns are ("x", "y", "z"), where the source knows; the same for all its frames.
  std::shared_ptr<const std::vector<std::string>> names;
};

// What becomes of a frame, for whoever gave it. Thread-safe.
class Fate {
 public:
  // Of several nodes the one that did most with it tells.
  enum Value : uint8_t {
    kOverwritten,  // a newer one came before a node had time for it
    kSkipped,      // by `every` or `max_fps`
    kStale,        // the deadline had passed
    kStopped,      // the pipeline was stopped
    kFailed,       // it could not be decoded, or a stage refused it
    kUsed,         // a node has finished it
  };
  void note(Value value) {
    uint8_t seen = value_.load(std::memory_order_relaxed);
    while (seen < value && !value_.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
    }
  }
  Value value() const { return static_cast<Value>(value_.load(std::memory_order_relaxed)); }

 private:
  std::atomic<uint8_t> value_{kOverwritten};
};

// A picture, or samples, or both. Filled by a source, then only read until nobody has it any more;
// its buffers are used again.
struct Frame {
  media::Picture picture;             // of `image`, or of memory that `lease` keeps
  media::Image image;                 // for sources that have to write their pixels somewhere
  std::shared_ptr<const void> lease;  // gone as soon as nobody reads the frame any more
  Samples samples;
  uint64_t sequence = 0;  // from 1
  // Changes where what came before does not join it: the source was opened again, or samples of a
  // window are missing.
  uint64_t stream = 0;
  int64_t capture_ns = 0;  // CLOCK_MONOTONIC; of samples: of the last one
  // How long the stream's samples had lasted up to the last one, however late it was looked at.
  // Where `window` counted that; else 0.
  int64_t lasted_ns = 0;
  std::string name;      // file name for image sources
  Fate* fate = nullptr;  // of `lease`; null: nobody asks

  // Which frame it is: one that is made of another one is the same to all that come later.
  void identify_as(const Frame& other) {
    sequence = other.sequence;
    stream = other.stream;
    capture_ns = other.capture_ns;
    lasted_ns = other.lasted_ns;
    name = other.name;
  }
};

// What is known of frames before there are any.
struct Signal {
  bool samples = false;       // else pictures
  int rows = 0, columns = 0;  // of samples; 0: as they come
  double seconds = 0;         // that they last, where only that is known; else 0
};

// A frame of a Pool<SharedFrame>: several pipelines may read it.
struct SharedFrame : Frame {
  void recycle() {
    fate = nullptr;
    lease.reset();
  }
};

}  // namespace inferd::pipeline

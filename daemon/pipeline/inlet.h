// SPDX-License-Identifier: Apache-2.0
//
// Where frames of other processes come in: servers put them there, sources `push` take them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/pipeline/frame.h"

namespace inferd::pipeline {

// A frame as another process gives it. Nothing in it is believed before Inlet::put() has seen it;
// `bytes` may change at any time.
struct PushedFrame {
  enum class Kind : uint8_t {
    kPixels,   // as they are
    kEncoded,  // JPEG or PNG, which must not change any more
    kSamples,  // rows of `columns` float32
  };
  Kind kind = Kind::kPixels;
  std::span<const std::byte> bytes;  // of `lease`
  int width = 0, height = 0;         // of pixels, as all below
  media::PixelFormat format = media::PixelFormat::kRgb;
  size_t stride = 0;       // bytes; 0: rows have no padding; see media::strided_picture()
  int columns = 0;         // of samples
  int64_t capture_ns = 0;  // CLOCK_MONOTONIC; 0: now
  // Tells what became of the frame, and is gone as soon as nobody needs the bytes any more.
  std::shared_ptr<Fate> lease;
};

// What frames of an inlet are.
struct InletShape {
  int width = 0, height = 0;  // of pictures, pixels
  media::PixelFormat format = media::PixelFormat::kRgb;
  std::shared_ptr<const std::vector<std::string>> columns;  // of samples; null: pictures
};

// Frames that wait for one source: the newest few. Thread-safe.
class Inlet {
 public:
  Inlet(std::string name, InletShape shape, size_t capacity);
  ~Inlet();
  Inlet(const Inlet&) = delete;
  Inlet& operator=(const Inlet&) = delete;

  const std::string& name() const { return name_; }
  const InletShape& shape() const { return shape_; }

  // Checks a frame and lets it wait; when it is full, the oldest goes. Gives the time of its
  // capture, which is never later than now. INVALID_ARGUMENT: it is not as the source is
  // configured, and the message says how that is. UNAVAILABLE: nobody takes frames now.
  Result<int64_t> put(PushedFrame frame);

  // For the source: takes frames from now on, and gives up those that wait.
  void open();
  void close();
  // The oldest that waits. False: none does.
  bool take(PushedFrame& frame);
  // Readable while one waits, and perhaps without; -1 where the process had no file left.
  int fd() const { return fd_; }

 private:
  Status check(const PushedFrame& frame) const;

  const std::string name_;
  const InletShape shape_;
  const size_t capacity_;
  const int fd_;
  std::mutex mutex_;
  bool is_open_ = false;             // by mutex_
  std::vector<PushedFrame> frames_;  // by mutex_; oldest first
};

// The inlets that take frames, by their names. Thread-safe.
class Inlets {
 public:
  // ALREADY_EXISTS: another one has this name.
  Status add(std::shared_ptr<Inlet> inlet);
  // Does nothing for one that is not there.
  void remove(const Inlet& inlet);

  // NOT_FOUND names those that are there. Else what Inlet::put() says.
  Result<int64_t> put(std::string_view name, PushedFrame frame) const;
  // NOT_FOUND as put().
  Result<std::shared_ptr<Inlet>> find(std::string_view name) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Inlet>, std::less<>> inlets_;  // by mutex_
};

}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
//
// Videos that are written: JPEG pictures, each with its own time, as Matroska (RFC 9559).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "inferd/engine/status.h"

namespace inferd::media {

// Written to PATH.part, which becomes PATH when it is finished, and goes when it never is. What a
// crash leaves of PATH.part ends with a whole picture, or a part of one that repair() cuts off.
// Used by one thread.
class VideoFile {
 public:
  // UNAVAILABLE: PATH.part is there, or cannot be made; the message does not name it.
  static Result<std::unique_ptr<VideoFile>> create(const std::string& path, int width, int height);
  ~VideoFile();
  VideoFile(const VideoFile&) = delete;
  VideoFile& operator=(const VideoFile&) = delete;

  // `at_ns`: after the first picture, 0 or more, and not before the last one's. After an error
  // (UNAVAILABLE, the disk's) the file can only be given up.
  Status add(std::span<const uint8_t> jpeg, int64_t at_ns);
  // With an index for seeking; waits for the disk. Nothing can be added any more.
  Status finish();

  int64_t bytes() const { return static_cast<int64_t>(size_); }
  uint64_t pictures() const { return pictures_; }

  // Finishes what a crash has left of PATH.part, or removes it. UNAVAILABLE: somebody still writes
  // it, or the disk fails; DATA_LOSS: there is not even one picture in it.
  static Status repair(const std::string& path);

 private:
  VideoFile(std::string path, int fd, uint64_t width, uint64_t height)
      : path_(std::move(path)), fd_(fd), width_(width), height_(height) {}
  void note(uint64_t at_ms, uint64_t bytes);
  Status recount();

  struct Cue {
    uint64_t at_ms, at;  // in the segment
  };

  const std::string path_;
  int fd_ = -1;  // -1: finished
  const uint64_t width_, height_;
  uint64_t size_ = 0;
  uint64_t pictures_ = 0, last_ms_ = 0;
  std::vector<Cue> cues_;  // of one picture a second
};

}  // namespace inferd::media

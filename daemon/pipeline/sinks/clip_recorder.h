// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/pipeline/result.h"
#include "daemon/pipeline/sinks/kept_files.h"
#include "daemon/pipeline/wanted.h"
#include "media/video_file.h"

namespace inferd::pipeline {

struct ClipOptions {
  Wanted wanted = {};  // of which detections the text beside a clip speaks
  int64_t before_ns = 0, after_ns = 0, max_clip_ns = 0;
  size_t before_bytes = 0;     // of pictures that are kept for the next event
  int64_t max_clip_bytes = 0;  // a clip ends when it has that many
};

struct EncodedPicture {
  std::vector<uint8_t> jpeg;
  int width = 0, height = 0;
  int64_t capture_ns = 0;
};

// Clips of what one camera sees around events: a .mkv each, and a .json that says what was seen.
// Used by one thread.
class ClipRecorder {
 public:
  static constexpr const char* kVideo = ".mkv";
  static constexpr const char* kText = ".json";

  // `options` and `files` (with these extensions) outlive it.
  ClipRecorder(const ClipOptions& options, KeptFiles& files, std::string prefix)
      : options_(options), files_(files), prefix_(std::move(prefix)) {}

  // A picture, in the order of capture. `event`: what makes this picture one of an event, or null.
  // UNAVAILABLE: the disk fails, and the clip that was being written is gone; it is tried again
  // with a picture a second later.
  Status add(EncodedPicture picture, const FrameResult* event);
  // Ends the clip, if there is one.
  Status finish();

  // Since when no picture has come.
  int64_t silent_for(int64_t now_ns) const { return now_ns - heard_ns_; }
  bool recording() const { return file_ != nullptr; }
  bool failed() const { return failed_; }        // and not yet again succeeded
  uint64_t dropped() const { return dropped_; }  // pictures of events that are in no clip

 private:
  struct Seen {
    uint64_t frames = 0;
    float best_score = 0;
  };

  void remember(EncodedPicture picture);
  Status begin(const EncodedPicture& first);
  Status append(const EncodedPicture& picture);
  Status fail(const Status& why);
  void note(const FrameResult& event);
  std::string text() const;

  const ClipOptions& options_;
  KeptFiles& files_;
  const std::string prefix_;
  bool found_ = false;  // what earlier runs have left

  std::deque<EncodedPicture> before_;  // of no clip, oldest first
  size_t before_bytes_ = 0;

  int64_t heard_ns_ = 0;                    // when the last picture came
  int64_t now_ns_ = 0;                      // capture of the last picture
  FrameResult event_;                       // the last one
  int64_t event_ns_ = 0;                    // its capture; 0: there was none
  std::unique_ptr<media::VideoFile> file_;  // null: not recording
  std::string path_;                        // of the clip, without extension
  int64_t taken_bytes_ = 0;                 // of files_
  EncodedPicture first_;                    // of the clip, without its bytes
  int64_t last_ns_ = 0;                     // of its last picture
  FrameResult first_event_;
  std::map<std::string, Seen> seen_;
  bool failed_ = false;
  int64_t retry_ns_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace inferd::pipeline

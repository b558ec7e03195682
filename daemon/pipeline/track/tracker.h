// SPDX-License-Identifier: Apache-2.0
//
// Which detection of this frame is which thing of the frames before.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "daemon/pipeline/result.h"
#include "daemon/pipeline/track/assignment.h"
#include "daemon/pipeline/track/box_filter.h"

namespace inferd::pipeline {

// Overlaps are intersections over unions; a pair must have more than the least.
struct TrackerOptions {
  float high = 0.5F;   // detections with at least this score are looked at first
  float low = 0.1F;    // those from here on only continue a track; the others are nothing
  float start = 0.6F;  // what a detection needs to begin a track
  float iou = 0.2F, iou_low = 0.5F, iou_new = 0.3F;
  int max_age = 30;       // frames that a track lives without being seen
  int min_hits = 2;       // frames in a row in which a thing must be seen to become a track
  bool per_class = true;  // a track keeps its class
  bool motion = true;     // false: things are looked for where they were last
};

// ByteTrack (arXiv 2110.06864, algorithm 1), which is SORT (arXiv 1602.00763) with a second look:
//  1. where each track is now is predicted (box_filter.h);
//  2. detections with a high score are given to tracks, those that were lost included, so that
//     overlaps above the least add up to the most (assignment.h);
//  3. tracks that were there in the last frame and got nothing are given detections with a low
//     score, which mostly are things that something else half covers;
//  4. what is left of the high ones is given to beginnings of tracks, or begins one.
// With `low` = `high`, step 3 has nothing to give and this is SORT.
//
// A beginning that is not seen again in the next frame is forgotten. A track that is not seen is
// kept for `max_age` frames and then forgotten; numbers are not given twice.
// Used by one thread at a time; allocates nothing once it has seen as many things as there are.
class Tracker {
 public:
  static constexpr size_t kMaxTracks = 1000;      // more are not begun
  static constexpr size_t kMaxDetections = 1000;  // of a frame; the best ones are looked at

  explicit Tracker(const TrackerOptions& options) : options_(options) {}

  // Sets `track_id` of the detections: 0 for those that belong to no track (yet). `frames`: how
  // many the camera has taken since the last call, 1 when none was dropped. `aspect`: of a frame,
  // width over height. Detections that are empty or no numbers are left out.
  void update(uint64_t frames, float aspect, std::span<Detection> detections);

 private:
  struct Track {
    uint64_t id;  // 0: a beginning
    int class_id;
    int hits;      // frames in which it was seen
    uint64_t age;  // frames since it was seen; 0: in this one
    BoxFilter filter;
    Box box;       // where it should be now, relative to the frame
    bool matched;  // in this frame
    bool lost;     // before this frame
  };
  using Wanted = bool (*)(const Track&);

  void predict(uint64_t frames, float aspect);
  void sort_by_score(std::span<const Detection> detections);
  // Gives detections of `open` to tracks that are wanted and have none; takes them out of `open`.
  void match(std::span<Detection> detections, std::vector<size_t>& open, float least,
             Wanted wanted);
  void see(Track& track, Detection& detection);
  void begin_tracks(std::span<Detection> detections);

  const TrackerOptions options_;
  float aspect_ = 1;
  uint64_t last_id_ = 0;
  std::vector<Track> tracks_;
  Assignment assignment_;
  std::vector<size_t> high_, low_;  // detections without a track yet, best first
  std::vector<size_t> candidates_;  // tracks of one match()
  std::vector<float> weights_;      // of candidates_ with detections
};

}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/track/tracker.h"

#include <algorithm>
#include <cmath>

#include "daemon/pipeline/track/overlap.h"

namespace inferd::pipeline {
namespace {

bool sane(const Detection& d) {
  const Box& b = d.box;
  return std::isfinite(b.x_min) && std::isfinite(b.y_min) && std::isfinite(b.x_max) &&
         std::isfinite(b.y_max) && b.x_max > b.x_min && b.y_max > b.y_min;
}

// Between parts of the frame and frame heights.
Box stretched(const Box& box, float factor) {
  return {box.x_min * factor, box.y_min, box.x_max * factor, box.y_max};
}

}  // namespace

void Tracker::predict(uint64_t frames, float aspect) {
  if (aspect != aspect_) tracks_.clear();  // another camera, or another mode of it
  aspect_ = aspect;
  // Who has been away for longer than a track lives is forgotten below, wherever it would be.
  const uint64_t steps = std::min(frames, static_cast<uint64_t>(options_.max_age) + 2);
  for (Track& track : tracks_) {
    track.matched = false;
    track.lost = track.age > 0;
    track.age += steps;
    if (!options_.motion) continue;
    if (track.lost) track.filter.hold_height();
    for (uint64_t i = 0; i < steps; ++i) track.filter.predict();
    track.box = stretched(track.filter.box(), 1 / aspect_);
  }
}

void Tracker::sort_by_score(std::span<const Detection> detections) {
  high_.clear();
  low_.clear();
  for (size_t i = 0; i < detections.size(); ++i) {
    // Also drops NaN.
    if (!(detections[i].score >= options_.low) || !sane(detections[i])) continue;
    (detections[i].score >= options_.high ? high_ : low_).push_back(i);
  }
  const auto better = [&](size_t a, size_t b) {
    const float score_a = detections[a].score;
    const float score_b = detections[b].score;
    return score_a > score_b || (score_a == score_b && a < b);
  };
  std::sort(high_.begin(), high_.end(), better);
  std::sort(low_.begin(), low_.end(), better);
  high_.resize(std::min(high_.size(), kMaxDetections));
  low_.resize(std::min(low_.size(), kMaxDetections - high_.size()));
}

void Tracker::see(Track& track, Detection& detection) {
  track.class_id = detection.class_id;
  track.age = 0;
  track.matched = true;
  track.box = detection.box;
  track.filter.correct(stretched(detection.box, aspect_));
  if (track.id == 0 && ++track.hits >= options_.min_hits) track.id = ++last_id_;
  detection.track_id = track.id;
}

void Tracker::match(std::span<Detection> detections, std::vector<size_t>& open, float least,
                    Wanted wanted) {
  candidates_.clear();
  for (size_t t = 0; t < tracks_.size(); ++t) {
    if (!tracks_[t].matched && wanted(tracks_[t])) candidates_.push_back(t);
  }
  weights_.clear();
  for (const size_t t : candidates_) {
    for (const size_t d : open) {
      const bool possible = !options_.per_class || tracks_[t].class_id == detections[d].class_id;
      weights_.push_back(possible ? overlap(tracks_[t].box, detections[d].box) - least : 0);
    }
  }
  const auto chosen = assignment_.solve(weights_, candidates_.size(), open.size());
  constexpr size_t kTaken = SIZE_MAX;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    if (chosen[i] == Assignment::kNone) continue;
    size_t& d = open[static_cast<size_t>(chosen[i])];
    see(tracks_[candidates_[i]], detections[d]);
    d = kTaken;
  }
  std::erase(open, kTaken);
}

void Tracker::begin_tracks(std::span<Detection> detections) {
  for (const size_t d : high_) {
    if (!(detections[d].score >= options_.start) || tracks_.size() >= kMaxTracks) continue;
    const Box& box = detections[d].box;
    Track track{0,    detections[d].class_id, 1, 0, BoxFilter(stretched(box, aspect_)), box, true,
                false};
    if (options_.min_hits <= 1) track.id = ++last_id_;
    detections[d].track_id = track.id;
    tracks_.push_back(track);
  }
}

void Tracker::update(uint64_t frames, float aspect, std::span<Detection> detections) {
  for (Detection& d : detections) d.track_id = 0;
  predict(std::max<uint64_t>(frames, 1), aspect);
  // A track that was seen in the frame before this one has age 1 now.
  std::erase_if(
      tracks_, [&](const Track& t) { return t.age > static_cast<uint64_t>(options_.max_age) + 1; });
  sort_by_score(detections);
  match(detections, high_, options_.iou, [](const Track& t) { return t.id != 0; });
  match(detections, low_, options_.iou_low, [](const Track& t) { return t.id != 0 && !t.lost; });
  match(detections, high_, options_.iou_new, [](const Track& t) { return t.id == 0; });
  std::erase_if(tracks_, [](const Track& t) { return t.id == 0 && !t.matched; });
  begin_tracks(detections);
}

}  // namespace inferd::pipeline

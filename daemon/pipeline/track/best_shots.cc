// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/track/best_shots.h"

#include <algorithm>
#include <cmath>

namespace inferd::pipeline {
namespace {

// Pixels; the right and lower edges are outside.
struct Area {
  int x0, y0, x1, y1;
  int width() const { return x1 - x0; }
  int height() const { return y1 - y0; }
};

Area area_of(const Box& box, float margin, const media::Picture& frame) {
  const float dx = (box.x_max - box.x_min) * margin;
  const float dy = (box.y_max - box.y_min) * margin;
  const auto at = [](float part, int size) {
    const float pixel = std::round(part * static_cast<float>(size));
    return static_cast<int>(std::clamp(pixel, 0.F, static_cast<float>(size)));
  };
  return {at(box.x_min - dx, frame.width), at(box.y_min - dy, frame.height),
          at(box.x_max + dx, frame.width), at(box.y_max + dy, frame.height)};
}

float worth_of(const Detection& d, const media::Picture& frame) {
  const Area box = area_of(d.box, 0, frame);
  if (box.width() <= 0 || box.height() <= 0) return 0;
  const bool cut = box.x0 == 0 || box.y0 == 0 || box.x1 == frame.width || box.y1 == frame.height;
  const float side = std::sqrt(static_cast<float>(box.width()) * static_cast<float>(box.height()));
  return d.score * side * (cut ? 0.5F : 1.F);
}

}  // namespace

void BestShots::look_at(const media::Picture& frame, uint64_t number, const Detection& detection) {
  auto shot = std::lower_bound(shots_.begin(), shots_.end(), detection.track_id,
                               [](const Shot& s, uint64_t track) { return s.track_id < track; });
  if (shot == shots_.end() || shot->track_id != detection.track_id)
    shot = shots_.insert(shot, {detection.track_id, number, 0, {}});
  shot->last_frame = number;
  constexpr float kBetter = 1.1F;
  const float worth = worth_of(detection, frame);
  if (!(worth > shot->worth * kBetter)) return;
  shot->worth = worth;
  bytes_ -= shot->image.pixels.size();
  const Area area = area_of(detection.box, margin_, frame);
  media::to_rgb(media::crop(frame, area.x0, area.y0, area.width(), area.height()), shot->image);
  bytes_ += shot->image.pixels.size();
}

// Those that were not seen for the longest time go first.
void BestShots::make_room() {
  while (bytes_ > kMaxBytes) {
    const auto oldest =
        std::min_element(shots_.begin(), shots_.end(),
                         [](const Shot& a, const Shot& b) { return a.last_frame < b.last_frame; });
    bytes_ -= oldest->image.pixels.size();
    finished_.push_back(std::move(*oldest));
    shots_.erase(oldest);
  }
}

std::span<const Shot> BestShots::update(const media::Picture& frame, uint64_t number,
                                        std::span<const Detection> detections) {
  finished_.clear();
  for (const Detection& d : detections) {
    if (d.track_id != 0) look_at(frame, number, d);
  }
  std::erase_if(shots_, [&](Shot& shot) {
    if (number - shot.last_frame <= static_cast<uint64_t>(forget_)) return false;
    bytes_ -= shot.image.pixels.size();
    finished_.push_back(std::move(shot));
    return true;
  });
  make_room();
  std::erase_if(finished_, [](const Shot& shot) { return shot.image.pixels.empty(); });
  return finished_;
}

std::span<const Shot> BestShots::finish() {
  finished_ = std::move(shots_);
  shots_.clear();
  bytes_ = 0;
  std::erase_if(finished_, [](const Shot& shot) { return shot.image.pixels.empty(); });
  return finished_;
}

}  // namespace inferd::pipeline

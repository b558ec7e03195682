// SPDX-License-Identifier: Apache-2.0
//
// The picture on which each track was seen best.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "daemon/pipeline/result.h"
#include "media/picture.h"

namespace inferd::pipeline {

struct Shot {
  uint64_t track_id = 0;
  uint64_t last_frame = 0;  // in which the track was seen
  float worth = 0;
  media::Image image;  // the box and a margin around it
};

// A picture is worth score * sqrt(pixels of the box), and half of that when the box touches an edge
// of the frame, where a part of the thing is likely outside. A better picture takes the place of
// the one before when it is worth a tenth more, so that few are copied.
// Used by one thread at a time.
class BestShots {
 public:
  static constexpr size_t kMaxBytes = size_t{64} << 20;  // of pictures that are kept

  // `margin`: parts of the box's width and height on each side. `forget`: frames after which a
  // track that is not seen has ended.
  BestShots(float margin, int forget) : margin_(margin), forget_(forget) {}

  // Looks at a frame, whose numbers ascend. Returns the shots of tracks that have ended, and the
  // oldest ones where all do not fit in kMaxBytes: their tracks may come again with another one.
  // Valid until the next call.
  std::span<const Shot> update(const media::Picture& frame, uint64_t number,
                               std::span<const Detection> detections);
  // All that is left.
  std::span<const Shot> finish();

 private:
  void look_at(const media::Picture& frame, uint64_t number, const Detection& detection);
  void make_room();

  const float margin_;
  const int forget_;
  size_t bytes_ = 0;         // of shots_
  std::vector<Shot> shots_;  // by track
  std::vector<Shot> finished_;
};

}  // namespace inferd::pipeline

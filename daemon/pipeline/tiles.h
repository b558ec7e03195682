// SPDX-License-Identifier: Apache-2.0
//
// Large pictures in tiles: where these lie, and what becomes of things that several of them show.
#pragma once

#include <span>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/region.h"

namespace inferd::pipeline {

// Tiles of one size that cover a picture, row by row, each overlapping its neighbours by the part
// that is asked for or a little more: all begin and end at even pixels, where pixels that share
// their colours begin. The last of a row or column is moved inward, and then overlaps more. A
// picture that is smaller than a tile has one of its own size. With `whole`, the whole picture
// comes first, unless it is the only tile. RESOURCE_EXHAUSTED: more than Stage::kMaxLanes; then
// `tiles` is as it was. Allocates nothing when it has room for kMaxLanes.
Status lay_tiles(int width, int height, const config::TileConfig& config,
                 std::vector<Region>& tiles);

// Things that were found in tiles of one frame, as one list. For one thread; buffers are kept.
class TileMerger {
 public:
  void begin() { found_.clear(); }

  // What was found in one of `tiles`, in parts of it. Takes the detections.
  void add(std::span<const Region> tiles, size_t tile, const media::Picture& picture,
           std::vector<Detection>& detections);

  // Appends what was added, each thing once, best first, in parts of the picture.
  //
  // Of the same class in two tiles, what overlaps by more than `iou` is one thing, and the better
  // one stays. But where a tile's border cuts a thing, its part has a box of its own, which may
  // have a higher score than the whole thing in the next tile and overlaps little with it. So a box
  // that touches a border within the picture is taken for a part: all others come before it,
  // whatever their scores, and it goes where more than `iou` of itself lies in one of them. Parts
  // of which no tile has the whole (the overlap is smaller than the thing) remain, the largest
  // first. A whole thing that only happens to end at such a border loses nothing by that: it
  // remains as well, unless another tile shows it. What overlaps within one tile was left to be
  // by its stages, and is.
  void merge(float iou, std::vector<Detection>& to);

 private:
  struct Found {
    Detection detection;
    size_t tile = 0;
    bool cut = false;  // by a border of its tile that is none of the picture's
    float area = 0;
  };

  static bool is_same(const Found& candidate, const Found& kept, float iou);

  std::vector<Found> found_;
  std::vector<size_t> order_, kept_;  // of found_
};

}  // namespace inferd::pipeline

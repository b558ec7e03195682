// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/tiles.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "daemon/pipeline/stage.h"
#include "daemon/pipeline/track/overlap.h"

namespace inferd::pipeline {
namespace {

// Models place edges of what goes on beyond their picture a little inside of it.
constexpr float kTouches = 0.015F;  // of a tile's side

// Where tiles begin along one side of a picture.
struct Along {
  int side, tile, step;
  int64_t count;

  Along(int picture, int wanted, double overlap) : side(picture) {
    tile = std::min((wanted + 1) & ~1, side);
    step = std::max(static_cast<int>(tile * (1 - overlap)) & ~1, 2);
    count = tile == side ? 1 : (int64_t{side} - tile + step - 1) / step + 1;
  }
  int at(int64_t i) const { return static_cast<int>(std::min<int64_t>(i * step, side - tile)); }
};

std::string sides(int width, int height) {
  return std::to_string(width) + "x" + std::to_string(height);
}

// `box` is in parts of the region.
bool is_cut(const Box& box, const Region& r, const media::Picture& picture) {
  return (r.x > 0 && box.x_min < kTouches) || (r.y > 0 && box.y_min < kTouches) ||
         (r.x + r.width < picture.width && box.x_max > 1 - kTouches) ||
         (r.y + r.height < picture.height && box.y_max > 1 - kTouches);
}

}  // namespace

Status lay_tiles(int width, int height, const config::TileConfig& config,
                 std::vector<Region>& tiles) {
  const Along across(width, config.width, config.overlap);
  const Along down(height, config.height, config.overlap);
  const int64_t count = across.count * down.count;
  const bool whole = config.whole && count > 1;
  constexpr auto kMost = static_cast<int64_t>(Stage::kMaxLanes);
  if (count + (whole ? 1 : 0) > kMost) {
    return resource_exhausted("a picture of " + sides(width, height) + " pixels takes " +
                              std::to_string(count) + " tiles of " + sides(across.tile, down.tile) +
                              (whole ? " and the whole" : "") + ", and " + std::to_string(kMost) +
                              " are the most; make 'width' and 'height' of 'tile' larger, or "
                              "its 'overlap' smaller");
  }
  tiles.clear();
  if (whole) tiles.push_back({0, 0, width, height});
  for (int64_t y = 0; y < down.count; ++y) {
    for (int64_t x = 0; x < across.count; ++x)
      tiles.push_back({across.at(x), down.at(y), across.tile, down.tile});
  }
  return ok_status();
}

void TileMerger::add(std::span<const Region> tiles, size_t tile, const media::Picture& picture,
                     std::vector<Detection>& detections) {
  for (Detection& d : detections) {
    const bool cut = is_cut(d.box, tiles[tile], picture);
    to_picture(tiles[tile], picture, d);
    const float size = area(d.box);
    found_.push_back({std::move(d), tile, cut, size > 0 ? size : 0});  // whatever the box is
  }
  detections.clear();
}

bool TileMerger::is_same(const Found& candidate, const Found& kept, float iou) {
  if (candidate.tile == kept.tile || candidate.detection.class_id != kept.detection.class_id)
    return false;
  if (!candidate.cut) return overlap(candidate.detection.box, kept.detection.box) > iou;
  return shared_area(candidate.detection.box, kept.detection.box) > iou * candidate.area;
}

void TileMerger::merge(float iou, std::vector<Detection>& to) {
  // By number, because std::stable_sort allocates.
  order_.resize(found_.size());
  std::iota(order_.begin(), order_.end(), size_t{0});
  std::sort(order_.begin(), order_.end(), [&](size_t i, size_t j) {
    const Found &a = found_[i], &b = found_[j];
    if (a.cut != b.cut) return b.cut;
    const float value_a = a.cut ? a.area : a.detection.score;
    const float value_b = b.cut ? b.area : b.detection.score;
    return value_a > value_b || (value_a == value_b && i < j);
  });
  kept_.clear();
  for (const size_t i : order_) {
    const bool known = std::any_of(kept_.begin(), kept_.end(), [&](size_t kept) {
      return is_same(found_[i], found_[kept], iou);
    });
    if (!known) kept_.push_back(i);
  }
  std::sort(kept_.begin(), kept_.end(), [&](size_t i, size_t j) {
    const float a = found_[i].detection.score, b = found_[j].detection.score;
    return a > b || (a == b && i < j);
  });
  for (const size_t i : kept_) to.push_back(std::move(found_[i].detection));
  found_.clear();
}

}  // namespace inferd::pipeline

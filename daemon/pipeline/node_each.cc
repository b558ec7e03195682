// SPDX-License-Identifier: Apache-2.0
//
// Nodes whose stages are done for parts of a frame: for what is in its boxes, or for its tiles.
#include <algorithm>
#include <cmath>

#include "daemon/pipeline/node.h"
#include "media/picture.h"

namespace inferd::pipeline {
namespace {

using schedule::now_ns;

// The picture below a box. Even, so that pixels that share their colours stay together.
Region region_of(const Box& box, double margin, const media::Picture& picture) {
  const double dx = (box.x_max - box.x_min) * margin;
  const double dy = (box.y_max - box.y_min) * margin;
  const auto low = [](double part, int size) {
    return static_cast<int>(std::clamp(std::floor(part * size), 0.0, size - 1.0)) & ~1;
  };
  const auto high = [](double part, int size) {
    return std::min(
        (static_cast<int>(std::clamp(std::ceil(part * size), 1.0, size * 1.0)) + 1) & ~1, size);
  };
  Region r{low(box.x_min - dx, picture.width), low(box.y_min - dy, picture.height), 0, 0};
  r.width = std::max(high(box.x_max + dx, picture.width) - r.x, 1);
  r.height = std::max(high(box.y_max + dy, picture.height) - r.y, 1);
  return r;
}

}  // namespace

void Node::prepare_lane(Lane& lane, const Work& work, size_t number) {
  const Region& r = regions_[number];
  lane.frame.picture = media::crop(work.frame->picture, r.x, r.y, r.width, r.height);
  lane.frame.identify_as(*work.frame);
  lane.work.hold.reset();
  lane.work.frame = &lane.frame;
  lane.work.deadline_ns = work.deadline_ns;
  lane.work.lane = number;
  lane.work.joined = work.joined;
  lane.work.clear_results();
}

// The first stage begins with all regions before it is waited for: a model takes them as a batch.
void Node::run_lanes(const Work& work) {
  while (lanes_.size() < regions_.size()) lanes_.push_back(std::make_unique<Lane>());
  Stage& first = *parts_.stages[0].stage;
  for (size_t i = 0; i < regions_.size(); ++i) {
    Lane& lane = *lanes_[i];
    prepare_lane(lane, work, i);
    const int64_t start = now_ns();
    const Status status = first.start(lane.work);
    meters_[0].total_ns.fetch_add(now_ns() - start, std::memory_order_relaxed);
    lane.good = status.ok() || fail(0, status);
  }
  for (size_t i = 0; i < regions_.size(); ++i)
    lanes_[i]->good = lanes_[i]->good && run_stages(lanes_[i]->work, true);
}

// Nobody holds a model or a picture from frame to frame.
void Node::clear_lanes() {
  for (size_t i = 0; i < regions_.size(); ++i) {
    lanes_[i]->work.model.reset();
    lanes_[i]->work.hold.reset();
    lanes_[i]->frame.picture = {};
  }
}

void Node::choose_boxes(const Work& work) {
  boxes_.clear();
  for (size_t i = 0; i < work.detections.size(); ++i) {
    const Detection& d = work.detections[i];
    if (wanted_.takes(d) && d.box.x_max > d.box.x_min && d.box.y_max > d.box.y_min)
      boxes_.push_back(i);
  }
  std::sort(boxes_.begin(), boxes_.end(), [&](size_t a, size_t b) {
    return work.detections[a].score > work.detections[b].score;
  });
  const config::EachConfig& each = *parts_.config->each;
  if (boxes_.size() > static_cast<size_t>(each.max)) boxes_.resize(static_cast<size_t>(each.max));
  regions_.clear();
  for (const size_t i : boxes_)
    regions_.push_back(region_of(work.detections[i].box, each.margin, work.frame->picture));
}

// What fails for a box costs that box's results only.
bool Node::run_for_each_box(Work& work) {
  choose_boxes(work);
  run_lanes(work);
  for (size_t i = 0; i < boxes_.size(); ++i) {
    if (lanes_[i]->good) merge_box(lanes_[i]->work, regions_[i], work.detections[boxes_[i]], work);
  }
  clear_lanes();
  return true;
}

// What was found in a box is said of it; things in it get places in the whole frame.
void Node::merge_box(Work& found, const Region& region, Detection& box, Work& work) {
  box.classes = found.classes;
  box.text = found.text;
  for (Detection& d : found.detections) {
    to_picture(region, work.frame->picture, d);
    work.detections.push_back(d);  // `box` is no more
  }
  work.values.insert(work.values.end(), found.values.begin(), found.values.end());
}

// A frame of which a tile failed fails: nobody could tell what is missing from what is not there.
bool Node::run_for_each_tile(Work& work) {
  const config::TileConfig& tile = *parts_.config->each->tile;
  const media::Picture& picture = work.frame->picture;
  told_ = false;
  if (picture.width != tiled_width_ || picture.height != tiled_height_) {
    regions_.reserve(Stage::kMaxLanes);
    const Status laid = lay_tiles(picture.width, picture.height, tile, regions_);
    if (!laid.ok()) return fail(0, laid);
    tiled_width_ = picture.width;
    tiled_height_ = picture.height;
  }
  run_lanes(work);
  const bool good = !told_;
  merger_.begin();
  for (size_t i = 0; good && i < regions_.size(); ++i) {
    if (lanes_[i]->good) merger_.add(regions_, i, picture, lanes_[i]->work.detections);
  }
  merger_.merge(static_cast<float>(tile.iou), work.detections);
  clear_lanes();
  return good;
}

}  // namespace inferd::pipeline

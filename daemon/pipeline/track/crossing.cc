// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/track/crossing.h"

#include <algorithm>
#include <cmath>

namespace inferd::pipeline {

bool is_inside(std::span<const Point> polygon, Point point) {
  bool inside = false;
  for (size_t i = 0, j = polygon.size() - 1; i < polygon.size(); j = i++) {
    const Point& a = polygon[i];
    const Point& b = polygon[j];
    if ((a.y > point.y) == (b.y > point.y)) continue;
    if (point.x < (b.x - a.x) * (point.y - a.y) / (b.y - a.y) + a.x) inside = !inside;
  }
  return inside;
}

float distance(Point point, Point a, Point b) {
  const float dx = b.x - a.x;
  const float dy = b.y - a.y;
  const float length = dx * dx + dy * dy;
  const float along = length > 0 ? ((point.x - a.x) * dx + (point.y - a.y) * dy) / length : 0;
  const float t = std::clamp(along, 0.F, 1.F);
  return std::hypot(point.x - (a.x + t * dx), point.y - (a.y + t * dy));
}

float side_of(Point point, Point a, Point b) {
  return (b.x - a.x) * (point.y - a.y) - (b.y - a.y) * (point.x - a.x);
}

bool passes_between(Point from, Point to, Point a, Point b) {
  const float side_a = side_of(a, from, to);
  const float side_b = side_of(b, from, to);
  return (side_a <= 0 && side_b >= 0) || (side_a >= 0 && side_b <= 0);
}

bool Counter::is_beyond(Point point) const {
  const std::vector<Point>& shape = options_.shape;
  return shape.size() == 2 ? side_of(point, shape[0], shape[1]) > 0 : is_inside(shape, point);
}

bool Counter::is_certain(Point point) const {
  const std::vector<Point>& shape = options_.shape;
  if (shape.size() == 2) {
    // From the endless line: a side is one of the whole picture.
    const float length = std::hypot(shape[1].x - shape[0].x, shape[1].y - shape[0].y);
    return std::abs(side_of(point, shape[0], shape[1])) >= options_.margin * length;
  }
  for (size_t i = 0, j = shape.size() - 1; i < shape.size(); j = i++) {
    if (distance(point, shape[i], shape[j]) < options_.margin) return false;
  }
  return true;
}

void Counter::move(Memory& memory, Point point, Count& count) const {
  if (!is_certain(point)) return;
  const bool beyond = is_beyond(point);
  const bool counts = options_.shape.size() != 2 ||
                      passes_between(memory.point, point, options_.shape[0], options_.shape[1]);
  if (beyond != memory.beyond && counts) ++(beyond ? count.in : count.out);
  memory.beyond = beyond;
  memory.point = point;
}

Count& Counter::count_of(const Detection& detection) {
  const auto place =
      std::lower_bound(counts_.begin(), counts_.end(), detection.class_id,
                       [](const Count& c, int class_id) { return c.class_id < class_id; });
  if (place != counts_.end() && place->class_id == detection.class_id) return *place;
  Count count;
  count.name = options_.name;
  count.class_id = detection.class_id;
  count.label = detection.label;
  return *counts_.insert(place, std::move(count));
}

void Counter::update(uint64_t frame, std::span<const Detection> detections) {
  std::erase_if(memories_, [&](const Memory& m) {
    return frame - m.frame > static_cast<uint64_t>(options_.forget);
  });
  for (Count& count : counts_) count.inside = 0;
  for (const Detection& d : detections) {
    if (d.track_id == 0) continue;
    const Point point{(d.box.x_min + d.box.x_max) / 2,
                      options_.bottom ? d.box.y_max : (d.box.y_min + d.box.y_max) / 2};
    auto memory = std::lower_bound(memories_.begin(), memories_.end(), d.track_id,
                                   [](const Memory& m, uint64_t track) { return m.track < track; });
    if (memory == memories_.end() || memory->track != d.track_id)
      memory = memories_.insert(memory, {d.track_id, frame, point, is_beyond(point)});
    memory->frame = frame;
    Count& count = count_of(d);
    move(*memory, point, count);
    if (options_.shape.size() != 2 && memory->beyond) ++count.inside;
  }
}

}  // namespace inferd::pipeline

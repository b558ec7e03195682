// SPDX-License-Identifier: Apache-2.0
//
// What goes over a line, or in and out of a zone. Coordinates are relative to the frame, y down.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "daemon/pipeline/result.h"

namespace inferd::pipeline {

struct Point {
  float x = 0, y = 0;
};

// By the even-odd rule, so that a polygon may cross itself. Three points or more.
bool is_inside(std::span<const Point> polygon, Point point);

// From `point` to the nearest point of the line between `a` and `b`.
float distance(Point point, Point a, Point b);

// Above 0 for points to the right of the way from `a` to `b` as one sees it on the picture, below 0
// for points to its left.
float side_of(Point point, Point a, Point b);

// Whether the way from `from` to `to`, which lie on different sides of the line through `a` and
// `b`, leads between the two.
bool passes_between(Point from, Point to, Point a, Point b);

struct CounterOptions {
  std::string name;
  std::vector<Point> shape;  // two: a line; more: a zone
  bool bottom = true;    // things are where their box's lower edge is in the middle; or its centre
  float margin = 0.01F;  // how far something must be beyond an edge to be on its other side
  int forget = 300;      // frames after which a track that is not seen is forgotten
};

// Counts tracks by class. A line counts `in` what goes from its left to its right, seen from its
// first point to its second, and `out` what comes back; only what passes between its two points
// counts. A zone counts what goes in and out and tells what is inside; what appears or vanishes
// inside was not seen to cross anything and is in neither number.
// Used by one thread at a time.
class Counter {
 public:
  explicit Counter(CounterOptions options) : options_(std::move(options)) {}

  // `frame`: the frame's number, ascending. Detections without a track are not counted.
  void update(uint64_t frame, std::span<const Detection> detections);

  // One for each class that has ever been counted or is inside, by class; names are set.
  const std::vector<Count>& counts() const { return counts_; }

 private:
  struct Memory {
    uint64_t track;
    uint64_t frame;  // when it was last seen
    Point point;     // where it was when its side was last certain
    bool beyond;     // to the right of the line, or inside the zone
  };

  bool is_beyond(Point point) const;
  bool is_certain(Point point) const;  // farther than the margin from every edge
  void move(Memory& memory, Point point, Count& count) const;
  Count& count_of(const Detection& detection);

  const CounterOptions options_;
  std::vector<Memory> memories_;  // by track
  std::vector<Count> counts_;     // by class
};

}  // namespace inferd::pipeline

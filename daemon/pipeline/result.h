// SPDX-License-Identifier: Apache-2.0
//
// What a pipeline says about one frame.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace inferd::pipeline {

// Corners relative to the source frame, 0..1, y down.
struct Box {
  float x_min = 0, y_min = 0, x_max = 0, y_max = 0;
};

struct Keypoint {
  float x = 0, y = 0;  // relative to the source frame; may lie outside of it
  float score = 1;     // 0..1; 1 where the model does not judge its points
};

// What a picture, or the part in a box, shows.
struct ClassScore {
  int class_id = 0;
  float score = 0;  // as the model gives it; 0..1 after a softmax
  std::string label;
};

struct Detection {
  Box box;
  float score = 0;  // 0..1
  int class_id = 0;
  std::string label;  // "" when the model has no labels
  std::vector<Keypoint> keypoints;
  uint64_t track_id = 0;  // the same from frame to frame, from 1; 0: not tracked
  // What a second model says of what is in the box; nothing where none was asked.
  std::vector<ClassScore> classes = {};  // best first
  std::string text = {};
};

// A number that a stage gives: an anomaly score, a level, the value of an expression.
struct Value {
  std::string name;
  double value = 0;
};

// How much of the frame a class covers.
struct ClassArea {
  int class_id = 0;
  float fraction = 0;  // of the frame, 0..1
  std::string label;
};

// The class of each place of the frame, on a grid of `width` times `height` cells of one size.
struct Mask {
  int width = 0, height = 0;   // 0: there is none
  std::vector<uint32_t> runs;  // class, length, class, length, ...; row by row, over rows' ends
};

// What went over a line, or in and out of a zone, since the pipeline started.
struct Count {
  std::string name;  // of the line or zone
  int class_id = 0;
  std::string label;
  uint64_t in = 0, out = 0;
  uint32_t inside = 0;  // of this frame's detections; 0 for lines
};

// Immutable once published; shared by all sinks and subscribers.
struct FrameResult {
  std::string pipeline;
  std::string node;           // that says it
  std::string source;         // node of the pipeline that its frame came from
  uint64_t sequence = 0;      // of the source's frames, from 1; gaps are dropped frames
  int64_t capture_ns = 0;     // CLOCK_MONOTONIC of the capture
  int64_t result_ns = 0;      // when the last stage finished
  int width = 0, height = 0;  // of the source frame, pixels
  std::string frame_name;     // file name for image sources
  std::vector<Detection> detections;
  std::vector<ClassScore> classes;  // best first
  std::vector<ClassArea> areas;     // largest first
  Mask mask;
  std::vector<Count> counts;  // by line or zone, then class
  std::vector<Value> values;
  std::string text;  // that was read or heard
};

}  // namespace inferd::pipeline

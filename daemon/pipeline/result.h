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
  float x = 0, y = 0;  // relative to the source frame
};

struct Detection {
  Box box;
  float score = 0;  // 0..1
  int class_id = 0;
  std::string label;  // "" when the model has no labels
  std::vector<Keypoint> keypoints;
};

// Immutable once published; shared by all sinks and subscribers.
struct FrameResult {
  std::string pipeline;
  uint64_t sequence = 0;      // of the source's frames, from 1; gaps are dropped frames
  int64_t capture_ns = 0;     // CLOCK_MONOTONIC of the capture
  int64_t result_ns = 0;      // when the last stage finished
  int width = 0, height = 0;  // of the source frame, pixels
  std::string frame_name;     // file name for image sources
  std::vector<Detection> detections;
};

}  // namespace inferd::pipeline

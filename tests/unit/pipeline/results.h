// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "daemon/pipeline/frame.h"
#include "daemon/pipeline/result.h"

namespace inferd::pipeline {

// A grey picture; the frame's view is of its own image.
inline std::unique_ptr<Frame> grey_frame(int width = 320, int height = 240, uint8_t grey = 100) {
  auto frame = std::make_unique<Frame>();
  frame->image.width = width;
  frame->image.height = height;
  frame->image.pixels.assign(static_cast<size_t>(width) * static_cast<size_t>(height) * 3, grey);
  frame->picture = media::view_of(frame->image);
  return frame;
}

// Of the pipeline "yard", with one thing of each label, numbered 0, 1, ..., in the same box.
inline FrameResult result_with(uint64_t sequence, const std::vector<std::string>& labels) {
  FrameResult result;
  result.pipeline = "yard";
  result.node = "people";
  result.sequence = sequence;
  result.capture_ns = 1'000'000 * static_cast<int64_t>(sequence);
  result.result_ns = result.capture_ns + 2'500'000;
  result.width = 320;
  result.height = 240;
  for (const std::string& label : labels) {
    Detection d;
    d.box = {0.25F, 0.25F, 0.75F, 0.75F};
    d.score = 0.9F;
    d.class_id = static_cast<int>(result.detections.size());
    d.label = label;
    result.detections.push_back(d);
  }
  return result;
}

}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
//
// Frames and results between the daemon and stages of shared libraries.
#pragma once

#include <string>
#include <vector>

#include "daemon/pipeline/stage.h"
#include "inferd/stage.h"

namespace inferd::pipeline {

// Of one thread; its buffers are used again.
class Exchange {
 public:
  // A view of the frame and what was found in it, until the next call or until they change.
  const inferd_stage_frame& show(const Work& work);

  // Puts what a stage gave for the frame that was shown into `work`. INVALID_ARGUMENT, and `work`
  // is as it was: numbers that are not finite, more than inferd/stage.h allows, null pointers.
  Status take(const inferd_stage_output& output, Work& work);

 private:
  void show_results(const Work& work);
  void copy_detections(const inferd_stage_output& output, const Work& work);

  inferd_stage_frame frame_{};
  std::vector<inferd_stage_detection> detections_;
  std::vector<inferd_stage_point> points_;
  std::vector<inferd_stage_value> values_;
  std::vector<Detection> taken_detections_;
  std::vector<Value> taken_values_;
  std::string taken_text_;
};

}  // namespace inferd::pipeline

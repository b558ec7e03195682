// SPDX-License-Identifier: Apache-2.0
//
// What happens to a frame between source and sinks. One file per family in stages/, one row each in
// stages/factory.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/models/repository.h"
#include "daemon/pipeline/frame.h"
#include "daemon/pipeline/result.h"
#include "media/preprocess.h"

namespace inferd::pipeline {

// A model's output, copied out of its context.
struct Tensor {
  DType dtype = DType::kFloat32;
  Shape shape;
  std::vector<std::byte> data;
  Quantization quantization = {};  // of the version that made it
};

// One frame on its way. Buffers are kept from frame to frame.
struct Work {
  const Frame* frame = nullptr;  // borrowed while stages and sinks work on it
  media::Placement placement;    // of the picture in the model's input; set by infer
  std::vector<Tensor> outputs;   // of the model; set by infer
  // That made the outputs; set by infer. Nobody holds it from frame to frame: it may be replaced.
  std::shared_ptr<const models::ModelVersion> model;
  // What the result will say; nothing when the first stage begins.
  std::vector<Detection> detections;
  std::vector<ClassScore> classes;
  std::vector<ClassArea> areas;
  Mask mask;
  std::vector<Count> counts;
};

// Used by its pipeline's thread only.
class Stage {
 public:
  virtual ~Stage() = default;
  // An error drops the frame; the pipeline goes on.
  virtual Status process(Work& work) = 0;
};

// What stages tell the ones after them while a pipeline is built. A stage takes from `model` what
// is the same for all versions that may follow: names, types and shapes of inputs and outputs.
// Scales, zero points and labels come with each frame.
struct StageContext {
  models::Repository& repository;  // outlives the stages
  std::string pipeline;            // for messages
  media::Preprocess preprocess;    // gathered by letterbox, normalize, ...; used by infer
  std::shared_ptr<const models::ModelVersion> model;  // set by infer
  bool tracked = false;                               // detections have tracks; set by track
};

// Null (and OK) for stages that only describe, such as normalize. Errors are "file:line:column:
// message".
Result<std::unique_ptr<Stage>> make_stage(const config::NodeConfig& node, StageContext& context);

}  // namespace inferd::pipeline

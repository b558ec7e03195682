// SPDX-License-Identifier: Apache-2.0
//
// What happens to a frame between source and sinks. One file per family in stages/, one row each in
// stages/factory.cc.
#pragma once

#include <memory>
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
};

// One frame on its way. Buffers are kept from frame to frame.
struct Work {
  const Frame* frame = nullptr;  // borrowed while stages and sinks work on it
  media::Placement placement;    // of the picture in the model's input; set by infer
  std::vector<Tensor> outputs;   // of the model; set by infer
  std::vector<Detection> detections;
};

// Used by its pipeline's thread only.
class Stage {
 public:
  virtual ~Stage() = default;
  // An error drops the frame; the pipeline goes on.
  virtual Status process(Work& work) = 0;
};

// What stages tell the ones after them while a pipeline is built.
struct StageContext {
  const models::Repository& repository;
  media::Preprocess preprocess;  // gathered by letterbox, normalize, ...; used by infer
  std::shared_ptr<const models::ModelVersion> model;  // set by infer
};

// Null (and OK) for stages that only describe, such as normalize. Errors are "file:line:column:
// message".
Result<std::unique_ptr<Stage>> make_stage(const config::NodeConfig& node, StageContext& context);

}  // namespace inferd::pipeline

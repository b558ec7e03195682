// SPDX-License-Identifier: Apache-2.0
//
// What a pipeline makes of one picture, whatever it is usually busy with.
#pragma once

#include <memory>
#include <vector>

#include "daemon/pipeline/pipeline.h"

namespace inferd::pipeline {

// A pipeline that is built for one picture and ends with it. Used by one thread.
class OnePictureRun {
 public:
  // The stages of `config` without what belongs to a stream (Pipelines::ask()); the picture takes
  // the place of each source of pictures, and others are silent. Copies `pixels`.
  // FAILED_PRECONDITION: the frames of its sources are no pictures. INVALID_ARGUMENT: the picture
  // is none, or why the pipeline cannot be built. RESOURCE_EXHAUSTED: the picture is too large.
  static Result<OnePictureRun> create(const config::PipelineConfig& config,
                                      models::Repository& repository, const Question& question);

  // Once. A result of each node that nobody reads, but for those where a stage saw no need to go
  // on. Where there is none because stages failed, what the last of them said. DEADLINE_EXCEEDED
  // after the question's time: the pipeline may still be at work then, and has to be stopped.
  Result<std::vector<FrameResult>> answer();

  const std::shared_ptr<Pipeline>& pipeline() const { return pipeline_; }

 private:
  OnePictureRun(std::shared_ptr<Pipeline> pipeline, int64_t timeout_ms)
      : pipeline_(std::move(pipeline)), timeout_ms_(timeout_ms) {}

  std::shared_ptr<Pipeline> pipeline_;
  int64_t timeout_ms_;
};

}  // namespace inferd::pipeline

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/pipeline/pipelines.h"
#include "daemon/pipeline/result.h"
#include "inferd/v1/pipeline.pb.h"

namespace inferd::serve {

// What is known of a pipeline, and what it says of a frame, as messages. `out` is empty before.
void fill(const pipeline::PipelineStatus& status, inferd::v1::PipelineStatus* out);
void fill(const pipeline::FrameResult& result, inferd::v1::FrameResult* out);

}  // namespace inferd::serve

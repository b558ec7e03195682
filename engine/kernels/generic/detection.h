// SPDX-License-Identifier: Apache-2.0
//
// kDetectionPostProcess without work for boxes that nobody will see: scores are compared with the
// threshold as they are stored, candidates come off a heap one after the other until enough are
// kept, and only those that come are decoded.
#pragma once

#include <memory>

#include "engine/kernels/kernel.h"

namespace inferd::kernels::generic {

bool accepts_detection_post_process(const OpDesc& op);
std::unique_ptr<Prepared> plan_detection_post_process(const OpDesc& op, const PackedWeights*);
void run_detection_post_process(const RunArgs& args);

}  // namespace inferd::kernels::generic

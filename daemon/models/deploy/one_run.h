// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "daemon/models/repository.h"
#include "media/npy.h"

namespace inferd::models {

struct OneRun {
  std::vector<media::Array> outputs;  // in the model's order
  int64_t compute_ns = 0;
};

// Runs a version once, in its own queue, and waits. `inputs` are in the model's order.
// DEADLINE_EXCEEDED when there is no answer for so long; it then still runs, on copies.
Result<OneRun> run_once(const std::shared_ptr<const ModelVersion>& version,
                        std::vector<media::Array> inputs, int64_t timeout_ms);

// Zeros for every input, dimensions of any size as 1.
std::vector<media::Array> blank_inputs(const Model& model);

}  // namespace inferd::models

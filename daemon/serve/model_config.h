// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/models/repository.h"
#include "inference/model_config.pb.h"

namespace inferd::serve {

// How a model is served, in Triton's words. A model that allows batches has its dimensions without
// the batch's, as Triton's clients expect; `max_batch_size` is how many requests' elements run
// together, a single request may carry more.
inference::ModelConfig describe_config(const models::ModelVersion& model);

}  // namespace inferd::serve

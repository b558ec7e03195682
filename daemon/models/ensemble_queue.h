// SPDX-License-Identifier: Apache-2.0
//
// A model that is made of others: what stands where other models have their queue. Nothing waits
// here; each step waits in the queue of its own model, with the deadline, priority and sequence of
// the request.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/config/config.h"
#include "daemon/models/repository.h"
#include "daemon/schedule/model_queue.h"

namespace inferd::models {

// What serves now; as Repository::find(). Outlives the ensemble.
using FindModel = std::function<Result<std::shared_ptr<const ModelVersion>>(
    const std::string&, int64_t version, const Asking&)>;

// The models must serve already. INVALID_ARGUMENT where they do not fit together; see
// plan_ensemble(). A request goes through the versions that serve when it comes; versions that came
// later must take and give what their predecessors did, or requests fail with UNAVAILABLE until the
// ensemble is loaded again.
Result<std::unique_ptr<schedule::ModelQueue>> make_ensemble_queue(
    std::string name, const config::EnsembleConfig& config, const schedule::QueueOptions& options,
    FindModel find);

}  // namespace inferd::models

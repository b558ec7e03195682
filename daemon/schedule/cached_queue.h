// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "daemon/schedule/model_queue.h"
#include "daemon/schedule/response_cache.h"

namespace inferd::schedule {

// A queue before which stands the cache: a request whose inputs were seen before is answered on the
// thread that submits it, without waiting and without a run; it counts as a success, but neither as
// an inference nor as an execution. Answers of the others are kept when they are there. All entries
// go with the queue, or when it is closed: a version that is loaded again begins with none.
// INVALID_ARGUMENT where that would change answers (a model with states) or their order
// (`preserve_ordering`).
Result<std::unique_ptr<ModelQueue>> make_cached_queue(std::unique_ptr<ModelQueue> queue,
                                                      std::shared_ptr<ResponseCache> cache);

}  // namespace inferd::schedule

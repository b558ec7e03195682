// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "daemon/schedule/model_queue.h"

namespace inferd::schedule {

// A queue whose requests are traced where telemetry::tracer() says so.
std::unique_ptr<ModelQueue> make_traced_queue(std::unique_ptr<ModelQueue> queue, std::string name,
                                              int64_t version);

}  // namespace inferd::schedule

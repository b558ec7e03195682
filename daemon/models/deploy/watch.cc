// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/deploy/watch.h"

#include <algorithm>
#include <utility>

#include "daemon/models/deploy/agreement.h"

namespace inferd::models {
namespace {

// Whether a request came to nothing by the client's doing or for want of room or time.
bool is_refusal(StatusCode code) {
  switch (code) {
    case StatusCode::kCancelled:
    case StatusCode::kInvalidArgument:
    case StatusCode::kDeadlineExceeded:
    case StatusCode::kResourceExhausted:
    case StatusCode::kUnavailable:
      return true;
    default:
      return false;
  }
}

// Batch elements, and nanoseconds of compute, of all runs.
std::pair<double, double> sum(const schedule::QueueStatistics& statistics) {
  double elements = 0, ns = 0;
  for (const auto& batch : statistics.batches) {
    elements += static_cast<double>(batch.compute_infer.count) * batch.size;
    ns += static_cast<double>(batch.compute_infer.ns);
  }
  return {elements, ns};
}

}  // namespace

void Watch::observe(schedule::Request& request) {
  request.done = [watch = shared_from_this(),
                  done = std::move(request.done)](const schedule::Outcome& outcome) {
    // Before the answer: who has one finds it counted.
    watch->add(outcome);
    done(outcome);
  };
}

void Watch::add(const schedule::Outcome& outcome) {
  if (is_refusal(outcome.status.code())) return;
  bool finite = true, empty = false;
  if (look_at_values_ && outcome.status.ok()) {
    const auto& outputs = outcome.outputs;
    finite = std::all_of(outputs.begin(), outputs.end(), is_finite);
    empty = std::all_of(outputs.begin(), outputs.end(), is_empty);
  }
  const std::lock_guard lock(mutex_);
  ++counts_.answers;
  if (!outcome.status.ok()) ++counts_.failures;
  if (!finite) ++counts_.not_finite;
  if (empty) ++counts_.empty;
}

Watch::Counts Watch::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

double element_ns(const schedule::QueueStatistics& now, const schedule::QueueStatistics& before) {
  const auto [elements, ns] = sum(now);
  const auto [old_elements, old_ns] = sum(before);
  return elements > old_elements ? (ns - old_ns) / (elements - old_elements) : 0;
}

uint64_t executions(const schedule::QueueStatistics& now, const schedule::QueueStatistics& before) {
  return now.execution_count - before.execution_count;
}

}  // namespace inferd::models

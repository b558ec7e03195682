// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/batcher.h"

#include <algorithm>

namespace inferd::schedule {

using Verdict = WaitingList::Verdict;

std::optional<CloseReason> Batcher::collect(Batch& batch) {
  int size = batch.size();
  const int limit = limit_for(batch);
  // Requests that do not fit in keep their place, and others may pass them, unless answers come in
  // order.
  const Verdict pass = options_.preserve_ordering ? Verdict::kStop : Verdict::kKeep;
  bool overflows = false;
  waiting_.scan(batch.requests, [&](const Waiting& waiting) {
    if (size >= limit) return Verdict::kStop;
    if (!compatible(batch.requests[0].request, waiting.request)) return pass;
    if (size + waiting.batch > limit) {
      overflows = true;
      return pass;
    }
    size += waiting.batch;
    return Verdict::kTake;
  });
  if (size >= options_.max_batch) return CloseReason::kFull;
  const auto& sizes = options_.preferred_batches;
  if (std::find(sizes.begin(), sizes.end(), size) != sizes.end()) return CloseReason::kPreferred;
  if (overflows) return CloseReason::kFull;
  return std::nullopt;
}

int Batcher::limit_for(const Batch& batch) {
  int limit = options_.max_batch;
  if (options_.preferred_batches.empty()) return limit;
  const int has = batch.size();
  int size = has;
  waiting_.scan(nothing_, [&](const Waiting& waiting) {
    const bool fits = size + waiting.batch <= options_.max_batch;
    if (fits && compatible(batch.requests[0].request, waiting.request)) size += waiting.batch;
    return Verdict::kKeep;
  });
  for (const int preferred : options_.preferred_batches) {
    if (preferred <= size && preferred >= has) limit = preferred;
  }
  return limit;
}

Batcher::Wait Batcher::waits_until(const Batch& batch) const {
  Wait wait{batch.requests[0].arrived + options_.max_delay_us * 1000, CloseReason::kDelay};
  for (const Waiting& waiting : batch.requests) {
    const int64_t deadline = waiting.request.deadline_ns;
    if (deadline == 0) continue;
    // Half of what is left: the rest is for computing.
    const int64_t half = waiting.arrived + (deadline - waiting.arrived) / 2;
    if (half < wait.until) wait = {half, CloseReason::kDeadline};
  }
  return wait;
}

}  // namespace inferd::schedule

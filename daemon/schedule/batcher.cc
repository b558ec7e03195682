// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/batcher.h"

#include <algorithm>

namespace inferd::schedule {

using Verdict = WaitingList::Verdict;

bool Batcher::can_open() {
  bool can = false;
  sequences_.begin_scan();
  waiting_.scan(nothing_, [&](const Waiting& waiting) {
    can = sequences_.is_next(waiting.request.sequence);
    return can ? Verdict::kStop : passed();
  });
  return can;
}

void Batcher::open(Batch& batch) {
  sequences_.begin_scan();
  waiting_.scan(batch.requests, [&](const Waiting& waiting) {
    if (!batch.requests.empty()) return Verdict::kStop;
    return sequences_.is_next(waiting.request.sequence) ? Verdict::kTake : passed();
  });
  begin(batch, 0);
}

void Batcher::begin(Batch& batch, size_t first) {
  for (size_t i = first; i < batch.requests.size(); ++i) {
    batch.requests[i].state = sequences_.begin(batch.requests[i].request.sequence);
  }
}

std::optional<CloseReason> Batcher::collect(Batch& batch) {
  const size_t had = batch.requests.size();
  int size = batch.size();
  const int limit = limit_for(batch);
  bool overflows = false;
  sequences_.begin_scan();
  waiting_.scan(batch.requests, [&](const Waiting& waiting) {
    if (size >= limit) return Verdict::kStop;
    if (!sequences_.is_next(waiting.request.sequence)) return passed();
    if (!compatible(batch.requests[0].request, waiting.request)) return passed();
    if (size + waiting.batch > limit) {
      overflows = true;
      return passed();
    }
    size += waiting.batch;
    return Verdict::kTake;
  });
  begin(batch, had);
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
  sequences_.begin_scan();
  waiting_.scan(nothing_, [&](const Waiting& waiting) {
    const bool fits =
        sequences_.is_next(waiting.request.sequence) && size + waiting.batch <= options_.max_batch;
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

// SPDX-License-Identifier: Apache-2.0
//
// What runs together, and until when a batch waits for more. No locks and no clock: the queue has
// both.
#pragma once

#include <optional>

#include "daemon/schedule/batch.h"
#include "daemon/schedule/queue_options.h"
#include "daemon/schedule/statistics.h"
#include "daemon/schedule/waiting_list.h"

namespace inferd::schedule {

class Batcher {
 public:
  // Both outlive it.
  Batcher(const QueueOptions& options, WaitingList& waiting)
      : options_(options), waiting_(waiting) {}

  // Adds to `batch`, which has at least one request, what waits and may run with it: up to the
  // largest preferred size that can be filled, else up to the largest allowed. Says why the batch
  // closes now, if it does.
  std::optional<CloseReason> collect(Batch& batch);

  struct Wait {
    int64_t until;  // CLOCK_MONOTONIC, nanoseconds
    CloseReason reason;
  };
  // When the batch closes at the latest: the oldest has waited long enough, or a deadline leaves
  // no more time to wait.
  Wait waits_until(const Batch& batch) const;

 private:
  int limit_for(const Batch& batch);

  const QueueOptions& options_;
  WaitingList& waiting_;
  std::vector<Waiting> nothing_;  // what a scan takes that takes nothing
};

}  // namespace inferd::schedule

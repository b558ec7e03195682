// SPDX-License-Identifier: Apache-2.0
//
// What runs together, and until when a batch waits for more. No locks and no clock: the queue has
// both.
#pragma once

#include <optional>

#include "daemon/schedule/batch.h"
#include "daemon/schedule/queue_options.h"
#include "daemon/schedule/sequences.h"
#include "daemon/schedule/statistics.h"
#include "daemon/schedule/waiting_list.h"

namespace inferd::schedule {

class Batcher {
 public:
  // All outlive it.
  Batcher(const QueueOptions& options, WaitingList& waiting, Sequences& sequences)
      : options_(options), waiting_(waiting), sequences_(sequences) {}

  // Whether open() would find a request.
  bool can_open();

  // Opens the empty `batch` with the first request that may run, if any may.
  void open(Batch& batch);

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
  // What becomes of requests that cannot run yet, or not with the others: they keep their place,
  // and others may pass them, unless answers come in order.
  WaitingList::Verdict passed() const {
    return options_.preserve_ordering ? WaitingList::Verdict::kStop : WaitingList::Verdict::kKeep;
  }
  int limit_for(const Batch& batch);
  // Begins the sequences of requests from number `first` on, which were taken just now.
  void begin(Batch& batch, size_t first);

  const QueueOptions& options_;
  WaitingList& waiting_;
  Sequences& sequences_;
  std::vector<Waiting> nothing_;  // what a scan takes that takes nothing
};

}  // namespace inferd::schedule

// SPDX-License-Identifier: Apache-2.0
//
// How the requests of one model wait, and how they are put together. Where Triton has an option
// like it, it means the same.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace inferd::schedule {

// Of the requests of one priority.
struct QueuePolicy {
  int64_t timeout_us = 0;              // how long a request may wait; 0: any time
  bool delay_on_timeout = false;       // it then goes behind all others instead of being refused
  bool allow_timeout_override = true;  // a request may ask for a shorter time
  int max_queue = 256;                 // requests waiting, not counting those that run
};

struct QueueOptions {
  int max_queue = 256;                      // of all priorities together
  int max_queue_per_client = 0;             // 0: as many as there is room for
  int max_batch = 1;                        // batch elements together; > 1 needs a batchable model
  int64_t max_delay_us = 0;                 // how long the oldest request may wait for company
  std::vector<int> preferred_batches = {};  // sizes that are not waited beyond; ascending
  bool adaptive = true;            // does not wait for company where that brought nothing lately
  bool preserve_ordering = false;  // answers in the order of their requests
  int priority_levels = 1;         // 1 is served first
  int default_priority = 0;        // of requests that name none; 0: the last level
  QueuePolicy default_policy = {};
  std::map<int, QueuePolicy> policies = {};  // of levels that differ

  int64_t max_sequence_idle_us = 60'000'000;  // then a sequence is forgotten
  int max_sequences = 128;                    // open at one time

  int instances = 1;       // batches that may run at one time, each with a context of its own
  int threads = 0;         // of the engine's pool per run; 0: all
  double weight = 1;       // share of the machine where models compete; see Arbiter
  bool real_time = false;  // goes before all models that are not

  int64_t version = 0;  // of the model, for who is to blame when the process dies of a run

  // Answers are kept for requests with the same inputs; see make_cached_queue(). Inputs must not
  // change while a request is under way, or others would get the answer to something else: what a
  // client can still write to is copied first.
  bool response_cache = false;

  const QueuePolicy& policy(int level) const {
    const auto own = policies.find(level);
    return own == policies.end() ? default_policy : own->second;
  }
};

}  // namespace inferd::schedule

// SPDX-License-Identifier: Apache-2.0
//
// The queue, batcher and workers of one loaded model version.
//
//   submit -> bounded queue -> batcher (max batch, max delay) -> Context::run -> done
//
// Full queue: RESOURCE_EXHAUSTED at once. Deadline passed before compute: DEADLINE_EXCEEDED; caller
// gone before compute: CANCELLED; neither runs. A batch that fails is run again request by request,
// so that an error reaches only who caused it. Closing: UNAVAILABLE for what comes after,
// everything accepted before is finished; abandoning: UNAVAILABLE for what waits, too.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/schedule/request.h"
#include "inferd/engine/engine.h"

namespace inferd::schedule {

struct QueueOptions {
  int max_queue = 256;       // requests waiting, not counting those that run
  int max_batch = 1;         // batch elements together; > 1 needs a batchable model
  int64_t max_delay_us = 0;  // how long the oldest request may wait for company
  int instances = 1;         // contexts, each with a thread of its own
  int threads = 0;           // of the engine's pool per run; 0: all
};

struct DurationStat {
  uint64_t count = 0;
  uint64_t ns = 0;
};

// A snapshot; counters only grow. Names follow Triton's ModelStatistics.
struct QueueStatistics {
  uint64_t inference_count = 0;   // batch elements that ran
  uint64_t execution_count = 0;   // runs
  int64_t last_inference_ms = 0;  // since epoch, 0: never
  DurationStat success, fail, queue, compute_input, compute_infer, compute_output;
  // Requests that never ran, by reason; all of them count as `fail`, too.
  uint64_t rejected_full = 0, rejected_deadline = 0, rejected_invalid = 0;
  uint64_t rejected_cancelled = 0, rejected_closed = 0;
  struct Batch {
    int size = 0;
    DurationStat compute_input, compute_infer, compute_output;
  };
  std::vector<Batch> batches;  // by size, those that occurred
  int64_t pending = 0;         // waiting now
};

// Thread-safe.
class ModelQueue {
 public:
  // Plans for every batch size it will form, so that the first requests are as fast as later ones.
  static Result<std::unique_ptr<ModelQueue>> create(std::shared_ptr<const Model> model,
                                                    std::string name, const QueueOptions& options);
  virtual ~ModelQueue() = default;  // drains

  // Checks count, types, shapes and byte sizes against the model (INVALID_ARGUMENT says which input
  // and what was expected). Always calls request.done exactly once.
  virtual void submit(Request request) = 0;

  virtual QueueStatistics statistics() const = 0;
  virtual const Model& model() const = 0;
  virtual const QueueOptions& options() const = 0;

  // Refuses new requests, finishes the accepted ones, returns when none is left.
  virtual void close() = 0;

  // Refuses new requests and those that wait, at once, without waiting for those that run. Wakes a
  // close() that waits for them.
  virtual void abandon() = 0;
};

}  // namespace inferd::schedule

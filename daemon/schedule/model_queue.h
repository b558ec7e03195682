// SPDX-License-Identifier: Apache-2.0
//
// The queue, batcher and workers of one loaded model version.
//
//   submit -> bounded queue by priority -> batch (sizes, delay) -> arbiter -> Context::run -> done
//
// No room: RESOURCE_EXHAUSTED at once. Deadline passed before compute, or to come before it could
// be done: DEADLINE_EXCEEDED; waited longer than the queue allows: UNAVAILABLE; caller gone before
// compute: CANCELLED; none of them runs. A batch that fails is run again request by request, so
// that an error reaches only who caused it. Closing: UNAVAILABLE for what comes after, everything
// accepted before is finished; abandoning: UNAVAILABLE for what waits, too.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "daemon/schedule/arbiter.h"
#include "daemon/schedule/queue_options.h"
#include "daemon/schedule/request.h"
#include "daemon/schedule/statistics.h"
#include "inferd/engine/engine.h"

namespace inferd::schedule {

// Whether a queue of this model may have these options: INVALID_ARGUMENT for those that contradict
// each other or the model.
Status check_options(const Model& model, const QueueOptions& options);

// Thread-safe.
class ModelQueue {
 public:
  // Plans for every batch size it will form, so that the first requests are as fast as later ones.
  // `arbiter` is what the queues of one machine share; null: nobody else computes.
  // As check_options(), or why it cannot be planned.
  static Result<std::unique_ptr<ModelQueue>> create(std::shared_ptr<const Model> model,
                                                    std::string name, const QueueOptions& options,
                                                    std::shared_ptr<Arbiter> arbiter = nullptr);
  virtual ~ModelQueue() = default;  // drains

  // Checks count, types, shapes and byte sizes against the model (INVALID_ARGUMENT says which input
  // and what was expected). Always calls request.done exactly once.
  virtual void submit(Request request) = 0;

  virtual QueueStatistics statistics() const = 0;
  virtual const Model& model() const = 0;
  virtual const QueueOptions& options() const = 0;

  // Whether requests of this sequence are expected: it began here, and neither ended nor was idle
  // for too long.
  virtual bool has_sequence(std::string_view) const { return false; }

  // Nothing more will come of this sequence: it is forgotten when what was accepted of it is done.
  virtual void end_sequence(std::string_view) {}

  // Refuses new requests, finishes the accepted ones, returns when none is left.
  virtual void close() = 0;

  // Refuses new requests and those that wait, at once, without waiting for those that run. Wakes a
  // close() that waits for them.
  virtual void abandon() = 0;
};

}  // namespace inferd::schedule

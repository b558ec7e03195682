// SPDX-License-Identifier: Apache-2.0
//
// One inference on its way through the daemon, whoever asked: a gRPC call, a pipeline, later the
// local socket.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "inferd/engine/status.h"
#include "inferd/engine/tensor.h"

namespace inferd::schedule {

// CLOCK_MONOTONIC, nanoseconds: the only clock in queues and deadlines.
int64_t now_ns();

// Where the time of one request went, nanoseconds.
struct Timing {
  int64_t queued = 0;   // submit -> batch closed
  int64_t input = 0;    // gathering inputs into the batch
  int64_t compute = 0;  // Context::run
  int64_t output = 0;   // handing results out
  int batch_size = 0;   // how many batch elements ran together
};

// Given to `done`. The views are valid only during the call: copy what is kept.
struct Outcome {
  Status status;
  std::span<const TensorView> outputs;  // order of the model's outputs; empty on error
  Timing timing;
};

// Runs of a model with states that belong together. They run one after the other, as they came, at
// the model's default priority. An empty `id`: a run of its own.
struct Sequence {
  // Those of pipelines begin with this; requests of clients may not.
  static constexpr std::string_view kOfPipelines = "pipeline/";

  std::string id;
  bool start = false;  // begins anew, whatever came before
  bool end = false;    // what the model remembers of it is given up afterwards
};

struct Request {
  // In the order of the model's inputs. Borrowed, views and bytes, until `done` has returned;
  // `keep_alive` may hold their owner.
  std::span<const TensorView> inputs;
  std::shared_ptr<const void> keep_alive;
  int64_t deadline_ns = 0;  // absolute, 0: none. Late work is refused before compute
  int priority = 0;         // 1 is the most urgent; 0: the model's default
  int64_t timeout_us = 0;   // how long it may wait, where the model allows to say so; 0: its own
  std::string_view id;      // the client's name for it, for traces; borrowed as inputs are
  uint64_t client = 0;      // who asks, for limits on each; 0: nobody in particular
  Sequence sequence;        // ignored by models without states
  // The thread that submits may compute it, when nothing waits and nobody else does: submit()
  // returns after `done`. Saves two changes of threads.
  bool run_here = false;
  // Asked before compute, under the queue's lock: cheap, and without calling the queue. True:
  // nobody waits for the answer any more. Empty: somebody always does.
  std::function<bool()> cancelled;
  // Called exactly once, on a worker's thread or, when refused at once or answered by the response
  // cache, on the caller's. Must not block.
  std::function<void(const Outcome&)> done;
};

}  // namespace inferd::schedule

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "daemon/telemetry/histogram.h"
#include "inferd/engine/engine.h"

namespace inferd::schedule {

struct DurationStat {
  uint64_t count = 0;
  uint64_t ns = 0;
};

// Why a batch ran with what it had.
enum class CloseReason {
  kFull,       // nothing more fits
  kPreferred,  // a preferred size
  kDelay,      // the oldest request had waited long enough
  kDeadline,   // a request's deadline left no more time to wait
  kLone,       // requests are not batched, or nobody was to be waited for
  kNoGain,     // waiting had brought nothing lately
};
inline constexpr std::array<std::string_view, 6> kCloseReasons = {
    "full", "preferred", "delay", "deadline", "lone", "no_gain"};

// Why a request never ran.
enum class Refusal {
  kFull,       // no room in the queue, or for its client
  kDeadline,   // its deadline had passed, or came before it could be done
  kTimeout,    // it had waited for as long as its queue allows
  kInvalid,    // not what the model takes
  kCancelled,  // its caller went
  kClosed,     // the model went
  kAsleep,     // the model was asleep and could not be woken
  kShed,       // the machine is to do less, and it was not urgent enough
};
inline constexpr std::array<std::string_view, 8> kRefusals = {
    "full", "deadline", "timeout", "invalid", "cancelled", "closed", "asleep", "shed"};

// A snapshot; counters only grow. Names follow Triton's ModelStatistics.
struct QueueStatistics {
  uint64_t inference_count = 0;   // batch elements that ran
  uint64_t execution_count = 0;   // runs
  int64_t last_inference_ms = 0;  // since epoch, 0: never
  DurationStat success, fail, queue, compute_input, compute_infer, compute_output;
  // Looking up, and of misses keeping, too. Hits are in `success` and in nothing else.
  DurationStat cache_hit, cache_miss;
  int64_t cache_entries = 0, cache_bytes = 0;  // now
  uint64_t cache_evictions = 0;
  struct Batch {
    int size = 0;
    DurationStat compute_input, compute_infer, compute_output;
  };
  std::vector<Batch> batches;                               // by size, those that occurred
  std::array<uint64_t, kCloseReasons.size()> closed = {};   // batches, by CloseReason
  std::array<uint64_t, kRefusals.size()> refused = {};      // requests, which count as `fail`, too
  int64_t pending = 0;                                      // waiting now
  int64_t running = 0;                                      // batch elements, now
  int64_t sequences = 0;                                    // open now
  telemetry::DurationHistogram request_times, queue_times;  // of requests that succeeded
  telemetry::DurationHistogram compute_times;               // of runs
  MemoryUse memory;  // weights, and what all instances have beside them
  // Of models that are in memory only while they are needed; see Sleeper.
  bool asleep = false;  // now
  DurationStat wakes;   // and how long they took
  uint64_t sleeps = 0;

  // What another queue of the same model did before, which has nothing to do any more.
  void add_past(const QueueStatistics& past);

  uint64_t count(CloseReason reason) const { return closed[static_cast<size_t>(reason)]; }
  uint64_t count(Refusal reason) const { return refused[static_cast<size_t>(reason)]; }
};

}  // namespace inferd::schedule

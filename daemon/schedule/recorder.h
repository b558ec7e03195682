// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <span>

#include "daemon/schedule/statistics.h"
#include "daemon/schedule/waiting_list.h"

namespace inferd::schedule {

// CLOCK_MONOTONIC, nanoseconds.
struct RunClock {
  int64_t start = 0;     // the batch is closed and has its place
  int64_t gathered = 0;  // its inputs are together
  int64_t computed = 0;
};

// Counts what a queue does. Belongs to one queue, under its mutex.
class Recorder {
 public:
  void refuse(Refusal reason, int64_t waited_ns);
  void close(CloseReason reason) { ++totals_.closed[static_cast<size_t>(reason)]; }
  void record_run(std::span<const Waiting> requests, bool ok, const RunClock& clock, int size);
  // Handing out the answers of a batch.
  void record_output(int64_t ns, int size);

  QueueStatistics snapshot() const;

 private:
  QueueStatistics totals_;
  std::map<int, QueueStatistics::Batch> batches_;
};

}  // namespace inferd::schedule

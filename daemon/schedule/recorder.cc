// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/recorder.h"

#include <algorithm>
#include <chrono>

namespace inferd::schedule {
namespace {

void add(DurationStat& stat, int64_t ns) {
  ++stat.count;
  stat.ns += static_cast<uint64_t>(std::max<int64_t>(ns, 0));
}

}  // namespace

void Recorder::refuse(Refusal reason, int64_t waited_ns) {
  ++totals_.refused[static_cast<size_t>(reason)];
  add(totals_.fail, waited_ns);
}

void Recorder::record_run(std::span<const Waiting> requests, bool ok, const RunClock& clock,
                          int size) {
  totals_.inference_count += static_cast<uint64_t>(size);
  ++totals_.execution_count;
  totals_.last_inference_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                  std::chrono::system_clock::now().time_since_epoch())
                                  .count();
  for (const Waiting& waiting : requests) {
    add(ok ? totals_.success : totals_.fail, clock.computed - waiting.arrived);
    add(totals_.queue, clock.start - waiting.arrived);
    add(totals_.compute_input, clock.gathered - clock.start);
    add(totals_.compute_infer, clock.computed - clock.gathered);
    if (!ok) continue;
    totals_.request_times.add(clock.computed - waiting.arrived);
    totals_.queue_times.add(clock.start - waiting.arrived);
  }
  totals_.compute_times.add(clock.computed - clock.gathered);
  QueueStatistics::Batch& batch = batches_[size];
  batch.size = size;
  add(batch.compute_input, clock.gathered - clock.start);
  add(batch.compute_infer, clock.computed - clock.gathered);
}

void Recorder::record_output(int64_t ns, int size) {
  add(totals_.compute_output, ns);
  add(batches_[size].compute_output, ns);
}

QueueStatistics Recorder::snapshot() const {
  QueueStatistics copy = totals_;
  for (const auto& [size, batch] : batches_) copy.batches.push_back(batch);
  return copy;
}

}  // namespace inferd::schedule

// SPDX-License-Identifier: Apache-2.0
#include "daemon/schedule/statistics.h"

#include <algorithm>

namespace inferd::schedule {
namespace {

void add(DurationStat& stat, const DurationStat& past) {
  stat.count += past.count;
  stat.ns += past.ns;
}

template <size_t kSize>
void add(std::array<uint64_t, kSize>& counts, const std::array<uint64_t, kSize>& past) {
  for (size_t i = 0; i < kSize; ++i) counts[i] += past[i];
}

void add(std::vector<QueueStatistics::Batch>& batches, const QueueStatistics::Batch& past) {
  auto at = std::lower_bound(batches.begin(), batches.end(), past.size,
                             [](const auto& batch, int size) { return batch.size < size; });
  if (at == batches.end() || at->size != past.size)
    at = batches.insert(at, {past.size, {}, {}, {}});
  add(at->compute_input, past.compute_input);
  add(at->compute_infer, past.compute_infer);
  add(at->compute_output, past.compute_output);
}

}  // namespace

void QueueStatistics::add_past(const QueueStatistics& past) {
  inference_count += past.inference_count;
  execution_count += past.execution_count;
  last_inference_ms = std::max(last_inference_ms, past.last_inference_ms);
  add(success, past.success);
  add(fail, past.fail);
  add(queue, past.queue);
  add(compute_input, past.compute_input);
  add(compute_infer, past.compute_infer);
  add(compute_output, past.compute_output);
  add(cache_hit, past.cache_hit);
  add(cache_miss, past.cache_miss);
  cache_evictions += past.cache_evictions;
  for (const Batch& batch : past.batches) add(batches, batch);
  add(closed, past.closed);
  add(refused, past.refused);
  request_times.add(past.request_times);
  queue_times.add(past.queue_times);
  compute_times.add(past.compute_times);
  add(wakes, past.wakes);
  sleeps += past.sleeps;
}

}  // namespace inferd::schedule

// SPDX-License-Identifier: Apache-2.0
//
// What becomes of the requests of a version: whether it answers, and whether the answers can be
// meant.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "daemon/schedule/watched_queue.h"

namespace inferd::models {

class Watch final : public schedule::Observer, public std::enable_shared_from_this<Watch> {
 public:
  struct Counts {
    uint64_t answers = 0;     // and failures; not what was refused or was not the model's fault
    uint64_t failures = 0;    // the model's run failed
    uint64_t not_finite = 0;  // an output held NaN or an infinity
    uint64_t empty = 0;       // no output held anything but zeros
  };

  // `look_at_values`: reads all outputs.
  explicit Watch(bool look_at_values) : look_at_values_(look_at_values) {}

  void observe(schedule::Request& request) override;
  Counts counts() const;

 private:
  void add(const schedule::Outcome& outcome);

  const bool look_at_values_;
  mutable std::mutex mutex_;
  Counts counts_;  // by mutex_
};

// Nanoseconds of compute for one element of a batch, on average; 0: none ran. Of what ran since
// `before`.
double element_ns(const schedule::QueueStatistics& now, const schedule::QueueStatistics& before);
uint64_t executions(const schedule::QueueStatistics& now, const schedule::QueueStatistics& before);

}  // namespace inferd::models

// SPDX-License-Identifier: Apache-2.0
//
// A queue that takes no requests of little importance for a while, because the machine is to do
// less (docs/governor.md).
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "daemon/schedule/model_queue.h"

namespace inferd::schedule {

// What all queues of a daemon refuse. Thread-safe; costs a request one load while that is nothing.
class Shedding {
 public:
  // From now on requests of this priority and of larger numbers, which are less urgent; 0: none.
  // `why` goes to whoever is refused.
  void set(int priority, const std::string& why);

  // Whether a request of this priority may be taken: RESOURCE_EXHAUSTED says why not and what to
  // do.
  Status check(int priority) const;

 private:
  std::atomic<int> priority_{0};
  mutable std::mutex mutex_;
  std::string why_;  // by mutex_
};

// A request has the priority that it names, else its model's default, else that of the last level.
// Those that are refused count as Refusal::kShed; those that were accepted before are finished.
std::unique_ptr<ModelQueue> make_shedding_queue(std::unique_ptr<ModelQueue> queue,
                                                std::shared_ptr<const Shedding> shedding);

}  // namespace inferd::schedule

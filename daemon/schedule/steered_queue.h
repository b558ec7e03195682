// SPDX-License-Identifier: Apache-2.0
//
// What changing a model's version does to its requests: some are watched, and sequences stay with
// the version that began them.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string_view>

#include "daemon/schedule/model_queue.h"

namespace inferd::schedule {

// Sees requests on their way into a queue. Thread-safe.
class Observer {
 public:
  virtual ~Observer() = default;
  // May put itself before request.done, and nothing else. Must not block.
  virtual void observe(Request& request) = 0;
};

// The handle to a steered queue. Thread-safe; costs a request one load when nothing is steered.
class Steering {
 public:
  // Null: nobody watches any more. Requests that were watched still call the observer they had.
  void watch(std::shared_ptr<Observer> observer);

  // Requests of sequences that `other` has open go there, but for those that begin anew. Null: none
  // do. Both queues must take the same inputs and give the same outputs.
  void leave_sequences_to(std::shared_ptr<ModelQueue> other);

 private:
  friend class SteeredQueue;
  struct Parts {
    std::shared_ptr<Observer> observer;
    std::shared_ptr<ModelQueue> other;
  };
  Parts parts() const;

  std::atomic<bool> is_steered_{false};
  mutable std::mutex mutex_;
  Parts parts_;  // by mutex_
};

std::unique_ptr<ModelQueue> make_steered_queue(std::unique_ptr<ModelQueue> queue,
                                               std::shared_ptr<Steering> steering);

}  // namespace inferd::schedule

// SPDX-License-Identifier: Apache-2.0
//
// A queue whose requests somebody looks at, while its model's version changes.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "daemon/schedule/model_queue.h"

namespace inferd::schedule {

// Sees requests on their way into a queue. Thread-safe.
class Observer {
 public:
  virtual ~Observer() = default;
  // May put itself before request.done, and nothing else. Must not block.
  virtual void observe(Request& request) = 0;
};

// The handle to a watched queue. Thread-safe; costs a request one load when nobody watches.
class Watching {
 public:
  // Null: nobody watches any more. Requests that were watched still call the observer they had.
  void watch(std::shared_ptr<Observer> observer);

 private:
  friend class WatchedQueue;
  std::shared_ptr<Observer> observer() const;

  std::atomic<bool> is_watched_{false};
  mutable std::mutex mutex_;
  std::shared_ptr<Observer> observer_;  // by mutex_
};

std::unique_ptr<ModelQueue> make_watched_queue(std::unique_ptr<ModelQueue> queue,
                                               std::shared_ptr<Watching> watching);

}  // namespace inferd::schedule

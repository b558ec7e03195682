// SPDX-License-Identifier: Apache-2.0
//
// A queue that has its workers, contexts and packed weights in memory only while they are needed.
//
//   asleep --wake()--> awake --fall_asleep()--> asleep
//
// Requests that find it asleep wait, as many as `options.max_queue`, and somebody is asked to wake
// it; they go on in the order in which they came.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/schedule/model_queue.h"

namespace inferd::schedule {

// The handle of such a queue. Thread-safe; costs a request that finds it awake one lock.
class Sleeper {
 public:
  // Makes the queue that does the work: milliseconds to seconds.
  using Make = std::function<Result<std::unique_ptr<ModelQueue>>()>;
  // Whether this many bytes may be had for it.
  using Accept = std::function<Status(int64_t bytes)>;

  // It begins asleep. `make` is called by wake(), one call at a time.
  Sleeper(std::shared_ptr<const Model> model, std::string name, const QueueOptions& options,
          Make make);

  // Called whenever a request finds it asleep; must not block, and has somebody call wake() soon.
  // Before the first request.
  void when_wanted(std::function<void()> wanted) { wanted_ = std::move(wanted); }

  // OK when it is awake, or was. Otherwise requests that wait are refused with why it cannot be: as
  // `make` says, or `accept`, which is asked before any request is run.
  Status wake(const Accept& accept);

  // It cannot be woken: requests that wait are refused with `why`.
  void give_up(const Status& why) { refuse_waiting(why, Refusal::kAsleep); }

  // False when it has something to do (what waits, runs, or an open sequence) or is not awake.
  bool fall_asleep();

  struct Use {
    bool awake = false;
    bool busy = false;         // it would not fall asleep
    int64_t last_used_ns = 0;  // CLOCK_MONOTONIC; when it was made, for a start
    int64_t bytes = 0;         // in memory now, or when it was awake last; 0: it never was
  };
  Use use() const;
  const std::string& name() const { return name_; }

 private:
  friend class SleepingQueue;

  void submit(Request request);
  QueueStatistics statistics() const;
  bool has_sequence(std::string_view id) const;
  void end_sequence(std::string_view id);
  void close();
  void abandon();

  Status wait(Request& request);
  void hand_over(std::shared_ptr<ModelQueue> queue, int64_t began);
  void refuse_waiting(const Status& status, Refusal reason);

  const std::shared_ptr<const Model> model_;
  const std::string name_;
  const QueueOptions options_;
  const Make make_;
  std::function<void()> wanted_;
  std::mutex wake_mutex_;  // one wake() at a time
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // By mutex_.
  std::shared_ptr<ModelQueue> queue_;  // null: asleep. Who submits has a part in it meanwhile
  std::vector<Request> waiting_;
  bool waking_ = false;  // also while what waited is handed over to queue_
  bool closed_ = false;
  int64_t last_used_ns_;
  int64_t last_bytes_ = 0;
  QueueStatistics past_;  // of queues before, and what was refused here
};

std::unique_ptr<ModelQueue> make_sleeping_queue(std::shared_ptr<Sleeper> sleeper);

}  // namespace inferd::schedule

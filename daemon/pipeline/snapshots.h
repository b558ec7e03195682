// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <mutex>
#include <string>

#include "daemon/pipeline/frame.h"
#include "daemon/pipeline/pool.h"
#include "daemon/pipeline/result.h"

namespace inferd::pipeline {

// Shows the next frame of a pipeline to whoever waits for one. While nobody does, it costs nodes a
// look at a number. Thread-safe.
class Snapshots {
 public:
  struct Shot {
    Ref<SharedFrame> frame;
    FrameResult result;
  };

  bool wanted() const { return waiting_.load(std::memory_order_relaxed) > 0; }
  // `is_last`: nobody reads the node.
  void show(const std::string& node, bool is_last, const Ref<SharedFrame>& frame,
            const FrameResult& result);

  // Waits for a frame of a node, of whichever of its ways ("people" means "people@front", too);
  // empty: of one that nobody reads. DEADLINE_EXCEEDED, or FAILED_PRECONDITION when closed.
  Result<Shot> wait(const std::string& node, int64_t timeout_ms);
  // Wakes who waits; nothing is waited for any more.
  void close();

  static bool matches(const std::string& wanted, const std::string& node) {
    return node == wanted || node.starts_with(wanted + "@");
  }

 private:
  struct Waiter {
    const std::string& node;
    bool done = false;
    Shot shot = {};
  };

  std::atomic<int> waiting_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Waiter*> waiters_;  // by mutex_
  bool closed_ = false;         // by mutex_
};

}  // namespace inferd::pipeline

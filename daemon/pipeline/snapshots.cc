// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/snapshots.h"

#include <chrono>

namespace inferd::pipeline {

void Snapshots::show(const std::string& node, bool is_last, const Ref<SharedFrame>& frame,
                     const FrameResult& result) {
  const std::lock_guard lock(mutex_);
  bool any = false;
  for (Waiter* waiter : waiters_) {
    if (waiter->done || !(waiter->node.empty() ? is_last : matches(waiter->node, node))) continue;
    waiter->shot = {frame, result};
    waiter->done = any = true;
    waiting_.fetch_sub(1, std::memory_order_relaxed);
  }
  if (any) changed_.notify_all();
}

Result<Snapshots::Shot> Snapshots::wait(const std::string& node, int64_t timeout_ms) {
  Waiter waiter{node};
  std::unique_lock lock(mutex_);
  const auto at = waiters_.insert(waiters_.end(), &waiter);
  waiting_.fetch_add(1, std::memory_order_relaxed);
  changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                    [&] { return waiter.done || closed_; });
  waiters_.erase(at);
  if (waiter.done) return std::move(waiter.shot);
  waiting_.fetch_sub(1, std::memory_order_relaxed);
  if (closed_) return failed_precondition("the pipeline has ended");
  return deadline_exceeded("no frame came within " + std::to_string(timeout_ms) + " ms");
}

void Snapshots::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

}  // namespace inferd::pipeline

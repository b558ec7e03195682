// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/client_context.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace inferd {

// Asynchronous calls until they have ended, so that whoever makes them can go in good order.
// Safe to use from several threads.
class GrpcCalls {
 public:
  // Returns a number for end().
  uint64_t begin(std::weak_ptr<grpc::ClientContext> context) {
    const std::lock_guard lock(mutex_);
    calls_[++last_] = std::move(context);
    return last_;
  }
  // The last that a call does.
  void end(uint64_t number) {
    const std::lock_guard lock(mutex_);
    calls_.erase(number);
    if (calls_.empty()) none_.notify_all();  // with the lock: this may be gone after it
  }
  void cancel_and_wait() {
    std::unique_lock lock(mutex_);
    std::vector<std::shared_ptr<grpc::ClientContext>> contexts;
    for (const auto& [number, context] : calls_) contexts.push_back(context.lock());
    lock.unlock();
    for (const auto& context : contexts) {
      if (context != nullptr) context->TryCancel();
    }
    contexts.clear();
    lock.lock();
    none_.wait(lock, [this] { return calls_.empty(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  uint64_t last_ = 0;                                             // by mutex_
  std::map<uint64_t, std::weak_ptr<grpc::ClientContext>> calls_;  // by mutex_
};

}  // namespace inferd

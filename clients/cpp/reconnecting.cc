// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/reconnecting.h"

#include <grpcpp/grpcpp.h>

#include <chrono>

namespace inferd {

Reconnecting::~Reconnecting() {
  std::unique_lock lock(mutex_);
  if (call_ != nullptr) call_->context.TryCancel();
  ended_.wait(lock, [this] { return call_ == nullptr; });
}

void Reconnecting::look() {
  constexpr std::chrono::seconds kLookFor(60);
  const std::lock_guard lock(mutex_);
  if (call_ != nullptr) return;
  call_ = std::make_unique<Call>();
  call_->context.set_wait_for_ready(true);
  call_->context.set_deadline(std::chrono::system_clock::now() + kLookFor);
  health_.async()->Check(&call_->context, &call_->request, &call_->response,
                         [this](const grpc::Status&) {
                           const std::lock_guard ended(mutex_);
                           call_ = nullptr;
                           ended_.notify_all();  // with the lock: this may be gone after it
                         });
}

}  // namespace inferd

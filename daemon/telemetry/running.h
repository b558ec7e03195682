// SPDX-License-Identifier: Apache-2.0
//
// Which models compute at this moment, for the case that the process dies of one of them: no lock,
// readable from a signal handler.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

namespace inferd::telemetry {

// Makes `label` (a C string that outlives it) one of those that run, on any thread, until it is
// gone. More than kMaxRunning at a time are not seen.
class Running {
 public:
  explicit Running(const char* label) {
    for (std::atomic<const char*>& slot : slots()) {
      const char* free = nullptr;
      if (slot.load(std::memory_order_relaxed) != nullptr) continue;
      if (!slot.compare_exchange_strong(free, label, std::memory_order_relaxed)) continue;
      slot_ = &slot;
      return;
    }
  }
  ~Running() {
    if (slot_ != nullptr) slot_->store(nullptr, std::memory_order_relaxed);
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  static constexpr size_t kMaxRunning = 64;
  using Slots = std::array<std::atomic<const char*>, kMaxRunning>;
  // Labels, or null.
  static Slots& slots();

 private:
  std::atomic<const char*>* slot_ = nullptr;
};

}  // namespace inferd::telemetry

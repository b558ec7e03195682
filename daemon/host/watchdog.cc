// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/watchdog.h"

#include <chrono>

#include "daemon/host/systemd.h"
#include "daemon/telemetry/log.h"
#include "daemon/telemetry/worker.h"

namespace inferd::host {

Watchdog::Watchdog(int64_t stall_ms) : stall_ms_(stall_ms), interval_us_(watchdog_us() / 2) {
  if (interval_us_ > 0) thread_ = std::thread([this] { watch(); });
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  do {
    if (all_is_well()) feed_watchdog();
  } while (
      !changed_.wait_for(lock, std::chrono::microseconds(interval_us_), [&] { return ends_; }));
}

bool Watchdog::all_is_well() {
  if (stall_ms_ == 0) return true;
  const auto stuck = telemetry::busy_workers(stall_ms_ * 1'000'000);
  if (stuck.empty() && !reported_.empty()) {
    telemetry::log(LogLevel::kInfo, "all that was stuck goes on again");
    reported_.clear();
  }
  for (const telemetry::Busy& one : stuck) {
    if (!reported_.insert(one.name).second) continue;
    telemetry::log(LogLevel::kError,
                   one.name + " has been at one piece of work for " +
                       std::to_string(one.ns / 1'000'000'000) +
                       " s (server.stall_s); unless it goes on, systemd restarts the service "
                       "within " +
                       std::to_string(2 * interval_us_ / 1'000'000) + " s (WatchdogSec)");
  }
  return stuck.empty();
}

}  // namespace inferd::host

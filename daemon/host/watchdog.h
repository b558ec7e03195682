// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>
#include <thread>

namespace inferd::host {

// Tells systemd that all is well, twice in each WatchdogSec= of the unit, as long as nobody
// (telemetry::Worker) is at one piece of work for longer than `stall_ms`. Who is, is named in the
// log before systemd ends and restarts the service. Without a watchdog in the unit, and with a
// `stall_ms` of 0, nobody is looked at; in the latter case the watchdog watches that this very
// thread runs.
class Watchdog {
 public:
  explicit Watchdog(int64_t stall_ms);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void watch();
  bool all_is_well();

  const int64_t stall_ms_;
  const int64_t interval_us_;       // 0: systemd does not ask
  std::set<std::string> reported_;  // by the thread
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ends_ = false;  // by mutex_
  std::thread thread_;
};

}  // namespace inferd::host

// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/systemd.h"

#include <systemd/sd-daemon.h>
#include <time.h>

#include <cstdlib>

namespace inferd::host {

bool is_notified() { return std::getenv("NOTIFY_SOCKET") != nullptr; }

void notify_ready() { sd_notify(0, "READY=1"); }

void notify_reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t us = int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
  sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(us)).c_str());
}

void notify_stopping(int64_t needed_ms) {
  sd_notify(0,
            ("STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC=" + std::to_string(needed_ms * 1000))
                .c_str());
}

void notify_status(const std::string& text) { sd_notify(0, ("STATUS=" + text).c_str()); }

void notify_more_time(int64_t ms) {
  sd_notify(0, ("EXTEND_TIMEOUT_USEC=" + std::to_string(ms * 1000)).c_str());
}

int64_t watchdog_us() {
  uint64_t us = 0;
  return sd_watchdog_enabled(0, &us) > 0 ? static_cast<int64_t>(us) : 0;
}

void feed_watchdog() { sd_notify(0, "WATCHDOG=1"); }

}  // namespace inferd::host

// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/systemd.h"

#include <systemd/sd-daemon.h>
#include <time.h>

#include <cstdint>

namespace inferd::host {

void notify_ready() { sd_notify(0, "READY=1"); }
void notify_reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t us = int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
  sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(us)).c_str());
}
void notify_stopping() { sd_notify(0, "STOPPING=1\nSTATUS=stopping"); }
void notify_status(const std::string& text) { sd_notify(0, ("STATUS=" + text).c_str()); }

}  // namespace inferd::host

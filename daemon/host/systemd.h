// SPDX-License-Identifier: Apache-2.0
//
// What the daemon tells systemd (sd_notify(3)). Without systemd these do nothing. Any thread.
#pragma once

#include <cstdint>
#include <string>

namespace inferd::host {

// Whether somebody listens to the rest of this.
bool is_notified();

void notify_ready();
void notify_reloading();                      // until notify_ready()
void notify_stopping(int64_t needed_ms);      // how long that may take
void notify_status(const std::string& text);  // one line, shown by `systemctl status`

// Starting, reloading or stopping goes on: it is given so much more time, from now on.
void notify_more_time(int64_t ms);

// How often systemd wants to be told that all is well, in microseconds; 0: it does not.
int64_t watchdog_us();
void feed_watchdog();

}  // namespace inferd::host

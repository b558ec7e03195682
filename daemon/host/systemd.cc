// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/systemd.h"

#include <systemd/sd-daemon.h>

namespace inferd::host {

void notify_ready() { sd_notify(0, "READY=1"); }
void notify_stopping() { sd_notify(0, "STOPPING=1\nSTATUS=stopping"); }
void notify_status(const std::string& text) { sd_notify(0, ("STATUS=" + text).c_str()); }

}  // namespace inferd::host

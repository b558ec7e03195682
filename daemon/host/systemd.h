// SPDX-License-Identifier: Apache-2.0
//
// What the daemon tells systemd. Without systemd these do nothing.
#pragma once

#include <string>

namespace inferd::host {

void notify_ready();
void notify_reloading();  // until notify_ready()
void notify_stopping();
void notify_status(const std::string& text);  // one line, shown by `systemctl status`

}  // namespace inferd::host

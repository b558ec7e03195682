// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "daemon/config/config.h"

namespace inferd::config {

// Where a daemon with this configuration listens, as JSON for other programs: a list of
//   {"protocol": "grpc", "http", "local" or "frigate",
//    "address": "unix:PATH" or "HOST:PORT",
//    "loopback": no other machine can connect, "tls": encrypted, "rules": access is by rules,
//    "at": "file:line:column"}
std::string listener_list(const ServerConfig& server);

}  // namespace inferd::config

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "daemon/config/config.h"
#include "daemon/config/yaml.h"

namespace inferd::config {

// The listeners of every protocol: the keys `grpc`, `http` and `local` of `server`. Refuses what
// would be open to more than it seems: addresses that other machines can reach without encryption,
// rules that no peer of a listener can meet.
void read_listeners(MapReader& r, ServerConfig& server);

// The keys `address`, `mode` and `insecure` of a listener that knows neither TLS nor rules.
void read_address(MapReader& r, const YAML::Node& item, FrigateListener& listener);

// Of "HOST:PORT", with gRPC's prefixes for numeric addresses: no other machine can connect. Only
// numbers and "localhost" are known to stay on this machine: any other name is whatever a name
// server says. False for Unix sockets.
bool is_loopback(std::string_view address);

}  // namespace inferd::config

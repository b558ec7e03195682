// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/config/config.h"
#include "daemon/config/yaml.h"

namespace inferd::config {

// The listeners of every protocol: the keys `grpc`, `http` and `local` of `server`. Refuses what
// would be open to more than it seems: addresses that other machines can reach without encryption,
// rules that no peer of a listener can meet.
void read_listeners(MapReader& r, ServerConfig& server);

}  // namespace inferd::config

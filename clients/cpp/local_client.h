// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "inferd/client/client.h"

namespace inferd {

// A client over the local socket at `path` (docs/local-socket.md). Tensors are copied into memory
// that the daemon shares, once each way; who wants none of that uses clients/c. Each thread that
// calls at the same time as others gets a connection of its own, which is kept for later; all
// asynchronous requests share another.
std::unique_ptr<Client> connect_local(const std::string& path, int64_t timeout_ms);

}  // namespace inferd

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

namespace inferd::serve {

// TLS handshakes that clients of HTTP began and that failed, of all listeners since the daemon
// began. The module with the server (daemon/host/module.h) counts them, metrics tell them.
std::atomic<uint64_t>& failed_handshakes();

}  // namespace inferd::serve

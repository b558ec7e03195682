// SPDX-License-Identifier: Apache-2.0
//
// One face of the daemon: a protocol on its listeners. Each has a folder here and a function that
// starts it, which listens and serves at once and borrows what it is given; that outlives the
// server. UNAVAILABLE when an address is taken; the message names it. A socket file that nobody
// answers on any more is replaced.
#pragma once

#include <cstdint>

namespace inferd::serve {

class Server {
 public:
  virtual ~Server() = default;  // stops at once

  // Health says NOT_SERVING from now on; calls are still answered.
  virtual void announce_shutdown() = 0;

  // Announced if it was not; new calls are refused, running ones have `timeout_ms` to finish.
  virtual void shut_down(int64_t timeout_ms) = 0;
};

}  // namespace inferd::serve

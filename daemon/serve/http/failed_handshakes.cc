// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/failed_handshakes.h"

namespace inferd::serve {

std::atomic<uint64_t>& failed_handshakes() {
  static std::atomic<uint64_t> failed{0};
  return failed;
}

}  // namespace inferd::serve

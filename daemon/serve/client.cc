// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/client.h"

#include <atomic>

namespace inferd::serve {

uint64_t new_client() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

}  // namespace inferd::serve

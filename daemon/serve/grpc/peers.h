// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/serve/grpc/endpoint.h"

namespace inferd::serve {

// The clients of one listener.
class Peers {
 public:
  virtual ~Peers() = default;
  // Health says NOT_SERVING from now on.
  virtual void announce_shutdown() = 0;
  // No client is accepted any more; those that are connected have until then to finish. Once.
  virtual void shut_down(Endpoint::Time until) = 0;
};

}  // namespace inferd::serve

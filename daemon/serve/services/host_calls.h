// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "daemon/host/host.h"
#include "daemon/serve/services/asked.h"
#include "inferd/v1/host.pb.h"

namespace inferd::serve {

// What inferd.v1.HostService does: the machine, for who may observe, clients and log, for admins.
// Who follows the log holds a thread meanwhile, so their number is bounded. Thread-safe.
class HostCalls {
 public:
  static constexpr int kMaxReaders = 8;

  // Borrows the host; null: there is nothing to tell.
  explicit HostCalls(const host::Host* host) : host_(host) {}

  Status show(const Asked& asked, const inferd::v1::ShowHostRequest& request,
              inferd::v1::Host& response);
  // How much each client has asked for (client_counts.h).
  Status list_clients(const Asked& asked, const inferd::v1::ListClientsRequest& request,
                      inferd::v1::ListClientsResponse& response);
  // Returns when the caller has gone.
  Status tail_log(const Asked& asked, const inferd::v1::TailLogRequest& request,
                  const Answers<inferd::v1::LogLine>& answers);

 private:
  const host::Host* const host_;
  std::atomic<int> readers_{0};
};

}  // namespace inferd::serve

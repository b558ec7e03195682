// SPDX-License-Identifier: Apache-2.0
//
// A Unix socket whose clients have roles by who they are. gRPC does not tell a call who is at the
// other end, so the daemon accepts connections itself, asks the kernel (SO_PEERCRED), and gives
// each to the endpoint of its roles. Calls of one connection know it by a name then, too (the peer
// of their context), which those of gRPC's own Unix sockets do not.
#pragma once

#include <map>
#include <memory>
#include <thread>

#include "daemon/serve/grpc/endpoint.h"
#include "daemon/serve/listening_socket.h"

namespace inferd::serve {

class UnixPeers {
 public:
  static Result<std::unique_ptr<UnixPeers>> open(const config::Listener& listener, Access access,
                                                 const Served& served);
  ~UnixPeers();

  void announce_shutdown();
  // No client is accepted any more; those that are connected have `timeout_ms` to finish.
  void shut_down(int64_t timeout_ms);

 private:
  UnixPeers(std::unique_ptr<ListeningSocket> socket, Access access, const Served& served);
  void accept_clients();
  void admit(int client);
  void stop_accepting();

  const std::unique_ptr<ListeningSocket> socket_;
  const Access access_;
  const Served served_;
  const int stop_;  // an eventfd
  std::mutex mutex_;
  bool announced_ = false;                                // by mutex_
  std::map<Roles, std::unique_ptr<Endpoint>> endpoints_;  // by mutex_
  std::thread thread_;
};

}  // namespace inferd::serve

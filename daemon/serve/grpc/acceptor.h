// SPDX-License-Identifier: Apache-2.0
//
// Accepts the connections of a listener for gRPC, which neither counts them nor tells a call who is
// at the other end. A connection that is given to gRPC belongs to it, and it does not say when it
// closes one: a second descriptor of the same socket tells, since it shuts sockets down first.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "daemon/serve/listening_socket.h"
#include "daemon/telemetry/worker.h"

namespace inferd::serve {

class Acceptor {
 public:
  // Gives away a connected socket, which does not block, and returns what is kept until the
  // connection has ended. Null: it was turned away, and is closed here. Called by one thread.
  using Admit = std::function<std::shared_ptr<const void>(int socket)>;

  // Begins at once. Who comes while there are `most` connections is disconnected; the log says when
  // that begins. UNAVAILABLE: the system has no descriptors left.
  static Result<std::unique_ptr<Acceptor>> start(
      std::vector<std::unique_ptr<ListeningSocket>> sockets, int most, Admit admit);
  ~Acceptor();

  // Who comes by a socket that is kept waits for the next daemon from now on. Any thread.
  void leave_kept();
  // Accepts nobody any more. What is kept for connections stays until this is destroyed.
  void stop();

 private:
  Acceptor(std::vector<std::unique_ptr<ListeningSocket>> sockets, int most, Admit admit);
  Status watch();
  void serve();
  void accept(int listener);
  void end(int watched);

  const std::vector<std::unique_ptr<ListeningSocket>> sockets_;
  const size_t most_;
  const Admit admit_;
  const int stop_;    // an eventfd
  const int poller_;  // of epoll
  telemetry::Worker worker_;
  bool full_ = false;                                       // by the thread, as the next
  std::map<int, std::shared_ptr<const void>> connections_;  // by the second descriptor
  std::thread thread_;
};

}  // namespace inferd::serve

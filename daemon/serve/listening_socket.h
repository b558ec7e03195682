// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "inferd/engine/status.h"

struct addrinfo;

namespace inferd::serve {

// A bound and listening socket. Closes itself and removes its socket file.
class ListeningSocket {
 public:
  // `address`: "unix:PATH", whose file gets `mode`, or "HOST:PORT" with a name, a number or
  // "[number]" of IPv6; port 0 is any free one. UNAVAILABLE when it cannot be had; the message
  // names it.
  static Result<std::unique_ptr<ListeningSocket>> open(const std::string& address, int mode);
  // One for each address that the name in "HOST:PORT" has ("localhost" has two), or that of
  // "unix:PATH". Those of a family that the machine lacks are left out; fails where none is left.
  static Result<std::vector<std::unique_ptr<ListeningSocket>>> open_all(const std::string& address,
                                                                        int mode);
  // The same in the file `path`, for connections that keep the bounds of messages
  // (SOCK_SEQPACKET).
  static Result<std::unique_ptr<ListeningSocket>> open_packets(const std::string& path, int mode);
  ~ListeningSocket();
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;

  int fd() const { return fd_; }
  // As given, with the port that was chosen.
  const std::string& address() const { return address_; }
  // No client finds it any more. Those that are connected stay.
  void remove_file();

 private:
  ListeningSocket(int fd, std::string address) : fd_(fd), address_(std::move(address)) {}
  struct Kind {
    int type = 0, backlog = 0;
  };
  static Result<std::unique_ptr<ListeningSocket>> open_unix(const std::string& path, int mode,
                                                            Kind kind);
  static Result<std::unique_ptr<ListeningSocket>> open_tcp(const std::string& address);
  static Result<std::unique_ptr<ListeningSocket>> bind_tcp(const std::string& address,
                                                           const addrinfo& target);

  const int fd_;
  std::string address_;
  std::string path_;  // of the file while there is one
};

}  // namespace inferd::serve

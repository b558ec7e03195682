// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "inferd/engine/status.h"

struct addrinfo;

namespace inferd::serve {

// A bound and listening socket. Closes itself and removes its socket file, unless systemd keeps it
// while the daemon restarts, or handed it over (host::KeptSockets).
class ListeningSocket {
 public:
  // `address`: "unix:PATH", whose file gets `mode`, or "HOST:PORT" with a name, a number or
  // "[number]" of IPv6; port 0 is any free one. UNAVAILABLE when it cannot be had; the message
  // names it. It ends with the process.
  static Result<std::unique_ptr<ListeningSocket>> open(const std::string& address, int mode);
  // One for each address that the name in "HOST:PORT" has ("localhost" has two), or that of
  // "unix:PATH". Those of a family that the machine lacks are left out; fails where none is left.
  // They are kept while the daemon restarts, but for ports that the system chose.
  static Result<std::vector<std::unique_ptr<ListeningSocket>>> open_all(const std::string& address,
                                                                        int mode);
  // The same in the file `path`, for connections that keep the bounds of messages
  // (SOCK_SEQPACKET). It is kept while the daemon restarts.
  static Result<std::unique_ptr<ListeningSocket>> open_packets(const std::string& path, int mode);
  ~ListeningSocket();
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;

  int fd() const { return fd_; }
  // As given, with the port that was chosen.
  const std::string& address() const { return address_; }
  // systemd has it, too: who connects while nobody accepts waits for the next daemon.
  bool is_kept() const { return is_kept_; }
  // No client finds it any more, unless it is kept. Those that are connected stay.
  void remove_file();

 private:
  ListeningSocket(int fd, std::string address) : fd_(fd), address_(std::move(address)) {}
  struct Kind {
    int type = 0, backlog = 0;
  };
  static Result<std::unique_ptr<ListeningSocket>> keep_unix(const std::string& path, int mode,
                                                            Kind kind);
  static Result<std::unique_ptr<ListeningSocket>> bind_unix(const std::string& path, int mode,
                                                            Kind kind);
  static Result<std::unique_ptr<ListeningSocket>> keep_tcp(const std::string& address,
                                                           const addrinfo& target);
  static Result<std::unique_ptr<ListeningSocket>> bind_tcp(const std::string& address,
                                                           const addrinfo& target);

  void keep();

  const int fd_;
  std::string address_;
  bool is_kept_ = false;
  std::string path_;  // of the file that goes with this
};

}  // namespace inferd::serve

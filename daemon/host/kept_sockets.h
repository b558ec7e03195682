// SPDX-License-Identifier: Apache-2.0
//
// Listening sockets that outlive the process, so that clients that connect while it restarts wait
// instead of being refused. systemd hands them over when it starts the daemon (sd_listen_fds(3)):
// those of inferd.socket, and those that the daemon before put into the service's store of
// descriptors (FDSTORE=1 in sd_notify(3)). They are told apart by the addresses that they are bound
// to, whatever their names are.
#pragma once

#include <sys/socket.h>

#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace inferd::host {

// Thread-safe. Until adopt() was called, and without systemd, there is nothing to take and nothing
// is kept.
class KeptSockets {
 public:
  // Those of the process. Tests make their own.
  static KeptSockets& of_process();
  ~KeptSockets();

  // Takes over what systemd handed to this process, and says so no more in its environment. Once,
  // before there are threads. Returns what is wrong with it, a line each: what is no listening
  // socket is closed.
  std::vector<std::string> adopt();

  struct Taken {
    int fd = -1;             // the caller's from now on; does not block
    bool is_stored = false;  // by the daemon before; else it is one of inferd.socket
  };
  // A listening socket of this type that is bound to this address. One in the store whose file has
  // gone is of no use, and is none.
  std::optional<Taken> take(const sockaddr* address, socklen_t size, int type);

  // Puts a listening socket into the store; the caller still owns its descriptor. False: it goes
  // with the process, because there is no systemd or its address cannot be a name in the store.
  bool keep(int socket);

  // All that is configured listens: what nobody took is closed, and the store forgets it. Returns
  // the addresses of sockets of inferd.socket among that, whose clients nobody would ever answer.
  std::vector<std::string> drop_rest();

 private:
  struct Kept {
    int fd = -1;
    bool is_stored = false;  // or one of inferd.socket
    std::string name;        // in the store
  };
  static void forget(const Kept& kept);

  std::mutex mutex_;
  // All of these by mutex_.
  std::vector<Kept> kept_;      // nobody took them yet
  std::set<std::string> used_;  // addresses of those that were taken
  bool has_adopted_ = false;
};

}  // namespace inferd::host

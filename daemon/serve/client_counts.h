// SPDX-License-Identifier: Apache-2.0
//
// How much each client has asked for: what `inferctl top` shows of them. Connections are one client
// when process or address, user, certificate and the name that it gives itself are the same.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "daemon/schedule/request.h"
#include "daemon/serve/access.h"

namespace inferd::serve {

// Of one client. Thread-safe; may be counted in after ClientCounts has given it up.
class ClientCount {
 public:
  void began();
  void answered(const Status& status);

  uint64_t requests() const { return requests_; }
  uint64_t failed() const { return failed_; }
  uint64_t on_their_way() const;
  int64_t newest_ns() const { return newest_ns_; }  // when it asked last, CLOCK_MONOTONIC

 private:
  std::atomic<uint64_t> requests_{0}, answered_{0}, failed_{0};
  std::atomic<int64_t> newest_ns_{0};
};

// Counts the request, whose `done` is set, and its answer.
void count(const std::shared_ptr<ClientCount>& client, schedule::Request& request);

// Thread-safe.
class ClientCounts {
 public:
  // Clients that are remembered. One more takes the place of the one that was silent longest, of
  // those that nobody holds; where all are held, it is counted and not shown.
  static constexpr size_t kMaxClients = 256;
  static constexpr size_t kMaxName = 64;  // bytes of a name that a client gives itself

  struct Client {
    std::string protocol;  // "grpc", "http", "local"
    int64_t user = -1;     // of a Unix socket, as its process; -1: none
    int64_t process = 0;
    std::string address;  // of TCP
    std::string subject;  // of its certificate
    std::string name;     // that it gives itself
    uint64_t requests = 0, failed = 0, on_their_way = 0;
    int64_t newest_ns = 0;
  };

  // Held while requests of the client are on their way.
  std::shared_ptr<ClientCount> of(std::string_view protocol, const Peer& peer,
                                  std::string_view own_name);
  std::vector<Client> all() const;

 private:
  // In the order of Client's members.
  using Key = std::tuple<std::string, int64_t, int64_t, std::string, std::string, std::string>;

  bool make_room();  // by mutex_; false: all are held

  mutable std::mutex mutex_;
  std::map<Key, std::shared_ptr<ClientCount>> clients_;  // by mutex_
};

// Those of this process.
ClientCounts& client_counts();

}  // namespace inferd::serve

// SPDX-License-Identifier: Apache-2.0
//
// Ends connections whose clients are too slow. The server's own timeout is about silence, and a
// client that sends a byte now and then is never silent: here whole requests and whole answers have
// a time by which they must be through.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <thread>

namespace inferd::serve {

// Thread-safe. Has a thread of its own, which looks once a second while there are connections.
class SlowClients {
 public:
  struct Connection {
    int fd = -1;
    int64_t deadline_ns = 0;  // CLOCK_MONOTONIC; 0: none
  };
  using Place = std::list<Connection>::iterator;

  SlowClients();
  ~SlowClients();

  // `fd` stays open until remove() of the place.
  Place add(int fd, int64_t deadline_ns);
  void set_deadline(Place place, int64_t deadline_ns);
  void remove(Place place);

 private:
  void watch(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::list<Connection> connections_;  // by mutex_
  std::jthread thread_;
};

}  // namespace inferd::serve

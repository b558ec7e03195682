// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/http/slow_clients.h"

#include <sys/socket.h>

#include <chrono>

#include "daemon/schedule/request.h"

namespace inferd::serve {

SlowClients::SlowClients() : thread_([this](const std::stop_token& stop) { watch(stop); }) {}

SlowClients::~SlowClients() {
  thread_.request_stop();
  thread_.join();
}

SlowClients::Place SlowClients::add(int fd, int64_t deadline_ns) {
  const std::lock_guard lock(mutex_);
  const auto place = connections_.insert(connections_.end(), {fd, deadline_ns});
  changed_.notify_one();
  return place;
}

void SlowClients::set_deadline(Place place, int64_t deadline_ns) {
  const std::lock_guard lock(mutex_);
  place->deadline_ns = deadline_ns;
}

void SlowClients::remove(Place place) {
  const std::lock_guard lock(mutex_);
  connections_.erase(place);
}

void SlowClients::watch(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!changed_.wait(lock, stop, [&] { return !connections_.empty(); })) return;
    const int64_t now = schedule::now_ns();
    for (Connection& connection : connections_) {
      if (connection.deadline_ns == 0 || connection.deadline_ns > now) continue;
      // The server finds the connection closed and takes it down as it does any other.
      ::shutdown(connection.fd, SHUT_RDWR);
      connection.deadline_ns = 0;
    }
    changed_.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; });
    if (stop.stop_requested()) return;
  }
}

}  // namespace inferd::serve

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/epoll.h>

#include <cstdint>

#include "daemon/serve/local/region.h"

namespace inferd::serve::local {

// Tells several threads what happens on sockets, each thing to one of them. A socket is named by a
// token, so that what is told of one that has gone is told from what is told of another with the
// same number. Sockets are watched by their changes: whoever is told reads all there is. Safe to
// use from any thread.
class Poller {
 public:
  Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}
  bool is_open() const { return epoll_.is_open(); }

  struct Event {
    uint64_t token = 0;
    bool readable = false;  // or closed
    bool writable = false;
  };

  bool watch(int fd, uint64_t token) const { return change(EPOLL_CTL_ADD, fd, token, EPOLLIN); }
  // Tells of what can be read as if it had just come, and, when asked, of room to send.
  void watch_again(int fd, uint64_t token, bool for_room) const {
    change(EPOLL_CTL_MOD, fd, token, for_room ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }
  void forget(int fd) const { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

  // Sleeps until something happens. False: it was woken for nothing.
  bool wait(Event& event) const { return wait(event, -1); }
  // False: nothing has happened.
  bool look(Event& event) const { return wait(event, 0); }

 private:
  bool wait(Event& event, int timeout_ms) const {
    epoll_event happened{};
    if (::epoll_wait(epoll_.get(), &happened, 1, timeout_ms) != 1) return false;
    event.token = happened.data.u64;
    event.readable = (happened.events & ~static_cast<uint32_t>(EPOLLOUT)) != 0;
    event.writable = (happened.events & EPOLLOUT) != 0;
    return true;
  }
  bool change(int operation, int fd, uint64_t token, uint32_t events) const {
    epoll_event event{};
    event.events = events | EPOLLRDHUP | EPOLLET;
    event.data.u64 = token;
    return ::epoll_ctl(epoll_.get(), operation, fd, &event) == 0;
  }

  const Descriptor epoll_;
};

}  // namespace inferd::serve::local

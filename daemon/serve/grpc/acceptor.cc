// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/acceptor.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "daemon/telemetry/log.h"

namespace inferd::serve {
namespace {

bool add(int poller, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  return ::epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

Result<std::unique_ptr<Acceptor>> Acceptor::start(
    std::vector<std::unique_ptr<ListeningSocket>> sockets, int most, Admit admit) {
  std::unique_ptr<Acceptor> acceptor(new Acceptor(std::move(sockets), most, std::move(admit)));
  INFERD_RETURN_IF_ERROR(acceptor->watch());
  return acceptor;
}

Acceptor::Acceptor(std::vector<std::unique_ptr<ListeningSocket>> sockets, int most, Admit admit)
    : sockets_(std::move(sockets)),
      most_(static_cast<size_t>(most)),
      admit_(std::move(admit)),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      poller_(::epoll_create1(EPOLL_CLOEXEC)),
      worker_("what accepts connections of " + sockets_[0]->address()) {}

Acceptor::~Acceptor() {
  stop();
  for (const auto& [watched, kept] : connections_) ::close(watched);
  ::close(stop_);
  ::close(poller_);
}

Status Acceptor::watch() {
  bool watched = add(poller_, stop_, EPOLLIN);
  for (const auto& socket : sockets_) watched = watched && add(poller_, socket->fd(), EPOLLIN);
  if (!watched) {
    return unavailable("cannot watch '" + sockets_[0]->address() + "': " + std::strerror(errno));
  }
  thread_ = std::thread([this] { serve(); });
  return ok_status();
}

void Acceptor::leave_kept() {
  for (const auto& socket : sockets_) {
    if (socket->is_kept()) ::epoll_ctl(poller_, EPOLL_CTL_DEL, socket->fd(), nullptr);
  }
}

void Acceptor::stop() {
  const uint64_t one = 1;
  static_cast<void>(!::write(stop_, &one, sizeof one));
  if (thread_.joinable()) thread_.join();
  for (const auto& socket : sockets_) socket->remove_file();
}

void Acceptor::serve() {
  std::array<epoll_event, 64> events{};
  for (;;) {
    const int count = ::epoll_wait(poller_, events.data(), static_cast<int>(events.size()), -1);
    if (count < 0 && errno != EINTR) return;
    const telemetry::Work work(worker_);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      if (fd == stop_) return;
      if (connections_.contains(fd)) {
        end(fd);
      } else {
        accept(fd);
      }
    }
  }
}

void Acceptor::accept(int listener) {
  const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (client < 0) {
    // Who waits stays in the backlog until somebody else goes.
    if (errno == EMFILE || errno == ENFILE)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return;
  }
  const bool full = connections_.size() >= most_;
  if (full && !full_) {
    telemetry::log(LogLevel::kWarning,
                   sockets_[0]->address() + " has " + std::to_string(most_) +
                       " connections (max_connections): others are turned away");
  }
  full_ = full;
  const int watched = full ? -1 : ::fcntl(client, F_DUPFD_CLOEXEC, 0);
  if (watched < 0) {
    ::close(client);
    return;
  }
  const int on = 1;  // of TCP; a Unix socket has no such delay
  ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  std::shared_ptr<const void> kept = admit_(client);
  if (kept == nullptr) {
    ::close(client);
    ::close(watched);
    return;
  }
  connections_.emplace(watched, std::move(kept));
  // Also of one that has ended by now: it is told at once.
  if (!add(poller_, watched, EPOLLRDHUP)) end(watched);
}

void Acceptor::end(int watched) {
  // Before what is kept, which may be gRPC's server with the connection's other descriptor.
  ::close(watched);
  connections_.erase(watched);
}

}  // namespace inferd::serve

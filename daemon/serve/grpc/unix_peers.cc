// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/grpc/unix_peers.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "daemon/telemetry/log.h"

namespace inferd::serve {

Result<std::unique_ptr<UnixPeers>> UnixPeers::open(const config::Listener& listener, Access access,
                                                   const Served& served) {
  INFERD_ASSIGN_OR_RETURN(auto socket,
                          ListeningSocket::open(listener.address, listener.socket_mode));
  return std::unique_ptr<UnixPeers>(new UnixPeers(std::move(socket), std::move(access), served));
}

UnixPeers::UnixPeers(std::unique_ptr<ListeningSocket> socket, Access access, const Served& served)
    : socket_(std::move(socket)),
      access_(std::move(access)),
      served_(served),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { accept_clients(); }) {}

UnixPeers::~UnixPeers() {
  shut_down(0);
  ::close(stop_);
}

void UnixPeers::accept_clients() {
  std::array<pollfd, 2> watched = {{{socket_->fd(), POLLIN, 0}, {stop_, POLLIN, 0}}};
  for (;;) {
    if (::poll(watched.data(), watched.size(), -1) < 0 && errno != EINTR) return;
    if (watched[1].revents != 0) return;
    const int client = ::accept4(socket_->fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client >= 0) {
      admit(client);
    } else if (errno == EMFILE || errno == ENFILE) {
      // Who waits stays in the backlog until somebody else goes.
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
}

void UnixPeers::admit(int client) {
  auto process = process_behind(client);
  if (!process.ok()) {
    ::close(client);
    return;
  }
  Peer peer;
  peer.process = *std::move(process);
  const Roles roles = access_.roles_of(peer);
  const std::lock_guard lock(mutex_);
  // Who has no role is connected all the same, and each call says why it is denied.
  auto endpoint = endpoints_.find(roles);
  if (endpoint == endpoints_.end()) {
    auto fresh = std::make_unique<Endpoint>(served_, CallerRoles(roles));
    if (const Status started = fresh->start(); !started.ok()) {
      telemetry::log(LogLevel::kError, "a client was turned away: " + started.message());
      ::close(client);
      return;
    }
    if (announced_) fresh->announce_shutdown();
    endpoint = endpoints_.emplace(roles, std::move(fresh)).first;
  }
  endpoint->second->adopt(client);
}

void UnixPeers::announce_shutdown() {
  const std::lock_guard lock(mutex_);
  announced_ = true;
  for (const auto& [roles, endpoint] : endpoints_) endpoint->announce_shutdown();
}

void UnixPeers::stop_accepting() {
  const uint64_t one = 1;
  static_cast<void>(!::write(stop_, &one, sizeof one));
  if (thread_.joinable()) thread_.join();
  socket_->remove_file();
}

void UnixPeers::shut_down(int64_t timeout_ms) {
  announce_shutdown();
  stop_accepting();
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::milliseconds(timeout_ms);
  for (const auto& [roles, endpoint] : endpoints_) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    endpoint->shut_down(std::max<int64_t>(left.count(), 0));
  }
}

}  // namespace inferd::serve

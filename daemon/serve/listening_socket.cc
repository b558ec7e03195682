// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/listening_socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "daemon/host/kept_sockets.h"
#include "daemon/serve/socket_file.h"

namespace inferd::serve {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr int kBacklog = 128;

Status failure(const std::string& address) {
  return unavailable("cannot listen on '" + address + "': " + std::strerror(errno));
}

struct Target {
  std::string host, port;
};

Result<Target> parse(std::string address) {
  // As gRPC has them for numbers.
  for (const std::string_view prefix : {"ipv4:", "ipv6:"}) {
    if (address.starts_with(prefix)) address.erase(0, prefix.size());
  }
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size())
    return invalid_argument("'" + address + "' is neither unix:PATH nor HOST:PORT");
  Target target{address.substr(0, colon), address.substr(colon + 1)};
  if (target.host.starts_with('[') && target.host.ends_with(']'))
    target.host = target.host.substr(1, target.host.size() - 2);
  return target;
}

Result<sockaddr_un> name_of(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path)
    return invalid_argument("the socket path '" + path + "' is too long");
  std::memcpy(name.sun_path, path.data(), path.size());
  return name;
}

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

// At least one.
Result<Addresses> resolve(const std::string& address) {
  INFERD_ASSIGN_OR_RETURN(const Target target, parse(address));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(target.host.c_str(), target.port.c_str(), &hints, &found);
  if (error != 0)
    return unavailable("cannot listen on '" + address + "': " + ::gai_strerror(error));
  return Addresses(found, &::freeaddrinfo);
}

// Port 0 stands for the one that the system chose.
std::string with_bound_port(const std::string& address, int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (!address.ends_with(":0")) return address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return address;
  const in_port_t port = bound.ss_family == AF_INET6
                             ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                             : reinterpret_cast<const sockaddr_in&>(bound).sin_port;
  return address.substr(0, address.size() - 1) + std::to_string(ntohs(port));
}

}  // namespace

Result<std::unique_ptr<ListeningSocket>> ListeningSocket::open(const std::string& address,
                                                               int mode) {
  if (!address.starts_with(kUnix)) {
    INFERD_ASSIGN_OR_RETURN(const Addresses addresses, resolve(address));
    return bind_tcp(address, *addresses);
  }
  return bind_unix(address.substr(kUnix.size()), mode, {SOCK_STREAM, kBacklog});
}

Result<std::unique_ptr<ListeningSocket>> ListeningSocket::open_packets(const std::string& path,
                                                                       int mode) {
  return keep_unix(path, mode, {SOCK_SEQPACKET, SOMAXCONN});
}

Result<std::unique_ptr<ListeningSocket>> ListeningSocket::keep_unix(const std::string& path,
                                                                    int mode, Kind kind) {
  INFERD_ASSIGN_OR_RETURN(const sockaddr_un name, name_of(path));
  const auto kept = host::KeptSockets::of_process().take(reinterpret_cast<const sockaddr*>(&name),
                                                         sizeof name, kind.type);
  if (!kept) {
    INFERD_ASSIGN_OR_RETURN(auto fresh, bind_unix(path, mode, kind));
    fresh->keep();
    return fresh;
  }
  std::unique_ptr<ListeningSocket> opened(new ListeningSocket(kept->fd, std::string(kUnix) + path));
  opened->is_kept_ = true;
  // Those of inferd.socket have the mode that stands there.
  if (kept->is_stored && ::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0)
    return failure(opened->address_);
  return opened;
}

Result<std::unique_ptr<ListeningSocket>> ListeningSocket::bind_unix(const std::string& path,
                                                                    int mode, Kind kind) {
  const std::string address = std::string(kUnix) + path;
  INFERD_ASSIGN_OR_RETURN(const sockaddr_un name, name_of(path));
  INFERD_RETURN_IF_ERROR(clear_socket_file(path));
  const int fd = ::socket(AF_UNIX, kind.type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return failure(address);
  std::unique_ptr<ListeningSocket> opened(new ListeningSocket(fd, address));
  // Never open to others, not even before its mode is set.
  const mode_t previous = ::umask(0177);
  const int bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name);
  ::umask(previous);
  if (bound != 0) return failure(address);
  opened->path_ = path;
  if (::chmod(path.c_str(), static_cast<mode_t>(mode)) != 0 || ::listen(fd, kind.backlog) != 0)
    return failure(address);
  return opened;
}

Result<std::vector<std::unique_ptr<ListeningSocket>>> ListeningSocket::open_all(
    const std::string& address, int mode) {
  std::vector<std::unique_ptr<ListeningSocket>> opened;
  if (address.starts_with(kUnix)) {
    INFERD_ASSIGN_OR_RETURN(opened.emplace_back(),
                            keep_unix(address.substr(kUnix.size()), mode, {SOCK_STREAM, kBacklog}));
    return opened;
  }
  INFERD_ASSIGN_OR_RETURN(const Addresses addresses, resolve(address));
  Status failed = ok_status();
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    auto one = keep_tcp(address, *at);
    if (one.ok()) {
      opened.push_back(std::move(*one));
    } else if (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL) {
      return one.status();  // half of a listener would be a surprise
    } else {
      failed = one.status();
    }
  }
  if (opened.empty()) return failed;
  return opened;
}

Result<std::unique_ptr<ListeningSocket>> ListeningSocket::keep_tcp(const std::string& address,
                                                                   const addrinfo& target) {
  const auto kept =
      host::KeptSockets::of_process().take(target.ai_addr, target.ai_addrlen, SOCK_STREAM);
  if (kept) {
    std::unique_ptr<ListeningSocket> opened(new ListeningSocket(kept->fd, address));
    opened->is_kept_ = true;
    return opened;
  }
  auto fresh = bind_tcp(address, target);
  // Nobody would ask for a port that was any free one.
  if (fresh.ok() && (*fresh)->address_ == address) (*fresh)->keep();
  return fresh;
}

Result<std::unique_ptr<ListeningSocket>> ListeningSocket::bind_tcp(const std::string& address,
                                                                   const addrinfo& target) {
  const int fd = ::socket(target.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return failure(address);
  // Bound right after another daemon ended; a port that somebody listens on stays theirs.
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  std::unique_ptr<ListeningSocket> opened(new ListeningSocket(fd, address));
  if (::bind(fd, target.ai_addr, target.ai_addrlen) != 0 || ::listen(fd, kBacklog) != 0)
    return failure(address);
  opened->address_ = with_bound_port(address, fd);
  return opened;
}

void ListeningSocket::keep() {
  is_kept_ = host::KeptSockets::of_process().keep(fd_);
  if (is_kept_) path_.clear();
}

ListeningSocket::~ListeningSocket() {
  remove_file();
  ::close(fd_);
}

void ListeningSocket::remove_file() {
  if (!path_.empty()) ::unlink(path_.c_str());
  path_.clear();
}

}  // namespace inferd::serve

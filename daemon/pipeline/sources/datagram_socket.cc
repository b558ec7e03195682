// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/sources/datagram_socket.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace inferd::pipeline {
namespace {

Status cannot_listen(const std::string& where) {
  const int code = errno;
  const std::string text = "cannot listen at " + where + ": " + std::strerror(code);
  return code == EACCES ? permission_denied(text) : unavailable(text);
}

// A socket that nobody has any more refuses to be connected to; so does a file that is none.
bool is_left_behind(const sockaddr_un& address) {
  struct stat status {};
  if (::lstat(address.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  const Descriptor probe(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  const bool refused = ::connect(probe.get(), name, sizeof address) != 0 && errno == ECONNREFUSED;
  errno = EADDRINUSE;
  return refused;
}

}  // namespace

Result<Descriptor> listen_udp(const std::string& bind, int64_t port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_DGRAM;
  const int code = ::getaddrinfo(bind.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (code != 0) return invalid_argument("'bind: " + bind + "': " + ::gai_strerror(code));
  Descriptor socket(::socket(found->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const bool bound = socket.valid() && ::bind(socket.get(), found->ai_addr, found->ai_addrlen) == 0;
  const Status status = bound ? ok_status() : cannot_listen("UDP port " + std::to_string(port));
  ::freeaddrinfo(found);
  if (!status.ok()) return status;
  return socket;
}

Status DatagramFile::open(const std::string& path) {
  close();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return invalid_argument("'" + path + "' is too long for a socket's path");
  path.copy(address.sun_path, path.size());
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return cannot_listen("'" + path + "'");
  int failed = ::bind(socket.get(), name, sizeof address);
  if (failed != 0 && errno == EADDRINUSE && is_left_behind(address)) {
    ::unlink(path.c_str());
    failed = ::bind(socket.get(), name, sizeof address);
  }
  if (failed != 0) return cannot_listen("'" + path + "'");
  socket_ = std::move(socket);
  path_ = path;
  return ok_status();
}

void DatagramFile::close() {
  if (socket_.valid()) ::unlink(path_.c_str());
  socket_.reset();
}

}  // namespace inferd::pipeline

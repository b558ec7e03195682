// SPDX-License-Identifier: Apache-2.0
#include "daemon/serve/socket_file.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace inferd::serve {
namespace {

// Is this a socket that nobody listens on any more? Any doubt (no permission, a full backlog) means
// no.
bool is_abandoned(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const bool refused = ::connect(fd, generic, sizeof address) != 0 && errno == ECONNREFUSED;
  ::close(fd);
  return refused;
}

}  // namespace

Status clear_socket_file(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return ok_status();
  if (!S_ISSOCK(info.st_mode)) {
    return failed_precondition("'" + path + "' exists and is not a socket");
  }
  if (!is_abandoned(path)) return unavailable("another process serves on '" + path + "'");
  if (::unlink(path.c_str()) != 0) {
    return permission_denied("cannot replace '" + path + "': " + std::strerror(errno));
  }
  return ok_status();
}

}  // namespace inferd::serve

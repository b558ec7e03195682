// SPDX-License-Identifier: Apache-2.0
#include "daemon/host/kept_sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "daemon/host/systemd.h"

namespace inferd::host {
namespace {

// What the names of stored sockets begin with. Those of inferd.socket have the unit's name.
constexpr std::string_view kStored = "inferd-listener=";

int type_of(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 ? type : 0;
}

// Where a socket is bound to, for people and for comparing: its type and "unix:PATH" or
// "NUMBER:PORT". Empty: to nothing that has a name.
std::string text_of(const sockaddr* address, socklen_t size, int type) {
  const std::string prefix = type == SOCK_SEQPACKET ? "packets:" : "";
  std::array<char, INET6_ADDRSTRLEN> host{};
  if (address->sa_family == AF_UNIX) {
    const auto& name = *reinterpret_cast<const sockaddr_un*>(address);
    const size_t before = offsetof(sockaddr_un, sun_path);
    if (size <= before || name.sun_path[0] == '\0') return {};
    return prefix + "unix:" + std::string(name.sun_path, ::strnlen(name.sun_path, size - before));
  }
  if (address->sa_family == AF_INET) {
    const auto& v4 = *reinterpret_cast<const sockaddr_in*>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, host.data(), host.size());
    return prefix + host.data() + ":" + std::to_string(ntohs(v4.sin_port));
  }
  if (address->sa_family == AF_INET6) {
    const auto& v6 = *reinterpret_cast<const sockaddr_in6*>(address);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, host.data(), host.size());
    return prefix + "[" + host.data() + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  return {};
}

std::string text_of(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  auto* const generic = reinterpret_cast<sockaddr*>(&bound);
  if (::getsockname(fd, generic, &size) != 0) return {};
  return text_of(generic, size, type_of(fd));
}

// Colons separate names.
std::string stored_name(std::string address) {
  std::replace(address.begin(), address.end(), ':', '=');
  return std::string(kStored) + address;
}

// As systemd has it for names of descriptors.
bool can_be_name(const std::string& name) {
  constexpr size_t kLongest = 255;
  return name.size() <= kLongest &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= ' ' && c < 127; });
}

// The path of "unix:PATH" and "packets:unix:PATH"; empty for others.
std::string path_in(const std::string& address) {
  const size_t at = address.find("unix:");
  return at == std::string::npos ? "" : address.substr(at + 5);
}

bool is_socket(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode);
}

}  // namespace

KeptSockets& KeptSockets::of_process() {
  static KeptSockets all;
  return all;
}

KeptSockets::~KeptSockets() {
  for (const Kept& kept : kept_) ::close(kept.fd);
}

std::vector<std::string> KeptSockets::adopt() {
  std::vector<std::string> wrong;
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(1, &names);
  const std::lock_guard lock(mutex_);
  has_adopted_ = true;
  for (int i = 0; i < count; ++i) {
    const int fd = SD_LISTEN_FDS_START + i;
    const std::string name = names == nullptr || names[i] == nullptr ? "" : names[i];
    const Kept kept{fd, name.starts_with(kStored), name};
    if (sd_is_socket(fd, AF_UNSPEC, 0, 1) > 0 && !text_of(fd).empty()) {
      kept_.push_back(kept);
    } else {
      wrong.push_back("systemd handed over descriptor " + std::to_string(fd) + " '" + name +
                      "', which is no listening socket with an address; it is closed. See "
                      "'systemctl cat inferd.socket'");
      forget(kept);
    }
  }
  for (char** name = names; name != nullptr && *name != nullptr; ++name) std::free(*name);
  std::free(names);
  // Those of inferd.socket come first: what was stored before that was enabled has been replaced.
  std::stable_sort(kept_.begin(), kept_.end(),
                   [](const Kept& a, const Kept& b) { return a.is_stored < b.is_stored; });
  return wrong;
}

std::optional<KeptSockets::Taken> KeptSockets::take(const sockaddr* address, socklen_t size,
                                                    int type) {
  const std::string wanted = text_of(address, size, type);
  const std::lock_guard lock(mutex_);
  const auto at = std::find_if(kept_.begin(), kept_.end(),
                               [&](const Kept& kept) { return text_of(kept.fd) == wanted; });
  if (wanted.empty() || at == kept_.end()) return std::nullopt;
  const Kept found = *at;
  kept_.erase(at);
  const std::string path = path_in(wanted);
  const int flags = ::fcntl(found.fd, F_GETFL);
  const bool lost = found.is_stored && !path.empty() && !is_socket(path);
  if (lost || ::fcntl(found.fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    forget(found);
    return std::nullopt;
  }
  used_.insert(wanted);
  return Taken{found.fd, found.is_stored};
}

bool KeptSockets::keep(int socket) {
  {
    const std::lock_guard lock(mutex_);
    if (!has_adopted_ || !is_notified()) return false;
  }
  const std::string address = text_of(socket);
  const std::string name = stored_name(address);
  if (address.empty() || !can_be_name(name)) return false;
  const std::string message = "FDSTORE=1\nFDNAME=" + name;
  return sd_pid_notify_with_fds(0, 0, message.c_str(), &socket, 1) > 0;
}

std::vector<std::string> KeptSockets::drop_rest() {
  std::vector<std::string> unanswered;
  const std::lock_guard lock(mutex_);
  for (const Kept& kept : kept_) {
    const std::string address = text_of(kept.fd);
    const std::string path = path_in(address);
    if (!kept.is_stored) {
      unanswered.push_back(address);
    } else if (!path.empty() && !used_.contains(address) && is_socket(path)) {
      ::unlink(path.c_str());  // nobody listens there any more
    }
    forget(kept);
  }
  kept_.clear();
  return unanswered;
}

void KeptSockets::forget(const Kept& kept) {
  if (kept.is_stored) sd_notify(0, ("FDSTOREREMOVE=1\nFDNAME=" + kept.name).c_str());
  ::close(kept.fd);
}

}  // namespace inferd::host

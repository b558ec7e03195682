// SPDX-License-Identifier: Apache-2.0
#include "daemon/pipeline/custom/host_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

#include "daemon/schedule/request.h"

namespace inferd::pipeline {
namespace {

using schedule::now_ns;

std::string text_of(int error) { return std::strerror(error); }

// Beside this program where it was built, and where it is installed.
Result<std::string> host_program() {
  std::error_code error;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (const char* name : {"inferd-stage-host", INFERD_STAGE_HOST_FROM_BIN}) {
    std::string program = (folder / name).lexically_normal();
    if (::access(program.c_str(), X_OK) == 0) return program;
  }
  return unavailable("inferd-stage-host is not installed beside " + folder.string());
}

// What a library may need to find its own things; nothing that is meant for the daemon alone, such
// as the socket by which it talks to systemd.
std::vector<std::string> environment() {
  std::vector<std::string> all;
  for (const char* name : {"PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR"}) {
    if (const char* value = std::getenv(name); value != nullptr)
      all.push_back(std::string(name) + "=" + value);
  }
  return all;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// How a child begins: with `socket`, with what it says going where the daemon's errors go, and
// with signals as a program expects them.
class SpawnOptions {
 public:
  explicit SpawnOptions(int socket) {
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, socket, kHostSocket);
    ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&files, 2, 1);
    ::posix_spawn_file_actions_addclosefrom_np(&files, kHostSocket + 1);
    ::posix_spawnattr_init(&attributes);
    sigset_t signals;
    ::sigemptyset(&signals);
    ::posix_spawnattr_setsigmask(&attributes, &signals);
    ::sigfillset(&signals);
    ::posix_spawnattr_setsigdefault(&attributes, &signals);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnOptions() {
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&files);
  }
  SpawnOptions(const SpawnOptions&) = delete;
  SpawnOptions& operator=(const SpawnOptions&) = delete;

  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
};

bool send_packet(int socket, Bytes& packet, int descriptor) {
  iovec part{packet.data(), packet.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
  if (descriptor >= 0) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  }
  // There is room: the host has taken all that was sent before.
  return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(packet.size());
}

// False: it is too late.
bool wait_readable(int socket, int64_t deadline_ns) {
  for (;;) {
    const int64_t left_ms = (deadline_ns - now_ns() + 999'999) / 1'000'000;
    pollfd poll{socket, POLLIN, 0};
    const int ready = left_ms > 0 ? ::poll(&poll, 1, static_cast<int>(left_ms)) : 0;
    if (ready > 0) return true;
    if (ready == 0 && now_ns() >= deadline_ns) return false;
  }
}

}  // namespace

Status HostProcess::start(int64_t memory_bytes) {
  INFERD_ASSIGN_OR_RETURN(std::string program, host_program());
  std::array<int, 2> sockets{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) != 0)
    return unavailable("no socket for its process: " + text_of(errno));
  socket_ = sockets[0];
  std::vector<std::string> words = {program, std::to_string(kHostProtocol),
                                    std::to_string(::getpid()), std::to_string(memory_bytes)};
  std::vector<std::string> variables = environment();
  const SpawnOptions options(sockets[1]);
  const int error = ::posix_spawn(&pid_, program.c_str(), &options.files, &options.attributes,
                                  pointers_to(words).data(), pointers_to(variables).data());
  ::close(sockets[1]);
  if (error == 0) return ok_status();
  pid_ = -1;
  return unavailable(program + " cannot be started: " + text_of(error));
}

Status HostProcess::ask(Bytes& packet, int descriptor, int64_t timeout_ns) {
  if (pid_ < 0) return unavailable("its process has ended");
  if (!send_packet(socket_, packet, descriptor)) return died(end());
  if (!wait_readable(socket_, now_ns() + timeout_ns)) {
    end();
    return died("did not answer within " + std::to_string(timeout_ns / 1'000'000) +
                " ms and was killed");
  }
  packet.resize(kMaxPacket);
  const ssize_t size = ::recv(socket_, packet.data(), packet.size(), MSG_DONTWAIT | MSG_TRUNC);
  if (size <= 0) return died(end());
  if (static_cast<size_t>(size) > packet.size()) {
    end();
    return died("answered with more than it may and was killed");
  }
  packet.resize(static_cast<size_t>(size));
  return ok_status();
}

Status HostProcess::died(const std::string& why) { return unavailable("its process " + why); }

std::string HostProcess::end() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
  if (pid_ < 0) return "has ended";
  // One that is dying keeps the reason that it has.
  ::kill(pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  if (WIFEXITED(status)) return "exited with status " + std::to_string(WEXITSTATUS(status));
  const char* name = ::sigabbrev_np(WTERMSIG(status));
  return "was killed by " + (name == nullptr ? "signal " + std::to_string(WTERMSIG(status))
                                             : "SIG" + std::string(name));
}

}  // namespace inferd::pipeline

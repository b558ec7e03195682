// SPDX-License-Identifier: Apache-2.0
//
// inferd-stage-host: runs one stage of a shared library for the daemon, which starts it (see
// pipeline/custom/host_process.h) with a socket at kHostSocket. Whatever the library does, it does
// to this process.
//
//   inferd-stage-host PROTOCOL PARENT MEMORY     process id of the daemon; bytes, 0: any
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

#include "daemon/pipeline/custom/check_output.h"
#include "daemon/pipeline/custom/messages.h"

namespace inferd::pipeline {
namespace {

// Ends with the daemon, whatever becomes of it; never gets more rights than it has; leaves no
// pictures on the disk when it crashes. Signals that end the service are for the daemon, which
// finishes its frames first.
bool confine(pid_t parent, rlim_t memory) {
  std::signal(SIGTERM, SIG_IGN);
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  const rlimit no_core{0, 0};
  const rlimit data{memory, memory};
  return ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == parent &&
         ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::setrlimit(RLIMIT_CORE, &no_core) == 0 &&
         (memory == 0 || ::setrlimit(RLIMIT_DATA, &data) == 0);
}

// The daemon's memory as it was last sent.
class Memory {
 public:
  ~Memory() { unmap(); }
  // Takes the descriptor.
  bool map(int fd) {
    unmap();
    struct stat status {};
    if (::fstat(fd, &status) != 0) return false;
    size_ = static_cast<size_t>(status.st_size);
    at_ = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd, 0);
    ::close(fd);
    return at_ != MAP_FAILED;
  }
  const std::byte* data() const { return static_cast<const std::byte*>(at_); }

 private:
  void unmap() {
    if (at_ != nullptr && at_ != MAP_FAILED) ::munmap(at_, size_);
    at_ = nullptr;
  }

  void* at_ = nullptr;
  size_t size_ = 0;
};

// False: the daemon has gone.
bool receive(Bytes& packet, Memory& memory) {
  packet.resize(kMaxPacket);
  iovec part{packet.data(), packet.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control{};
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = ::recvmsg(kHostSocket, &message, MSG_CMSG_CLOEXEC);
  if (size <= 0) return false;
  packet.resize(static_cast<size_t>(size));
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr) return true;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return memory.map(fd);
}

bool send(const Bytes& packet) {
  return ::send(kHostSocket, packet.data(), packet.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(packet.size());
}

bool answer(const Status& status, const inferd_stage_output& output, bool left_out, Bytes& packet) {
  const int code = !status.ok() ? static_cast<int>(status.code())
                   : left_out   ? INFERD_STAGE_LEAVE_OUT
                                : INFERD_STAGE_OK;
  pack_answer(code, status.message(), status.ok() ? output : inferd_stage_output{}, packet);
  if (packet.size() > kMaxPacket) {
    pack_answer(INFERD_STAGE_FAILED, "gave more than 128 KiB of results", {}, packet);
  }
  return send(packet);
}

void serve() {
  Bytes packet, reply;
  Memory memory;
  LibraryStage from;
  if (!receive(packet, memory) || !unpack_hello(packet, from)) return;
  const auto stage = LoadedStage::load(from);
  if (!answer(stage.status(), {}, false, reply) || !stage.ok()) return;
  Findings findings;
  inferd_stage_frame frame;
  while (receive(packet, memory) && unpack_frame(packet, memory.data(), findings, frame)) {
    inferd_stage_output output;
    const auto processed = (*stage)->process(frame, output);
    Status status = processed.status();
    if (status.ok() && *processed) status = check_output(output, frame.detection_count);
    if (!answer(status, output, status.ok() && !*processed, reply)) return;
  }
}

}  // namespace
}  // namespace inferd::pipeline

int main(int argc, char** argv) {
  if (argc != 4 || std::atoi(argv[1]) != inferd::pipeline::kHostProtocol) {
    static constexpr char kWrong[] =
        "inferd-stage-host: is for inferd alone, and of another version; restart inferd\n";
    (void)!::write(2, kWrong, sizeof kWrong - 1);
    return 2;
  }
  if (!inferd::pipeline::confine(std::atoi(argv[2]), std::strtoull(argv[3], nullptr, 10))) return 3;
  inferd::pipeline::serve();
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "daemon/pipeline/custom/messages.h"

namespace inferd::pipeline {

// The process of a stage host (stage_host.cc) and the socket to it. Of one thread at a time. It is
// waited for when it ends, so that nothing of it stays behind.
class HostProcess {
 public:
  HostProcess() = default;
  ~HostProcess() { end(); }
  HostProcess(const HostProcess&) = delete;
  HostProcess& operator=(const HostProcess&) = delete;

  // UNAVAILABLE: it cannot be started, and why. Once.
  Status start(int64_t memory_bytes);

  // Sends a packet, with a descriptor unless that is -1, and waits for the answer, which takes its
  // place. UNAVAILABLE: the process is dead, and how it died ("was killed by SIGSEGV"), among that
  // by this because it took too long.
  Status ask(Bytes& packet, int descriptor, int64_t timeout_ns);

 private:
  Status died(const std::string& why);
  // Kills it where it lives. How it ended: "was killed by SIGSEGV", "exited with status 3".
  std::string end();

  pid_t pid_ = -1;
  int socket_ = -1;
};

}  // namespace inferd::pipeline

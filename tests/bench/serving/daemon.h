// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "inferd/engine/status.h"

namespace inferd::bench {

inline constexpr int kSpinUs = 500;

// A daemon as a process of its own that serves one model, called "model", over gRPC and over the
// local socket. Stopped with its owner.
class Daemon {
 public:
  // Waits until it answers. `threads` of the engine; 0: one per core.
  static Result<Daemon> start(const std::string& program, const std::string& model, int threads);
  Daemon(Daemon&& other) noexcept;
  ~Daemon();

  std::string grpc() const { return "unix:" + (folder_ / "grpc.sock").string(); }
  std::string local() const { return "local:" + (folder_ / "local.sock").string(); }
  std::string local_path() const { return (folder_ / "local.sock").string(); }
  // Another local socket, where the daemon looks for messages for some time before it sleeps.
  std::string spinning_path() const { return (folder_ / "spin.sock").string(); }

 private:
  Daemon(std::filesystem::path folder, pid_t process)
      : folder_(std::move(folder)), process_(process) {}

  std::filesystem::path folder_;
  pid_t process_ = -1;
};

}  // namespace inferd::bench

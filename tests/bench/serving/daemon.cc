// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/serving/daemon.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>
#include <utility>

#include "inferd/client/client.h"

namespace inferd::bench {

namespace fs = std::filesystem;

Result<Daemon> Daemon::start(const std::string& program, const std::string& model, int threads) {
  std::string name = fs::temp_directory_path() / "inferd-bench-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) return unavailable("no folder for the daemon");
  const fs::path folder = name;
  const fs::path version = folder / "models" / "model" / "1";
  std::error_code error;
  fs::create_directories(version, error);
  fs::copy_file(model, version / ("model" + fs::path(model).extension().string()), error);
  if (error) return not_found("cannot copy '" + model + "': " + error.message());
  const std::string config = folder / "inferd.yaml";
  std::ofstream(config)
      << "server: {grpc: [unix:grpc.sock], local: [local.sock, {path: spin.sock, spin_us: "
      << kSpinUs << "}]}\n"
      << "engine: {threads: " << threads << "}\n"
      << "log: {level: warning}\n"
      << "models: {root: models}\n";
  const pid_t process = ::fork();
  if (process == 0) {
    ::execl(program.c_str(), program.c_str(), "--config", config.c_str(), nullptr);
    ::_exit(127);
  }
  Daemon daemon(folder, process);
  for (int i = 0; i < 600; ++i) {
    if (Client::connect(daemon.local())->healthy().ok()) return daemon;
    if (::waitpid(process, nullptr, WNOHANG) == process) {
      daemon.process_ = -1;
      return unavailable("'" + program + "' does not start with " + config);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return unavailable("'" + program + "' does not answer");
}

Daemon::Daemon(Daemon&& other) noexcept
    : folder_(std::move(other.folder_)), process_(std::exchange(other.process_, -1)) {}

Daemon::~Daemon() {
  if (process_ <= 0) return;
  ::kill(process_, SIGTERM);
  ::waitpid(process_, nullptr, 0);
  std::error_code error;
  fs::remove_all(folder_, error);
}

}  // namespace inferd::bench

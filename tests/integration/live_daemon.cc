// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/live_daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace inferd {
namespace {

constexpr std::chrono::seconds kStartsWithin(60);

// That of another build may be asked for: a client with a sanitizer needs none in the daemon.
std::string program() {
  const char* const other = std::getenv("INFERD_TEST_DAEMON");
  return other != nullptr ? other : INFERD_WITH_TEST_MODELS;
}

void write(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << text;
}

}  // namespace

LiveDaemon::LiveDaemon(const Models& models, const std::string& options) {
  for (const auto& [name, script] : models)
    write(folder_.file("models/" + name + "/1/model.test"), script);
  write(folder_.file("inferd.yaml"), "server: {grpc: [unix:grpc], local: [{path: local" + options +
                                         "}]}\nmodels: {root: models}\nlog: {level: warning}\n");
  start();
}

LiveDaemon::~LiveDaemon() { kill(); }

std::string LiveDaemon::endpoint(const std::string& transport) const {
  return (transport == "grpc" ? "unix:" : "local:") + folder_.file(transport);
}

void LiveDaemon::start() {
  const std::string path = program(), config = folder_.file("inferd.yaml");
  const std::string log = folder_.file("log");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 2, log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, 2, 1);
  std::string flag = "--config";
  char* const arguments[] = {const_cast<char*>(path.c_str()), flag.data(),
                             const_cast<char*>(config.c_str()), nullptr};
  const int error = ::posix_spawn(&process_, path.c_str(), &actions, nullptr, arguments, ::environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    std::perror(path.c_str());
    std::abort();
  }
  const auto until = std::chrono::steady_clock::now() + kStartsWithin;
  const auto grpc = Client::connect(endpoint("grpc")), local = Client::connect(endpoint("local"));
  while (!grpc->healthy().ok() || !local->healthy().ok()) {
    if (::waitpid(process_, nullptr, WNOHANG) != 0 || std::chrono::steady_clock::now() > until) {
      std::stringstream text;
      text << std::ifstream(log).rdbuf();
      std::fprintf(stderr, "the daemon did not start: %s\n", text.str().c_str());
      std::abort();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void LiveDaemon::kill() {
  if (process_ < 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  process_ = -1;
}

void LiveDaemon::suspend() {
  ::kill(process_, SIGSTOP);
  ::waitpid(process_, nullptr, WUNTRACED);  // until it has stopped
}
void LiveDaemon::resume() { ::kill(process_, SIGCONT); }

}  // namespace inferd

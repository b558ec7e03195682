// SPDX-License-Identifier: Apache-2.0
#include "daemon/models/store/crash_mark.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "daemon/models/store/durable.h"
#include "daemon/telemetry/running.h"

namespace inferd::models {
namespace {

constexpr std::array<int, 5> kDeadly = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

// Of the process's mark; read by the handler.
std::atomic<int> mark_file{-1};

void append(int file, const char* text) {
  // Nothing is to be done about an error here.
  [[maybe_unused]] const ssize_t written = ::write(file, text, std::strlen(text));
}

// Only calls what is safe in a handler. The signal comes again, without a handler, when this
// returns: by itself where an instruction caused it, but not where another process sent it, as
// systemd's watchdog does.
void on_deadly_signal(int signal) {
  ::raise(signal);  // blocked until then
  const int file = mark_file.load();
  if (file < 0) return;
  for (std::atomic<const char*>& slot : telemetry::Running::slots()) {
    const char* label = slot.load();
    if (label == nullptr) continue;
    append(file, "running ");
    append(file, label);
    append(file, " ");
    append(file, ::sigabbrev_np(signal));
    append(file, "\n");
  }
}

std::string boot_id() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

}  // namespace

Result<std::unique_ptr<CrashMark>> CrashMark::open(const std::string& path) {
  std::unique_ptr<CrashMark> mark(new CrashMark(path));
  const std::string boot = "boot " + boot_id() + "\n";
  mark->read(boot);
  mark->head_ = static_cast<int64_t>(boot.size());
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return system_error("open", path);
  append(file, boot.c_str());
  mark_file.store(file);
  struct sigaction action {};
  action.sa_handler = on_deadly_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int signal : kDeadly) ::sigaction(signal, &action, nullptr);
  return mark;
}

CrashMark::~CrashMark() {
  for (const int signal : kDeadly) ::signal(signal, SIG_DFL);
  const int file = mark_file.exchange(-1);
  if (file < 0) return;
  ::close(file);
  ::unlink(path_.c_str());
}

void CrashMark::read(std::string_view boot) {
  std::ifstream stream(path_);
  std::string line;
  if (!std::getline(stream, line) || line + "\n" != boot) return;
  died_ = true;
  while (std::getline(stream, line)) {
    std::istringstream words(line);
    std::string what, signal;
    Suspect suspect;
    words >> what >> suspect.model >> suspect.version >> signal;
    if (suspect.model.empty() || suspect.version < 1) continue;
    suspect.reason = what == "loading" ? "the daemon died while it was being loaded"
                                       : "the daemon died of SIG" + signal + " while it ran";
    suspects_.push_back(std::move(suspect));
  }
}

void CrashMark::begin_loading(const std::string& model, int64_t version) {
  append(mark_file.load(), ("loading " + model + " " + std::to_string(version) + "\n").c_str());
}

void CrashMark::done() { [[maybe_unused]] const int failed = ::ftruncate(mark_file.load(), head_); }

}  // namespace inferd::models

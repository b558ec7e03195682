// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/doctor/daemon_program.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>

namespace inferd::ctl {
namespace {

std::string daemon_program() {
  std::array<char, 4096> self;
  const ssize_t size = ::readlink("/proc/self/exe", self.data(), self.size());
  if (size > 0) {
    const std::string here(self.data(), static_cast<size_t>(size));
    const std::string beside = here.substr(0, here.rfind('/')) + "/inferd";
    if (::access(beside.c_str(), X_OK) == 0) return beside;
  }
  return "inferd";
}

// In single quotes for a shell.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace

Said ask_daemon_program(const std::string& option, const std::string& file, bool with_errors) {
  const std::string command = quoted(daemon_program()) + " " + option + " " + quoted(file) +
                              (with_errors ? " 2>&1" : " 2>/dev/null");
  Said said;
  FILE* const program = ::popen(command.c_str(), "r");
  if (program == nullptr) return said;
  std::array<char, 4096> buffer;
  while (const size_t size = std::fread(buffer.data(), 1, buffer.size(), program))
    said.text.append(buffer.data(), size);
  const int result = ::pclose(program);
  if (result != -1 && WIFEXITED(result)) said.status = WEXITSTATUS(result);
  while (said.text.ends_with('\n')) said.text.pop_back();
  return said;
}

}  // namespace inferd::ctl

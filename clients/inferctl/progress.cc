// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace inferd::ctl {

using namespace std::chrono_literals;

Progress::Progress() : terminal_(isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (drawn_) std::fprintf(stderr, "\r\033[K");
}

void Progress::show(std::string_view what, size_t done, size_t total) {
  const auto now = Clock::now();
  const Clock::duration pause = terminal_ ? Clock::duration(100ms) : Clock::duration(10s);
  if (now - last_ < pause || (terminal_ && now - start_ < 1s)) return;
  last_ = now;
  const std::string text(what);
  if (!terminal_) {
    std::fprintf(stderr, "%s: %zu of %zu\n", text.c_str(), done, total);
    return;
  }
  constexpr size_t kWidth = 30;
  const size_t filled = total == 0 ? 0 : std::min(kWidth, kWidth * done / total);
  const std::string bar = std::string(filled, '#') + std::string(kWidth - filled, '.');
  std::fprintf(stderr, "\r\033[K%s [%s] %zu of %zu", text.c_str(), bar.c_str(), done, total);
  drawn_ = true;
}

}  // namespace inferd::ctl

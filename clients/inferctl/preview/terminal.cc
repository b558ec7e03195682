// SPDX-License-Identifier: Apache-2.0
#include "clients/inferctl/preview/terminal.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "clients/inferctl/preview/kitty.h"

namespace inferd::ctl {
namespace {

// The other screen, no cursor; and back.
constexpr std::string_view kBegin = "\x1b[?1049h\x1b[?25l\x1b[2J";
constexpr std::string_view kEnd = "\x1b[0m\x1b[?25h\x1b[?1049l";
constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

termios as_it_was;  // of the one terminal; set before signals are caught

void restore() {
  [[maybe_unused]] const ssize_t unused = ::write(STDOUT_FILENO, kEnd.data(), kEnd.size());
  ::tcsetattr(STDIN_FILENO, TCSANOW, &as_it_was);
}

// Only what is safe in a signal.
void end_by(int signal) {
  restore();
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

// The answer to "which terminal are you?" ends with 'c', and kitty's comes before it.
bool is_whole(std::string_view answer) {
  const size_t begin = answer.rfind("\x1b[?");
  return begin != std::string_view::npos && answer.find('c', begin) != std::string_view::npos;
}

}  // namespace

Graphics graphics_told(std::string_view answer) {
  if (answer.find(kKittyYes) != std::string_view::npos) return Graphics::kKitty;
  constexpr std::string_view kBeginning = "\x1b[?";
  const size_t begin = answer.rfind(kBeginning);
  if (begin == std::string_view::npos) return Graphics::kBlocks;
  // "\e[?62;4;22c": 4 is for sixels. The first number is what the terminal is.
  std::string_view numbers = answer.substr(begin + kBeginning.size());
  numbers = numbers.substr(0, numbers.find('c'));
  for (bool is_first = true; !numbers.empty(); is_first = false) {
    const size_t end = std::min(numbers.find(';'), numbers.size());
    if (!is_first && numbers.substr(0, end) == "4") return Graphics::kSixel;
    numbers.remove_prefix(std::min(end + 1, numbers.size()));
  }
  return Graphics::kBlocks;
}

Result<std::unique_ptr<Terminal>> Terminal::open() {
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0 ||
      ::tcgetattr(STDIN_FILENO, &as_it_was) != 0) {
    return failed_precondition(
        "a preview needs a terminal; `inferctl pipeline snapshot` writes a picture");
  }
  std::unique_ptr<Terminal> terminal(new Terminal());
  struct sigaction action {};
  action.sa_handler = end_by;
  for (const int signal : kSignals) ::sigaction(signal, &action, nullptr);
  termios raw = as_it_was;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);  // ^C is still a signal
  raw.c_cc[VSUSP] = _POSIX_VDISABLE;                     // the shell's screen is not ours
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  INFERD_RETURN_IF_ERROR(terminal->write(kBegin));
  return terminal;
}

Terminal::~Terminal() {
  for (const int signal : kSignals) ::signal(signal, SIG_DFL);
  ::tcflush(STDIN_FILENO, TCIFLUSH);  // late answers are no input of the shell
  restore();
}

Graphics Terminal::ask_for_graphics(int timeout_ms) const {
  using Clock = std::chrono::steady_clock;
  if (!write(kitty_question() + "\x1b[c").ok()) return Graphics::kBlocks;
  const auto until = Clock::now() + std::chrono::milliseconds(timeout_ms);
  constexpr size_t kMaxAnswer = 1024;
  std::string answer;
  while (!is_whole(answer) && answer.size() < kMaxAnswer) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    const char key = left > 0 ? wait_for_key(static_cast<int>(left)) : '\0';
    if (key == '\0') break;
    answer += key;
  }
  return graphics_told(answer);
}

TerminalSize Terminal::size() const {
  TerminalSize size;
  winsize window{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0 || window.ws_row == 0)
    return size;
  size.columns = window.ws_col;
  size.rows = window.ws_row;
  if (window.ws_xpixel >= window.ws_col && window.ws_ypixel >= window.ws_row) {
    size.cell_width = window.ws_xpixel / window.ws_col;
    size.cell_height = window.ws_ypixel / window.ws_row;
  }
  return size;
}

Status Terminal::write(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) {
      pollfd waits = {STDOUT_FILENO, POLLOUT, 0};
      ::poll(&waits, 1, -1);
      continue;
    }
    if (written < 0) return unavailable("the terminal is gone");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return ok_status();
}

char Terminal::wait_for_key(int timeout_ms) const {
  pollfd waits = {STDIN_FILENO, POLLIN, 0};
  if (::poll(&waits, 1, timeout_ms) <= 0) return '\0';
  char key = '\0';
  return ::read(STDIN_FILENO, &key, 1) == 1 ? key : '\0';
}

}  // namespace inferd::ctl

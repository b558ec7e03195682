// SPDX-License-Identifier: Apache-2.0
//
// A terminal that pictures are sent to.
#pragma once

#include <termios.h>

#include <memory>
#include <string>
#include <string_view>

#include "inferd/engine/status.h"

namespace inferd::ctl {

enum class Graphics { kKitty, kSixel, kBlocks };

struct TerminalSize {
  int columns = 80, rows = 24;
  int cell_width = 8, cell_height = 16;  // pixels; the usual ones where the terminal does not tell
  bool operator==(const TerminalSize&) const = default;
};

// The other screen of the terminal, without a cursor and without echo; as it was again at the end,
// also where a signal (^C, a hang-up) ends the process. One at a time.
class Terminal {
 public:
  // FAILED_PRECONDITION: standard input and output are no terminal.
  static Result<std::unique_ptr<Terminal>> open();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  // Asks the terminal what it can show; waits `timeout_ms` for its answer at most, and takes blocks
  // where none comes.
  Graphics ask_for_graphics(int timeout_ms) const;

  TerminalSize size() const;
  // Everything, also when the terminal is slow. UNAVAILABLE: it is gone.
  Status write(std::string_view bytes) const;
  // Waits so long, but no longer than for a key; 0: none came.
  char wait_for_key(int timeout_ms) const;

 private:
  Terminal() = default;
};

// What the answer to kitty's question and to "which terminal are you?" (primary device attributes)
// means.
Graphics graphics_told(std::string_view answer);

}  // namespace inferd::ctl

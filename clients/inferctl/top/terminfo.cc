// SPDX-License-Identifier: Apache-2.0
//
// Apart from screen.cc: <term.h> has macros for names such as `columns`.
#include "clients/inferctl/top/terminfo.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

// After the others, for the same reason.
#include <curses.h>
#include <term.h>

namespace inferd::ctl {

Status check_terminal() {
  const char* const term = std::getenv("TERM");
  const std::string name = term == nullptr ? "" : term;
  int error = 0;
  const bool known = setupterm(nullptr, STDOUT_FILENO, &error) == OK;
  if (known && cursor_address != nullptr) return ok_status();
  return failed_precondition("TERM is '" + name +
                             "', which is no terminal to draw on; set it, or use top --once");
}

}  // namespace inferd::ctl
